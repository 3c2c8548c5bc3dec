"""A sample's chain of calls, written down as one function that yields calls and is sent their answers."""

from dataclasses import dataclass

from evalkit.audio import Audio
from evalkit.types import Failure

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
    failure: Failure | None = None
