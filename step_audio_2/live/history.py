"""What was said so far: kept turn by turn, and forgotten turn by turn, so that a talk may last for ever.

The rule: of the turns before the present one, at most so many are kept, and no more than fit into so many tokens
together with the present one. What is too much is forgotten for good, whole turns, the oldest first. The system message
and the tools always stay.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from step_audio_2.answers import Answer
from step_audio_2.chat import Message, TokenPart, spoken_turn
from step_audio_2.special_tokens import AUDIO_CODE_PAD, FIRST_AUDIO_CODE, TOOL_CALL_END, TOOL_CALL_START

MessageT = TypeVar("MessageT")

_CODES_PER_SECOND = 25


@dataclass(frozen=True, slots=True)
class Turn(Generic[MessageT]):
    """What a user said, and everything up to the end of what was answered.

    Attributes:
        messages: the user's, then those of the assistant and its tools.
        tokens: that they take in a prompt.
    """

    messages: tuple[MessageT, ...]
    tokens: int


class History(Generic[MessageT]):
    """The turns that the model is reminded of.

    Args:
        most_turns: that are kept.
        most_tokens: that they take, together with the present turn; infinite where nobody counts them.
    """

    def __init__(self, most_turns: int, most_tokens: float) -> None:
        self._turns: deque[Turn[MessageT]] = deque(maxlen=most_turns)
        self._most_tokens = most_tokens

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def turns(self) -> tuple[Turn[MessageT], ...]:
        """All of them, in order."""
        return tuple(self._turns)

    @property
    def messages(self) -> list[MessageT]:
        """Those of all turns, in order."""
        return [message for turn in self._turns for message in turn.messages]

    @property
    def tokens(self) -> int:
        """How many tokens all turns take."""
        return sum(turn.tokens for turn in self._turns)

    def add(self, turn: Turn[MessageT]) -> None:
        """Keep a turn; the oldest falls out if there are as many as may be."""
        self._turns.append(turn)

    def make_room(self, tokens: int) -> None:
        """Forget the oldest turns until the rest leaves room for so many tokens, or none is left."""
        kept = self.tokens
        while self._turns and kept + tokens > self._most_tokens:
            kept -= self._turns.popleft().tokens

    def take_last(self) -> Turn[MessageT]:
        """Forget the last turn, and return it.

        Raises:
            IndexError: there is none.
        """
        return self._turns.pop()

    def restore(self, turns: Sequence[Turn[MessageT]]) -> None:
        """Remember these turns, and no others."""
        self._turns.clear()
        self._turns.extend(turns)


def own_turn(ids: Sequence[int], *, spoken: bool) -> Message:
    """Build the message of an answer of the model's own, token by token as it was generated."""
    return spoken_turn(ids) if spoken else Message("assistant", (TokenPart(ids),))


def said(answer: Answer, *, spoken: bool, played: float | None = None) -> list[Message]:
    """Build the message of what was really said: without calls that were not made, and without what nobody heard.

    Args:
        answer: whole or broken off.
        spoken: whether it is speech.
        played: seconds of its sound that were heard; None for all of it.

    Returns:
        One message, or none if nothing was said.
    """
    kept: list[int] = []
    is_calling, codes = False, 0
    for token in answer.ids:
        if spoken and played is not None and codes > played * _CODES_PER_SECOND:
            break
        is_calling = is_calling or token == TOOL_CALL_START
        if not is_calling:
            kept.append(token)
            codes += FIRST_AUDIO_CODE <= token < AUDIO_CODE_PAD
        is_calling = is_calling and token != TOOL_CALL_END
    return [own_turn(kept, spoken=spoken)] if kept else []
