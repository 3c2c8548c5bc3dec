"""Asking a judge, and reading what it replies.

A judge is a model like any other, in the role ``judge``. Its replies are stored as they came, so that they can be read
again. A reply that cannot be read is asked for again; if none can be read in the end, the sample counts as failed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.types import Call, Failure, Message, Request, Response


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge thinks of one answer.

    Attributes:
        marks: one per reply; empty if the replies could not be read.
        failure: why there are none, or None.
    """

    marks: tuple[float, ...] = ()
    failure: Failure | None = None

    @property
    def mean(self) -> float:
        """The mean of the marks, 0 without any."""
        return sum(self.marks) / len(self.marks) if self.marks else 0.0

    @property
    def disagree(self) -> bool:
        """Whether the replies to one question differ."""
        return len(set(self.marks)) > 1


@dataclass(frozen=True, slots=True)
class Judging:
    """How a judge is asked and its replies are read.

    Attributes:
        read: a reply's mark, or None if the reply is of a form that means nothing.
        system: the system message; empty for none.
        replies: how many replies to each question.
        generation: sampling settings.
        attempts: how often to ask before giving up on unreadable replies.
    """

    read: Callable[[str], float | None]
    system: str = ""
    replies: int = 1
    generation: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 3

    def next_call(
        self, question: str, answers: Sequence[Response], *, task: str = "", sample_id: str = ""
    ) -> Call | None:
        """The question to the judge, given the judge's answers to it so far; None once it needs no asking."""
        if answers and (self._marks(answers[-1]) is not None or len(answers) >= self.attempts):
            return None
        messages = (Message("system", (self.system,)),) if self.system else ()
        return Call(
            "judge",
            Request(
                (*messages, Message("user", (question,))),
                generation=self.generation,
                replies=self.replies,
                attempt=len(answers),
                task=task,
                sample_id=sample_id,
            ),
        )

    def verdict(self, answers: Sequence[Response]) -> Verdict:
        """What the judge's answers to one question amount to."""
        if not answers:
            return Verdict(failure=Failure("unreadable_reply", "the judge was not asked"))
        marks = self._marks(answers[-1])
        if marks is None:
            message = f"the judge's reply cannot be read: {replies_of(answers[-1])!r}"
            return Verdict(failure=Failure("unreadable_reply", message))
        return Verdict(marks)

    def _marks(self, answer: Response) -> tuple[float, ...] | None:
        marks = [self.read(reply) for reply in replies_of(answer)]
        readable = tuple(mark for mark in marks if mark is not None)
        return readable if len(readable) == len(marks) else None


def replies_of(answer: Response) -> tuple[str, ...]:
    """All replies of an answer, whether one was wanted or several."""
    return answer.replies or (answer.text,)
