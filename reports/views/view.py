"""What every view of a task is: it takes in the samples of one run, and is shown for all runs side by side."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

from evalkit.metrics.metric import rounded
from evalkit.results.task_result import MetricResult, TaskResult
from reports.render.markup import Markup, element
from reports.samples.scored import ScoredSample


class View(ABC):
    """A part of a task's page.

    Args:
        result: the task, as one run measured it.
    """

    def __init__(self, result: TaskResult) -> None:
        self.result = result

    @abstractmethod
    def add(self, sample: ScoredSample) -> None:
        """Take in one sample."""

    @classmethod
    @abstractmethod
    def render(cls, views: Sequence[Self], runs: Sequence[str]) -> Markup:
        """Return what is to be seen, empty if there is nothing.

        Args:
            views: one for each run.
            runs: their titles.
        """


def section(title: str, *content: str) -> Markup:
    """Return a part of a page with its heading; empty without content."""
    if not any(content):
        return Markup("")
    return element("section", element("h2", title), *content, class_="view")


def note(text: str) -> Markup:
    """Return a sentence that says how something is to be read."""
    return element("p", text, class_="note")


def in_words(value: float | None, metric: MetricResult) -> str:
    """Return a value as it is printed, or a dash where it is undefined."""
    return "–" if value is None else f"{rounded(value, metric.decimals)} {metric.unit}".rstrip()


def share(part: int, whole: int) -> str:
    """Return a part of a whole in per cent, or a dash of nothing."""
    return f"{rounded(100 * part / whole, 1)} %" if whole else "–"
