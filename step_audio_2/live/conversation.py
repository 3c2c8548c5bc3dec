"""A conversation with the model of this process.

The messages are those of the published examples (section 4.2 of the description of the assistant): a turn of the
assistant is ``<tts_start>`` and exactly the tokens that were generated, calls among them; the result follows as
``input``; then the assistant is asked again. Speech before a call is heard while the tool is at work.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from step_audio_2.assistant import MOST_NEW_TOKENS, Assistant, Reply
from step_audio_2.chat import Message, Part, Question, tool_result, tool_schemas
from step_audio_2.live.dialogue import AnswerPiece, AnswerTokens
from step_audio_2.live.history import History, own_turn, said
from step_audio_2.live.loop import TurnLoop
from step_audio_2.live.tools import Tool
from step_audio_2.speaking import speak
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath
from step_audio_2.tool_calls import ToolCall

SPOKEN: Mapping[str, Any] = {
    "max_new_tokens": 4096,
    "do_sample": True,
    "temperature": 0.7,
    "top_p": 0.9,
    "repetition_penalty": 1.05,
}
"""Decoding settings of the published examples with tools (examples.py, tool_call_test)."""


class Conversation(TurnLoop[Message]):
    """A conversation with the model, by turns.

    One thread at a time may read an answer; ``interrupt`` may be called from any other.

    Args:
        assistant: of the kind ``chat`` or ``think``.
        system: the system message; see ``step_audio_2.live.prompts``.
        tools: that the model may call.
        token2wav: makes speech; without it the model writes.
        voice: in which it speaks at first, made ready now; a recording of at most 17 seconds, or a voice made of one.
        settings: of decoding, those of ``Assistant.stream``.
        most_rounds: of calls in one turn; what the model calls after that many is not run.
        most_turns: that the model is reminded of; see ``step_audio_2.live.history``.
        seed: of what sampled answers draw.

    Raises:
        ValueError: the assistant is of the kind ``base``, there is a synthesizer and no voice that it can speak in, or
            two tools share a name.
    """

    def __init__(
        self,
        assistant: Assistant,
        system: str = "",
        tools: Sequence[Tool] = (),
        *,
        token2wav: Token2Wav | None = None,
        voice: VoiceOrPath | None = None,
        settings: Mapping[str, Any] = SPOKEN,
        most_rounds: int = 5,
        most_turns: int = 50,
        seed: int = 0,
    ) -> None:
        if assistant.kind == "base":
            raise ValueError("the Base model knows no turns: a conversation takes mini or mini Think")
        if token2wav is not None and voice is None:
            raise ValueError("token2wav speaks in the voice of a recording: give one with voice=")
        prepared = token2wav.prepare(voice) if token2wav is not None and voice is not None else None
        self._opening = [Message("system", system)] if system else []
        self._opening += [tool_schemas([tool.schema for tool in tools])] if tools else []
        room = assistant.longest_prompt - settings.get("max_new_tokens", MOST_NEW_TOKENS)
        history: History[Message] = History(most_turns, room - assistant.token_count(self._opening))
        super().__init__(tools, prepared, history, most_rounds, seed)
        self._assistant = assistant
        self._token2wav = token2wav
        self._settings = dict(settings)

    def _human(self, content: Sequence[Part]) -> Message:
        return Message("human", content[0] if len(content) == 1 and isinstance(content[0], str) else content)

    def _reply(self, turn: Sequence[Message]) -> Generator[AnswerPiece, None, "_Said"]:
        self.history.make_room(self._token_count(turn))
        spoken = self._token2wav is not None
        question = Question([*self._opening, *self.history.messages, *turn], spoken=spoken, seeds=(self._seed,))
        settings = {"cancelled": self._cancelled, **self._settings}
        if self._token2wav is None or self.voice is None:
            reply = yield from self._assistant.stream(question, **settings)
        else:
            reply = yield from speak(self._assistant, question, self._token2wav, self.voice, **settings)
        return _Said(reply, spoken)

    def _token_count(self, messages: Sequence[Message]) -> int:
        return self._assistant.token_count(messages)


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer of the model's; see ``step_audio_2.live.loop.Said``."""

    reply: Reply
    spoken: bool

    @property
    def calls(self) -> Sequence[ToolCall]:
        return self.reply.answer.tool_calls

    @property
    def tokens(self) -> AnswerTokens:
        return AnswerTokens(self.reply.input_tokens, self.reply.output_tokens, self.reply.answer.ids)

    @property
    def message(self) -> Message:
        return own_turn(self.reply.answer.ids, spoken=self.spoken)

    def heard(self, played: float | None) -> list[Message]:
        return said(self.reply.answer, spoken=self.spoken, played=played)

    def result(self, number: int, text: str, request: str) -> Message:  # noqa: ARG002 - the model tells calls by order
        return tool_result(text, request)
