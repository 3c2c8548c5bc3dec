"""What a conversation is to whoever shows, saves or measures it: turns go in, events come out.

``step_audio_2.live.conversation`` has it with the model of this process; others may stand behind the same few methods.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from step_audio_2.answers import AnswerEvent
from step_audio_2.assistant import Thought
from step_audio_2.chat import Part
from step_audio_2.live.tools import ToolResult
from step_audio_2.speaking import Sound
from step_audio_2.speech.voice import Voice
from step_audio_2.tool_calls import ToolCall


@dataclass(frozen=True, slots=True)
class AnswerTokens:
    """What one answer of a turn took; it follows the answer's end.

    Attributes:
        input: how many tokens were read.
        output: how many were written.
        ids: those that were written, without a thought and the stop token; empty where the model's are not known.
    """

    input: int
    output: int
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool is at work.

    Attributes:
        call: what the model called.
    """

    call: ToolCall


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool is done.

    Attributes:
        call: what the model called.
        result: what it came to.
        seconds: that it took.
    """

    call: ToolCall
    result: ToolResult
    seconds: float


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """The assistant has said all, or was interrupted.

    Attributes:
        interrupted: what was said until then is remembered, and nothing else of the answer.
    """

    interrupted: bool


AnswerPiece = Thought | AnswerEvent | Sound
"""What one answer is given in: its thought, then words, codes, sound and calls as they come, and its end."""

Event = AnswerPiece | AnswerTokens | ToolStarted | ToolFinished | TurnEnd
"""What a turn is given in: one answer after another, what the tools did between them, and the end."""


class Dialogue(Protocol):
    """A conversation with a model, by turns.

    One thread at a time may read an answer; ``interrupt`` may be called from any other.
    """

    @property
    def voice(self) -> Voice | None:
        """The voice in which the next answer is spoken; None where the model writes, or has a voice of its own."""

    def answer(self, *content: Part) -> Generator[Event, None, None]:
        """Answer what a user says, and remember both; closing the iterator interrupts the answer.

        Args:
            content: recordings and texts, in the order in which they are said.
        """

    def regenerate(self) -> Generator[Event, None, None]:
        """Answer the last turn's user once more, as if the first answer had not been.

        Raises:
            IndexError: there was no turn.
        """

    def interrupt(self, played: float | None = None) -> None:
        """Have the answer under way end where it is.

        Args:
            played: seconds of the present answer's sound that were heard, for the history to hold no more; None for all
                that was made.
        """
