"""How the figure is spread: over the samples' own scores, their length, their groups, and who speaks."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Self

import numpy as np

from evalkit.errors import ConfigurationError
from evalkit.metrics.functions import get_metric_function
from evalkit.results.task_result import TaskResult
from reports.render.markup import Markup, bar, data_table, join
from reports.samples.scored import ScoredSample
from reports.views.view import View, in_words, note, section

_SECONDS = (0.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, math.inf)
_SCORES = ("0", "above 0 to 10", "to 25", "to 50", "to 75", "below 100", "100", "above 100")
_SCORE_EDGES = (1e-9, 10 + 1e-9, 25 + 1e-9, 50 + 1e-9, 75 + 1e-9, 100 - 1e-9, 100 + 1e-9)
_MOST_LABELS = 40


class _Sums:
    """The headline's statistics, summed by some label."""

    def __init__(self) -> None:
        self._sums: dict[str, np.ndarray] = {}
        self.samples: Counter[str] = Counter()

    def add(self, label: str, statistics: Sequence[float]) -> None:
        """Take in one sample."""
        self.samples[label] += 1
        vector = np.array(statistics, dtype=np.float64)
        self._sums[label] = self._sums[label] + vector if label in self._sums else vector

    def value(self, label: str, result: TaskResult) -> float | None:
        """Return the headline's value over the samples of a label; None where it is undefined."""
        if label not in self._sums:
            return None
        try:
            value = get_metric_function(result.metric.function)(self._sums[label]) * result.metric.scale
        except ConfigurationError:
            return None
        return value if math.isfinite(value) else None


class Spread(View):
    """The headline by score, by length of the recordings, by group, and by what makes samples dependent."""

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result)
        self._scores: Counter[str] = Counter()
        self._lengths = _Sums()
        self._clusters: dict[str, _Sums] = {}

    def add(self, sample: ScoredSample) -> None:
        """Take in one sample that counts."""
        if sample.status == "skipped":
            return
        value = sample.values.get(self.result.headline)
        if value is not None:
            self._scores[_SCORES[bisect_right(_SCORE_EDGES, value)]] += 1
        if sample.seconds is not None:
            self._lengths.add(_length(sample.seconds), sample.statistics)
        for field, label in sample.clusters.items():
            self._clusters.setdefault(field, _Sums()).add(label, sample.statistics)

    @classmethod
    def render(cls, views: Sequence[Self], runs: Sequence[str]) -> Markup:
        """Return a table for each way of looking at it."""
        lengths = [view._lengths for view in views]
        names = [_between(low, high) for low, high in pairwise(_SECONDS)]
        results = [view.result for view in views]
        tables = [
            cls._by_score(views, runs),
            _by_label("By length of the recordings", names, lengths, results, runs),
            *_by_group(views, runs),
        ]
        for field in dict.fromkeys(field for view in views for field in view._clusters):
            sums = [view._clusters.get(field, _Sums()) for view in views]
            tables.append(_by_label(f"By {field}, the worst first", None, sums, results, runs))
        return section("Where it is good and where it is bad", *filter(None, tables))

    @classmethod
    def _by_score(cls, views: Sequence[Self], runs: Sequence[str]) -> Markup:
        rows = []
        for name in _SCORES:
            counts = [view._scores[name] for view in views]
            if any(counts):
                wholes = [view._scores.total() or 1 for view in views]
                cells = [join(bar(count / whole), f" {count:,}") for count, whole in zip(counts, wholes, strict=True)]
                rows.append((name, *cells))
        if not rows:
            return Markup("")
        metric = views[0].result.metric
        unit = f", {metric.unit}" if metric.unit else ""
        return data_table(f"Samples by their own {metric.name}{unit}", ("Score", *runs), rows)


def _by_label(
    caption: str, names: Sequence[str] | None, sums: Sequence[_Sums], results: Sequence[TaskResult], runs: Sequence[str]
) -> Markup:
    """Return a table of the headline by label: in the order of the names, or the worst first."""
    present = [name for name in names or _worst_first(sums[-1], results[-1]) if any(name in s.samples for s in sums)]
    if len(present) < 2:
        return Markup("")
    shown = present[:_MOST_LABELS]
    table = {name: [each.value(name, result) for each, result in zip(sums, results, strict=True)] for name in shown}
    if not any(value is not None for values in table.values() for value in values):
        return Markup("")
    largest = max((value for values in table.values() for value in values if value is not None), default=0) or 1
    rows = []
    for name, values in table.items():
        cells = [
            join(bar((value or 0) / largest), " ", in_words(value, result.metric))
            for value, result in zip(values, results, strict=True)
        ]
        rows.append((name, f"{max(each.samples[name] for each in sums):,}", *cells))
    more = note(f"{len(present) - len(shown):,} more are not shown.") if len(shown) < len(present) else ""
    heads = [f"{result.metric.name}, {run}" for result, run in zip(results, runs, strict=True)]
    return join(data_table(caption, ("", "Samples", *heads), rows), more)


def _worst_first(sums: _Sums, result: TaskResult) -> list[str]:
    sign = 1 if result.metric.higher_is_better else -1
    values = {name: sums.value(name, result) for name in sums.samples}
    return sorted(values, key=lambda name: (values[name] is None, sign * (values[name] or 0), name))


def _by_group(views: Sequence[Spread], runs: Sequence[str]) -> list[Markup]:
    """Return a table for each group of the results, with the intervals that they have."""
    tables = []
    for group in dict.fromkeys(group for view in views for group in view.result.groups):
        parts: list[Mapping[str, object]] = [view.result.groups.get(group, {}) for view in views]
        rows = []
        for label in dict.fromkeys(label for part in parts for label in part):
            cells, samples = [], 0
            for view in views:
                found = view.result.groups.get(group, {}).get(label)
                metric = found.metrics.get(view.result.headline) if found else None
                samples = max(samples, found.samples if found else 0)
                cells.append("–" if metric is None or metric.value is None else metric.text)
            rows.append((label, f"{samples:,}", *cells))
        if any(cell != "–" for row in rows for cell in row[2:]):
            tables.append(data_table(f"By {group}", ("", "Samples", *runs), rows))
    return tables


def _length(seconds: float) -> str:
    position = bisect_right(_SECONDS, seconds)
    return _between(_SECONDS[position - 1], _SECONDS[min(position, len(_SECONDS) - 1)])


def _between(low: float, high: float) -> str:
    return f"{low:g} s and more" if math.isinf(high) else f"{low:g} to {high:g} s"
