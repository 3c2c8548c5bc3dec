"""Asking a judge, and keeping what it replies.

A judge is a model like any other, in the role ``judge`` or another one. Its replies are stored as they came, so that
they can be read again. A reply that cannot be read is asked for again; if none can be read in the end, the sample
counts as failed.
"""

import statistics
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from evalkit.audio import Audio
from evalkit.metrics.metric import Metric
from evalkit.prompts import fill
from evalkit.types import Assessment, Call, Failure, Message, Request, Response


@dataclass(frozen=True, slots=True)
class JudgePrompts:
    """A benchmark's questions to its judges.

    Attributes:
        version: names the whole set of them in recipes.
        system: the system message; empty for none.
        by_name: the templates, with fields in braces.
    """

    version: str
    system: str
    by_name: Mapping[str, str]

    def question(self, name: str, fields: Mapping[str, str]) -> str:
        """Return what a judge is asked; braces within the fields mean nothing."""
        return fill(self.by_name[name], fields)


@cache
def load_judge_prompts(benchmark: str) -> JudgePrompts:
    """Read a benchmark's questions from ``tasks/judge_prompts/``."""
    import yaml

    path = Path(__file__).with_name("judge_prompts") / f"{benchmark}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return JudgePrompts(content["version"], content.get("system", ""), content["prompts"])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge made of one question.

    Attributes:
        marks: one per reply; empty if the replies could not be read.
        replies: as the judge wrote them last.
        failure: why there are no marks, or None.
    """

    marks: tuple[float, ...] = ()
    replies: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def mean(self) -> float:
        """The mean of the marks, 0 without any."""
        return sum(self.marks) / len(self.marks) if self.marks else 0.0

    @property
    def variance(self) -> float:
        """The variance of the marks around their mean, as of a sample of the judge's replies; 0 of fewer than two."""
        return statistics.variance(self.marks) if len(self.marks) > 1 else 0.0

    @property
    def spread(self) -> tuple[float, float]:
        """What the judgement adds to ``spread_metric``: its variance, counted if there are marks."""
        return self.variance, float(bool(self.marks))

    @property
    def disagree(self) -> bool:
        """Whether the replies to one question differ."""
        return len(set(self.marks)) > 1


def spread_metric(recipe: Mapping[str, str], scale: float = 100) -> Metric:
    """Return how far a judge's replies to one question lie apart: their standard deviation, pooled over the samples.

    It tells the judge's own chance apart from the spread over samples, which the interval of a score is of, and which
    has the judge's in it.

    Args:
        recipe: what the score's comparability depends on.
        scale: of the score, in whose unit it is.
    """
    fields = {"averaging": "root mean square", **recipe}
    return Metric("Judge SD", ("variance", "judged"), "root_ratio", False, fields, unit="", scale=scale)


@dataclass(frozen=True, slots=True)
class Judging:
    """How a judge is asked and its replies are read.

    Attributes:
        read: returns a reply's mark, or None if the reply is of a form that means nothing.
        verdicts: the replies that the question allows, from the worst to the best.
        role: of the judge.
        system: the system message; empty for none.
        replies: how many replies to each question.
        generation: sampling settings.
        attempts: how often to ask before giving up on unreadable replies.
    """

    read: Callable[[str], float | None]
    verdicts: tuple[str, ...] = ()
    role: str = "judge"
    system: str = ""
    replies: int = 1
    generation: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 3

    def judge(
        self, *question: str | Audio, references: Sequence[str] = (), answers: Sequence[str] = ()
    ) -> Generator[Call, Response, Judgement]:
        """Ask until the replies can be read, or as often as ``attempts`` says.

        Args:
            *question: words and recordings.
            references: the right answers in it, if it has any.
            answers: those to be judged.

        Raises:
            CallFailed: the judge has no answer.
        """
        messages = (Message("system", (self.system,)),) if self.system else ()
        request = Request(
            (*messages, Message("user", question)),
            generation=self.generation,
            replies=self.replies,
            assessment=Assessment(tuple(references), tuple(answers), self.verdicts) if references else None,
        )
        replies: tuple[str, ...] = ()
        for attempt in range(self.attempts):
            response = yield Call(self.role, replace(request, attempt=attempt))
            replies = response.replies or (response.text,)
            marks = tuple(mark for reply in replies if (mark := self.read(reply)) is not None)
            if len(marks) == len(replies):
                return Judgement(marks, replies)
        message = f"the judge's reply cannot be read: {replies!r}"
        return Judgement(replies=replies, failure=Failure("unreadable_reply", message))
