"""What is gathered of the samples of a task while they are scored, which parts of them can be gathered apart."""

from array import array
from collections import Counter
from collections.abc import Iterable

from evalkit.chain import Outcome
from evalkit.run.sample_labels import SampleLabels
from evalkit.types import Response


class Tally:
    """Counts how samples ended, and keeps the statistics and labels of those that count, in their order.

    Args:
        metrics: keys of the task's metrics.

    Attributes:
        counts: of samples, by status, and of those whose answer was empty or whose audio was too long.
        statistics: of each metric, one sample's after the other's.
        labels: groups and clusters of the samples.
        languages: of the samples.
        asked: roles that a sample was put to.
        skipped: why samples were skipped.
        failed: of samples, by the kind of failure.
        examples: a sample's id and message for each kind of failure, those of the first.
    """

    def __init__(self, metrics: Iterable[str]) -> None:
        self.counts: Counter[str] = Counter()
        self.statistics = {key: array("d") for key in metrics}
        self.labels = SampleLabels()
        self.languages: set[str] = set()
        self.asked: set[str] = set()
        self.skipped: set[str] = set()
        self.failed: Counter[str] = Counter()
        self.examples: dict[str, tuple[str, str]] = {}

    def add(self, outcome: Outcome) -> None:
        """Count one sample; a failed one counts with the score of what was answered, a skipped one has no values."""
        self.counts[outcome.status] += 1
        if outcome.status == "failed" and outcome.reason is not None:
            self.failed[outcome.reason.kind] += 1
            self.examples.setdefault(outcome.reason.kind, (outcome.sample.id, outcome.reason.message))
        if outcome.score is None:
            self.skipped.add("" if outcome.reason is None else outcome.reason.message)
            return
        said, overlong = False, set()
        for exchange in outcome.exchanges:
            response = exchange.response
            said = said or _says_something(response)
            overlong.add(response.overlong)
            self.asked.add(exchange.call.role)
        # An empty answer is a good response and may be right, for silence; the count lets the reader judge.
        self.counts["empty"] += outcome.status == "scored" and not said
        for what in overlong - {""}:
            self.counts[f"audio_{what}"] += 1
        self.labels.add(outcome.sample)
        if outcome.sample.language is not None:
            self.languages.add(outcome.sample.language)
        for key, statistics in self.statistics.items():
            statistics.extend(map(float, outcome.score.statistics[key]))

    def extend(self, later: "Tally") -> None:
        """Take in what was gathered of the samples that come next."""
        self.counts += later.counts
        for key, statistics in self.statistics.items():
            statistics.extend(later.statistics[key])
        self.labels.extend(later.labels)
        self.languages |= later.languages
        self.asked |= later.asked
        self.skipped |= later.skipped
        self.failed += later.failed
        self.examples = later.examples | self.examples


def _says_something(response: Response) -> bool:
    return not response.failed and bool(response.text.strip() or response.tool_calls or response.speech is not None)
