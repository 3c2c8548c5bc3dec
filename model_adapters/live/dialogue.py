"""A conversation with any model: its turns are requests of evalkit's, and its answers events of the loop."""

import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from evalkit.audio import Audio
from evalkit.errors import AudioError
from evalkit.thought import thought_in, without_thought
from evalkit.tool_syntax import well_formed, without_calls
from evalkit.types import Message, Request, Response, ToolCall, Usage
from model_adapters.live.models import LiveModels, ModelFailedError
from model_adapters.shared.live import Piece, Thinking
from model_adapters.step_audio_2.server_answers import codes_in, tokens_of
from step_audio_2.answers import AnswerEnd, AudioCodes, SpeechDelta
from step_audio_2.assistant import Thought
from step_audio_2.chat import AudioPart, Part
from step_audio_2.live.dialogue import AnswerPiece, AnswerTokens
from step_audio_2.live.history import History
from step_audio_2.live.loop import TurnLoop
from step_audio_2.live.tools import Tool
from step_audio_2.log_mel import SAMPLE_RATE
from step_audio_2.speaking import Sound
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath
from step_audio_2.tool_calls import ContentDelta, ToolCallArguments, ToolCallName
from step_audio_2.tool_calls import ToolCall as Called

_CODES_PER_SECOND = 25
# Words that begin so may be a thought or a call, and wait for the end of the answer.
_NOT_YET_WORDS = ("<", "{", "[", "`")


class ModelDialogue(TurnLoop[Message]):
    """A conversation with a model of evalkit's configurations; see ``step_audio_2.live.dialogue.Dialogue``.

    The model is reminded of so many turns, and of no more tokens than it may be, by its server's count of those before.
    An interruption leaves of the words what share of the sound was heard.

    Args:
        models: that answer.
        system: the system message; empty for none.
        tools: that the model may call.
        spoken: whether it is to speak.
        token2wav: makes the codes of a served Step-Audio 2 into sound, in a voice that tools can change; None for a
            model that speaks by itself, in a voice of its own.
        voice: in which token2wav speaks at first; a recording of at most 17 seconds, or a voice made of one.
        generation: decoding settings, by the names that evalkit's requests use.
        most_rounds: of calls in one turn; what the model calls after that many is not run.
        most_turns: that the model is reminded of.
        most_tokens: that they take; None for any number.
        seed: of what sampled answers draw, as far as the model's settings let it.

    Raises:
        ValueError: the model cannot speak or cannot call tools and is to, there is a synthesizer and no voice that it
            can speak in, or two tools share a name.
    """

    def __init__(
        self,
        models: LiveModels,
        system: str = "",
        tools: Sequence[Tool] = (),
        *,
        spoken: bool = False,
        token2wav: Token2Wav | None = None,
        voice: VoiceOrPath | None = None,
        generation: Mapping[str, Any] | None = None,
        most_rounds: int = 5,
        most_turns: int = 50,
        most_tokens: int | None = None,
        seed: int = 0,
    ) -> None:
        if token2wav is not None and voice is None:
            raise ValueError("token2wav speaks in the voice of a recording: give one with voice=")
        if spoken and token2wav is None and not models.capabilities.speech_output:
            raise ValueError(f"{models.title} does not speak: have it write")
        if tools and not models.capabilities.tools:
            raise ValueError(f"{models.title} does not call tools: give it none")
        prepared = token2wav.prepare(voice) if token2wav is not None and voice is not None else None
        super().__init__(tools, prepared, History(most_turns, most_tokens or math.inf), most_rounds, seed)
        self._models = models
        self._opening = [Message("system", (system,))] if system else []
        self._schemas = tuple(tool.schema for tool in tools)
        self._spoken = spoken
        self._token2wav = token2wav
        self._generation = dict(generation or {})
        self._recordings = 0
        self._heard: dict[Audio, str] = {}
        self._tokens = 0  # of the whole conversation, by the last answer

    def _human(self, content: Sequence[Part]) -> Message:
        return Message("user", tuple(map(self._part, content)))

    def _part(self, part: Part) -> str | Audio:
        if isinstance(part, str):
            return part
        if not isinstance(part, AudioPart):
            raise ValueError("a user says texts and recordings, not tokens")
        self._recordings += 1
        return Audio.of_waveform(f"recording {self._recordings}", part.waveform.numpy(), SAMPLE_RATE)

    def _reply(self, turn: Sequence[Message]) -> Generator[AnswerPiece, None, "_Said"]:
        self.history.make_room(0)
        request = Request(
            (*self._opening, *self.history.messages, *turn),
            generation=self._generation,
            tools=self._schemas,
            output="speech" if self._spoken else "text",
            attempt=self._seed - 1,  # the same question another time is another question
            kind="conversation",
        )
        self._heard = {audio: self._heard[audio] for audio in request.audio if audio in self._heard}
        given = _Given(self._spoken, self._token2wav and self.voice and self._token2wav.stream(self.voice))
        pieces = self._models.ask(request, self._cancelled, heard=self._heard, speaks=self._token2wav is not None)
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                response: Response | None = end.value
                break
            yield from given.piece(piece)
        if response is None:
            return given.said(Response(given.text), self._seed)
        if response.usage is not None:
            self._tokens = response.usage.input_tokens + response.usage.output_tokens
        for event in given.rest(response):
            yield event
            if self._cancelled.is_set():
                break
        yield AnswerEnd(response.finish_reason != "length")
        return given.said(response, self._seed)

    def _token_count(self, messages: Sequence[Message]) -> int:  # noqa: ARG002 - its server alone could count them
        return max(0, self._tokens - self.history.tokens)


