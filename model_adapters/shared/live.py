"""Telling a conversation what a server has sent of its answer, while the rest is still to come."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from evalkit.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Thinking:
    """What a model thought before it answers.

    Attributes:
        text: the thought.
        tokens: that it took.
        seconds: that it took.
    """

    text: str
    tokens: int
    seconds: float


Piece = str | tuple[int, ...] | Thinking
"""More words of an answer, more codes of its speech, or the thought before it."""


class Listener:
    """Takes the pieces of one answer as they come.

    Args:
        take: given each piece, in the thread in which the server is asked.
    """

    def __init__(self, take: Callable[[Piece], object]) -> None:
        self._take = take
        self._has_heard = False

    def begin(self) -> None:
        """Begin an attempt to have the answer.

        Raises:
            PermanentError: an attempt before this one broke off after its first piece, which cannot be taken back.
        """
        if self._has_heard:
            raise PermanentError("the answer broke off in the middle")

    def tell_thought(self, thought: Thinking) -> None:
        """Hand on a thought; another attempt may well think anew."""
        self._take(thought)

    def tell(self, words: str, codes: Sequence[int] = ()) -> None:
        """Hand on what came; nothing is done with what is empty."""
        for piece in (words, tuple(codes)):
            if piece:
                self._has_heard = True
                self._take(piece)


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(take: Callable[[Piece], object]) -> Iterator[None]:
    """Have whatever is asked inside the block hand on its answer as it comes, if it is sent piece by piece."""
    token = _listener.set(Listener(take))
    try:
        yield
    finally:
        _listener.reset(token)


def listener() -> Listener:
    """Return who listens to the answer that is asked for here; if nobody does, one who takes no note."""
    return _listener.get() or Listener(lambda _: None)
