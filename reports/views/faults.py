"""What went wrong beyond the score: failures by kind, and answers that are odd."""

from collections import Counter
from collections.abc import Sequence
from typing import Self

from evalkit.results.task_result import TaskResult
from reports.render.markup import Markup, data_table
from reports.samples.flags import FLAGS
from reports.samples.scored import ScoredSample
from reports.views.view import View, section


class Faults(View):
    """Failures and skipped samples by kind, loops, hallucinations and empty answers."""

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result)
        self._flags: Counter[str] = Counter()
        self._kinds: Counter[tuple[str, str]] = Counter()
        self._messages: dict[tuple[str, str], str] = {}

    def add(self, sample: ScoredSample) -> None:
        """Take in one sample."""
        self._flags.update(sample.flags)
        if sample.reason_kind:
            key = sample.status, sample.reason_kind
            self._kinds[key] += 1
            self._messages.setdefault(key, sample.reason)

    @classmethod
    def render(cls, views: Sequence[Self], runs: Sequence[str]) -> Markup:
        """Return two tables: odd answers, failures."""
        odd = [(words, *(f"{view._flags[flag]:,}" for view in views)) for flag, words in FLAGS.items()]
        kinds = dict.fromkeys(key for view in views for key, _ in view._kinds.most_common())
        failed = [
            (
                f"{status}: {kind.replace('_', ' ')}",
                next(view._messages[status, kind] for view in views if (status, kind) in view._messages),
                *(f"{view._kinds[status, kind]:,}" for view in views),
            )
            for status, kind in kinds
        ]
        tables = []
        if any(view._flags for view in views):
            tables.append(data_table("Odd answers, samples", ("", *runs), odd))
        if failed:
            tables.append(data_table("Failures, samples", ("Kind", "The first of them", *runs), failed, texts=2))
        return section("Failures and odd answers", *tables)