class _Given:
    """What has been given of one answer so far."""

    def __init__(self, spoken: bool, speech: Any) -> None:
        self._spoken = spoken
        self._speech = speech
        self._started = time.perf_counter()
        self._raw = ""
        self._codes: list[int] = []
        self._seconds = 0.0
        self.text = ""

    def piece(self, piece: Piece) -> Iterator[AnswerPiece]:
        """Give what came while more is still to come."""
        if isinstance(piece, Thinking):
            yield Thought(piece.text, piece.tokens, piece.seconds)
        elif isinstance(piece, str):
            yield from self._more_words(piece)
        else:
            yield from self._more_codes(piece)

    def rest(self, response: Response) -> Iterator[AnswerPiece]:
        """Give all of a whole answer that was not given yet."""
        if thought := thought_in(response.text):
            yield Thought(thought, tokens=0, seconds=0.0)
        yield from self._up_to(_words(response))
        if self._speech is not None:
            codes = codes_in(response.tokens)[len(self._codes) :]
            for start in range(0, len(codes), _CODES_PER_SECOND):
                yield from self._more_codes(codes[start : start + _CODES_PER_SECOND])
            yield from self._sound(self._speech.flush())
        elif response.speech is not None:
            yield from self._sound(_waveform(response.speech))
        for index, call in enumerate(_calls(response)):
            yield ToolCallName(index, call.name)
            yield ToolCallArguments(index, call.arguments)

    def said(self, response: Response, number: int) -> "_Said":
        """Return the answer as the loop and the history know it."""
        return _Said(response, _words(response), tuple(self._codes), self._seconds, number)

    def _more_words(self, more: str) -> Iterator[AnswerPiece]:
        """Give what of the words is certain to be said: no thought, and no call."""
        self._raw += more
        if not self._raw.lstrip().startswith(_NOT_YET_WORDS):
            yield from self._up_to(self._raw.partition("<")[0])

    def _more_codes(self, more: Sequence[int]) -> Iterator[AnswerPiece]:
        """Give codes, and sound as soon as there is any."""
        self._codes += more
        yield AudioCodes(tuple(more))
        if self._speech is not None:
            yield from self._sound(self._speech.feed(more))

    def _up_to(self, words: str) -> Iterator[AnswerPiece]:
        more = words.removeprefix(self.text)
        self.text = words
        if more:
            yield SpeechDelta(more) if self._spoken else ContentDelta(more)

    def _sound(self, waveform: torch.Tensor) -> Iterator[AnswerPiece]:
        if len(waveform):
            self._seconds += len(waveform) / Token2Wav.sample_rate
            yield Sound(waveform, time.perf_counter() - self._started)


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer of some model; see ``step_audio_2.live.loop.Said``."""

    response: Response
    words: str
    codes: tuple[int, ...]
    seconds: float
    number: int

    @property
    def calls(self) -> Sequence[Called]:
        return [Called(call.name, call.arguments) for call in _calls(self.response)]

    @property
    def tokens(self) -> AnswerTokens:
        usage = self.response.usage or Usage()
        return AnswerTokens(usage.input_tokens, usage.output_tokens)

    @property
    def message(self) -> Message:
        # A server may read the arguments as JSON, be they what they may.
        calls = (well_formed(call) or replace(call, arguments="{}") for call in _calls(self.response))
        numbered = tuple(replace(call, id=self._id(number)) for number, call in enumerate(calls))
        return self._message(self.words, self.response.tokens, numbered)

    def heard(self, played: float | None) -> list[Message]:
        if played is None or played >= self.seconds:
            words, tokens = self.words, self.response.tokens or tokens_of(self.words, self.codes)
            if self.response.tool_calls and not self.codes:
                tokens = ""  # for all but codes it cannot be told what in them is the call
        else:
            share = played / self.seconds
            words = self.words[: math.floor(len(self.words) * share)]
            tokens = tokens_of(words, self.codes[: math.floor(len(self.codes) * share)])
        return [self._message(words, tokens)] if words or tokens else []

    def result(self, number: int, text: str, request: str) -> Message:
        return Message("tool", (text, request) if request else (text,), tool_call_id=self._id(number))

    def _message(self, words: str, tokens: str, calls: tuple[ToolCall, ...] = ()) -> Message:
        return Message("assistant", (words,), calls, tokens=tokens)

    def _id(self, number: int) -> str:
        return _calls(self.response)[number].id or f"call_{self.number}_{number}"


def _calls(response: Response) -> list[ToolCall]:
    """Return the calls of an answer; what only looks like one has no name."""
    return [call for call in response.tool_calls if call.name]


def _words(response: Response) -> str:
    """Return what an answer says, without thought and calls."""
    return without_calls(response.text) if _calls(response) else without_thought(response.text)


def _waveform(speech: Audio) -> torch.Tensor:
    try:
        return torch.from_numpy(speech.waveform(Token2Wav.sample_rate))
    except AudioError as error:
        raise ModelFailedError(f"what the model said cannot be played: {error}") from error
