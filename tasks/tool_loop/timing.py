"""How long a user waits for an answer that takes several rounds of calls, in seconds from the end of what they say."""

from collections.abc import Iterator, Sequence

from evalkit.types import Response
from tasks.steps import LoopRound


def first_sound(rounds: Sequence[LoopRound]) -> float | None:
    """Return when the first sound is heard, that of speech before a call included.

    None where no answer says when its sound began, or one before it not how long it took.
    """
    waited = 0.0
    for response in _in_order(rounds):
        if response.first_sound is not None:
            return waited + response.first_sound
        if response.seconds is None:
            return None
        waited += response.seconds
    return None


def whole_answer(rounds: Sequence[LoopRound]) -> float | None:
    """Return when the whole answer is there; None where an answer or a result does not say how long it took."""
    seconds = [response.seconds for response in _in_order(rounds)]
    known = [each for each in seconds if each is not None]
    return sum(known) if len(known) == len(seconds) else None


def _in_order(rounds: Sequence[LoopRound]) -> Iterator[Response]:
    for each in rounds:
        yield each.answer
        yield from (use.result for use in each.uses)
