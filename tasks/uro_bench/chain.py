"""A sample's chain of calls, written down as one function that yields calls and is sent their answers."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from evalkit.audio import Audio
from evalkit.task import Score
from evalkit.types import Call, Response

Chain = Generator[Call, Response, Score]
"""Yields each call, is sent its answer, and returns the score once there is nothing more to ask."""

NO_RECORDING = " "
"""What the original writes down for an answer that was not spoken."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said in one round.

    Attributes:
        text: the answer in writing, by which it is scored.
        own_words: what the model says it spoke; empty where it wrote.
        speech: the answer itself, or None where it was written, or nothing was said.
        opinion_score: how natural it sounds, 1 to 5, if a predictor was asked.
        failure: why there is no opinion score although one was asked for, or None.
    """

    text: str
    own_words: str = ""
    speech: Audio | None = None
    opinion_score: float | None = None
    failure: str | None = None


def advance(chain: Chain, responses: Sequence[Response]) -> tuple[Call | None, Score | None]:
    """Where a fresh chain stands once it has got these answers: at its next call, or at its score."""
    try:
        call = next(chain)
        for response in responses:
            call = chain.send(response)
    except StopIteration as end:
        return None, end.value
    return call, None
