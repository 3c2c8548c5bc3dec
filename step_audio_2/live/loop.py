"""The loop of a conversation: an answer, a call of a tool, its result, and the answer that goes on from it.

The rules are here, and hold whatever model answers: how often tools are called in one turn, what becomes of their
failures, what an interruption leaves, and when the voice changes. A subclass says how its model is asked, and what the
messages look like.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from typing import Generic, Protocol

from step_audio_2.chat import Part
from step_audio_2.live.dialogue import AnswerPiece, AnswerTokens, Event, ToolFinished, ToolStarted, TurnEnd
from step_audio_2.live.history import History, MessageT, Turn
from step_audio_2.live.tools import Tool, by_name, call_tool
from step_audio_2.speech.voice import Voice
from step_audio_2.tool_calls import ToolCall


class Said(Protocol[MessageT]):
    """One answer that is over."""

    @property
    def calls(self) -> Sequence[ToolCall]:
        """The tools that it calls, in order."""

    @property
    def tokens(self) -> AnswerTokens:
        """What it took."""

    @property
    def message(self) -> MessageT:
        """All of it, for the results of its calls to follow."""

    def heard(self, played: float | None) -> list[MessageT]:
        """Return what is remembered of it where nothing follows: no calls, and nothing that nobody heard.

        Args:
            played: seconds of its sound that were heard; None for all of it.

        Returns:
            One message, or none if nothing was said.
        """

    def result(self, number: int, text: str, request: str) -> MessageT:
        """Return the message that hands back what a call came to.

        Args:
            number: of the call, from 0.
            text: of the result.
            request: what the model is asked to do with it; empty for nothing.
        """


class TurnLoop(ABC, Generic[MessageT]):
    """A conversation with some model, by turns; see ``step_audio_2.live.dialogue.Dialogue``.

    Args:
        tools: that the model may call.
        voice: in which it speaks at first, where it speaks in one that can be changed.
        history: what the model is reminded of, empty.
        most_rounds: of calls in one turn; what the model calls after that many is not run.
        seed: of what sampled answers draw.

    Attributes:
        voice: in which it speaks from the next answer on.
        history: what the model is reminded of.

    Raises:
        ValueError: two tools share a name.
    """

    def __init__(
        self, tools: Sequence[Tool], voice: Voice | None, history: History[MessageT], most_rounds: int, seed: int
    ) -> None:
        self.voice = voice
        self.history = history
        self._tools = by_name(tools)
        self._most_rounds = most_rounds
        self._seed = seed
        self._cancelled = threading.Event()
        self._played: float | None = None
        self._remembering = threading.Lock()
        self._last: tuple[list[MessageT], Said[MessageT]] | None = None
        self._voice_before = voice  # the last turn that is remembered

    @abstractmethod
    def _human(self, content: Sequence[Part]) -> MessageT:
        """Return the message of what a user says."""

    @abstractmethod
    def _reply(self, turn: Sequence[MessageT]) -> Generator[AnswerPiece, None, Said[MessageT]]:
        """Ask the model to go on with a turn, in ``voice`` and by ``_seed``, until ``_cancelled`` is set.

        Args:
            turn: its messages so far.

        Returns:
            The whole answer, or what there was of it.
        """

    @abstractmethod
    def _token_count(self, messages: Sequence[MessageT]) -> int:
        """Count the tokens that the messages of a turn take in a prompt; 0 where that is not known."""

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
        turn = [self._human(content)]
        self._begin()
        return self._turn(turn)

    def regenerate(self) -> Generator[Event, None, None]:
        """Answer the last turn's user once more, in other words, as if the first answer had not been.

        It begins in the voice in which that one began. Where that ends in an error, the first answer stays.

        Raises:
            IndexError: there was no turn.
        """
        if not len(self.history):
            raise IndexError("there was no turn that could be answered anew")
        self._begin()
        return self._turn_again()

    def interrupt(self, played: float | None = None) -> None:
        """Have the answer under way end where it is; one that is over may still be played, and is cut in the history.

        Args:
            played: seconds of the present answer's sound that were heard, for the history to hold no more; None for all
                that was generated.
        """
        with self._remembering:
            self._played = played
            self._cancelled.set()
            if self._last is not None and played is not None and len(self.history):
                turn, said = self._last
                self.history.take_last()
                self._remember(turn, said)

    def _begin(self) -> None:
        """Have interruptions be of the turn that begins: one may come before the first of its events is asked for."""
        with self._remembering:
            self._cancelled.clear()
            self._played = self._last = None

    def _turn_again(self) -> Generator[Event, None, None]:
        before, voice = self.history.take_last(), self.voice
        self.voice = self._voice_before
        try:
            yield from self._turn([before.messages[0]])
        except Exception:
            self.history.add(before)
            self.voice = voice
            raise

    def _turn(self, turn: list[MessageT]) -> Generator[Event, None, None]:
        turns, voice = self.history.turns, self.voice
        reading: _Reading[MessageT] | None = None
        try:
            for round_ in range(self._most_rounds + 1):
                self._seed += 1
                reading = _Reading(self._reply(turn))
                yield from reading
                said = reading.said
                yield said.tokens
                calls = said.calls if round_ < self._most_rounds else ()
                results = yield from self._results(said, calls)
                if not calls or self._cancelled.is_set():
                    break
                turn += [said.message, *results]
                reading = None
        except GeneratorExit:
            self._cancelled.set()
            self._end(turn, reading, voice)
            raise
        except Exception:
            self.history.restore(turns)  # what was forgotten to make room among them
            self.voice = voice
            raise
        self._end(turn, reading, voice)
        yield TurnEnd(self._cancelled.is_set())

    def _results(self, said: Said[MessageT], calls: Sequence[ToolCall]) -> Generator[Event, None, list[MessageT]]:
        """Run calls one after another, until nobody waits for them."""
        messages: list[MessageT] = []
        for number, call in enumerate(calls):
            started = time.perf_counter()
            yield ToolStarted(call)
            result = call_tool(self._tools, call, self._cancelled)
            if result is None:
                break
            yield ToolFinished(call, result, time.perf_counter() - started)
            request = "" if result.failed else self._tools[call.name].request
            messages.append(said.result(number, result.text, request))
            self.voice = result.voice or self.voice
        return messages

    def _end(self, turn: list[MessageT], reading: "_Reading[MessageT] | None", voice: Voice | None) -> None:
        """Remember a turn that is over, or interrupted, and the voice in which it began."""
        self._voice_before = voice
        if reading is None:
            with self._remembering:
                self._add(turn)
            return
        for _ in reading:  # what is under way ends with the next token
            pass
        with self._remembering:
            self._last = (turn, reading.said)
            self._remember(turn, reading.said)

    def _remember(self, turn: Sequence[MessageT], said: Said[MessageT]) -> None:
        self._add([*turn, *said.heard(self._played)])

    def _add(self, turn: Sequence[MessageT]) -> None:
        self.history.add(Turn(tuple(turn), self._token_count(turn)))


class _Reading(Iterator[AnswerPiece], Generic[MessageT]):
    """Reads one answer as it comes, and has the whole of it once there is no more.

    It has no ``close``, so that a generator that reads it, and is closed, may still read on to the end.
    """

    def __init__(self, events: Generator[AnswerPiece, None, Said[MessageT]]) -> None:
        self._events = events
        self._said: Said[MessageT] | None = None

    def __next__(self) -> AnswerPiece:
        try:
            return next(self._events)
        except StopIteration as end:
            self._said = self._said or end.value
            raise

    @property
    def said(self) -> Said[MessageT]:
        """The answer, once it is over."""
        if self._said is None:
            raise RuntimeError("the answer is not over")
        return self._said
