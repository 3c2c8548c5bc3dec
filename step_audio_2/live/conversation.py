"""The loop of a conversation: an answer, a call of a tool, its result, and the answer that goes on from it.

The messages are those of the published examples (section 4.2 of the description of the assistant): a turn of the
assistant is ``<tts_start>`` and exactly the tokens that were generated, calls among them; the result follows as
``input``; then the assistant is asked again. Speech before a call is heard while the tool is at work.
"""

import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from step_audio_2.answers import Answer
from step_audio_2.assistant import MOST_NEW_TOKENS, Assistant, Reply
from step_audio_2.chat import Message, Part, Question, tool_result, tool_schemas
from step_audio_2.live.dialogue import AnswerPiece, AnswerTokens, Event, ToolFinished, ToolStarted, TurnEnd
from step_audio_2.live.history import History, Turn, own_turn, said
from step_audio_2.live.tools import Tool, call_tool
from step_audio_2.speaking import speak
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath
from step_audio_2.speech.voice import Voice
from step_audio_2.tool_calls import ToolCall

SPOKEN: Mapping[str, Any] = {
    "max_new_tokens": 4096,
    "do_sample": True,
    "temperature": 0.7,
    "top_p": 0.9,
    "repetition_penalty": 1.05,
}
"""Decoding settings of the published examples with tools (examples.py, tool_call_test)."""


class Conversation:
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

    Attributes:
        voice: in which it speaks from the next answer on.
        history: what the model is reminded of.

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
        self.voice: Voice | None = None
        if token2wav is not None:
            if voice is None:
                raise ValueError("token2wav speaks in the voice of a recording: give one with voice=")
            self.voice = token2wav.prepare(voice)
        self._tools = {tool.name: tool for tool in tools}
        if len(self._tools) < len(tools):
            raise ValueError(f"two tools share a name: {', '.join(sorted(tool.name for tool in tools))}")
        room = assistant.longest_prompt - settings.get("max_new_tokens", MOST_NEW_TOKENS)
        self._opening = [Message("system", system)] if system else []
        self._opening += [tool_schemas([tool.schema for tool in tools])] if tools else []
        self.history = History(most_turns, room - assistant.token_count(self._opening))
        self._assistant = assistant
        self._token2wav = token2wav
        self._settings = dict(settings)
        self._most_rounds = most_rounds
        self._seed = seed
        self._cancelled = threading.Event()
        self._played: float | None = None

    def answer(self, *content: Part) -> Generator[Event, None, None]:
        """Answer what a user says, and remember both.

        Whoever stops reading, by closing the iterator, interrupts the assistant. An error leaves no trace in history.

        Args:
            content: recordings and texts, in the order in which they are said.

        Yields:
            The thought, words, codes and sound of each answer of the turn, the calls between them, and the end.

        Raises:
            ValueError: what is said is longer than the model can read, or a voice or a setting cannot be.
        """
        words = content[0] if len(content) == 1 and isinstance(content[0], str) else content
        return self._turn([Message("human", words)])

    def regenerate(self) -> Generator[Event, None, None]:
        """Answer the last turn's user once more, in other words, as if the first answer had not been.

        Raises:
            IndexError: there was no turn.
        """
        human = self.history.take_last().messages[0]
        return self._turn([human])

    def interrupt(self, played: float | None = None) -> None:
        """Have the answer under way end where it is.

        Args:
            played: seconds of the present answer's sound that were heard, for the history to hold no more; None for all
                that was generated.
        """
        self._played = played
        self._cancelled.set()

    def question(self, turn: Sequence[Message]) -> Question:
        """Build what the model is asked next in a turn, within the room that there is.

        Args:
            turn: its messages so far.
        """
        self.history.make_room(self._assistant.token_count(turn))
        return Question(
            [*self._opening, *self.history.messages, *turn],
            spoken=self._token2wav is not None,
            seeds=(self._seed,),
        )

    def _turn(self, turn: list[Message]) -> Generator[Event, None, None]:
        self._cancelled.clear()
        self._played = None
        reading: _Reading | None = None
        try:
            for round_ in range(self._most_rounds + 1):
                self._seed += 1
                reading = _Reading(self._reply(self.question(turn)))
                yield from reading
                reply = reading.reply
                yield AnswerTokens(reply.input_tokens, reply.output_tokens, reply.answer.ids)
                calls = reply.answer.tool_calls if round_ < self._most_rounds else ()
                results = yield from self._results(calls)
                if not calls or self._cancelled.is_set():
                    break
                turn += [self._own(reply.answer), *results]
                reading = None
        except GeneratorExit:
            self._cancelled.set()
            self._remember(turn, reading)
            raise
        self._remember(turn, reading)
        yield TurnEnd(self._cancelled.is_set())

    def _reply(self, question: Question) -> Generator[AnswerPiece, None, Reply]:
        settings = {"cancelled": self._cancelled, **self._settings}
        if self._token2wav is None or self.voice is None:
            return self._assistant.stream(question, **settings)
        return speak(self._assistant, question, self._token2wav, self.voice, **settings)

    def _results(self, calls: Sequence[ToolCall]) -> Generator[Event, None, list[Message]]:
        """Run calls one after another, until nobody waits for them."""
        messages: list[Message] = []
        for call in calls:
            started = time.perf_counter()
            yield ToolStarted(call)
            result = call_tool(self._tools, call, self._cancelled)
            if result is None:
                break
            yield ToolFinished(call, result, time.perf_counter() - started)
            messages.append(tool_result(result.text, "" if result.failed else self._tools[call.name].request))
            self.voice = result.voice or self.voice
        return messages

    def _own(self, answer: Answer) -> Message:
        return own_turn(answer.ids, spoken=self._token2wav is not None)

    def _remember(self, turn: list[Message], reading: "_Reading | None") -> None:
        if reading is not None:
            for _ in reading:  # what is under way ends with the next token
                pass
            turn += said(reading.reply.answer, spoken=self._token2wav is not None, played=self._played)
        self.history.add(Turn(tuple(turn), self._assistant.token_count(turn)))


class _Reading(Iterator[AnswerPiece]):
    """Reads one answer as it comes, and has the whole of it once there is no more.

    It has no ``close``, so that a generator that reads it, and is closed, may still read on to the end.
    """

    def __init__(self, events: Generator[AnswerPiece, None, Reply]) -> None:
        self._events = events
        self._reply: Reply | None = None

    def __next__(self) -> AnswerPiece:
        try:
            return next(self._events)
        except StopIteration as end:
            self._reply = self._reply or end.value
            raise

    @property
    def reply(self) -> Reply:
        """The answer, once it is over."""
        if self._reply is None:
            raise RuntimeError("the answer is not over")
        return self._reply
