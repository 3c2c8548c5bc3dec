"""The samples that two runs share, row beside row, and what makes them dependent on each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from evalkit.metrics.clusters import cluster_numbers
from evalkit.metrics.functions import MetricFunction
from evalkit.metrics.repeated_runs import repeated_replicates
from evalkit.metrics.resampling import PairedReplicates, paired_replicates
from evalkit.results.clusters import SINGLY
from evalkit.results.comparison.side import Rows, Side, Statistics


class Labels(NamedTuple):
    """The cluster of each shared sample in both runs.

    Attributes:
        base: the place of each sample's label as the base run has it; -1 where it says nothing.
        new: likewise in the new run.
        names: the labels.
    """

    base: Rows
    new: Rows
    names: Sequence[str]


@dataclass(frozen=True)
class Pairs:
    """The samples that both runs have.

    Attributes:
        base: the base run's side.
        new: the new run's side.
        base_rows: of the shared samples in the base run's tables.
        new_rows: of the same samples in the new run's tables.
    """

    base: Side
    new: Side
    base_rows: Rows
    new_rows: Rows
    _labels: dict[str, Labels] = field(default_factory=dict)

    @classmethod
    def of(cls, base: Side, new: Side) -> "Pairs":
        """Find the samples that both sides have, in the base run's order."""
        import pyarrow.compute as pc

        positions = pc.index_in(base.ids, value_set=new.ids)
        shared = positions.is_valid().to_numpy(zero_copy_only=False)
        return cls(base, new, np.flatnonzero(shared), positions.drop_null().to_numpy().astype(np.int64))

    def __len__(self) -> int:
        return len(self.base_rows)

    @property
    def repeated(self) -> bool:
        """Whether either side is the mean of several runs."""
        return len(self.base.runs) > 1 or len(self.new.runs) > 1

    @cached_property
    def ids(self) -> Any:
        """Of the shared samples, as an arrow array."""
        return self.base.ids.take(self.base_rows)

    @cached_property
    def statistics(self) -> tuple[Statistics, Statistics]:
        """The base run's and the new run's statistics of the shared samples."""
        return self.base.statistics[self.base_rows], self.new.statistics[self.new_rows]

    def replicates(
        self, function: MetricFunction, clusters: Rows | None, resamples: int, seed: int, chosen: Rows | None = None
    ) -> PairedReplicates:
        """Resample the shared samples, or some of them; of the replicates, a is the new run.

        Args:
            function: makes the value of a sum.
            clusters: of the samples that are resampled; None where they are drawn singly.
            resamples: how many.
            seed: of them.
            chosen: positions of some of the shared samples; None for all.
        """
        rows = slice(None) if chosen is None else chosen
        base, new = self.base.runs[:, self.base_rows[rows]], self.new.runs[:, self.new_rows[rows]]
        if not self.repeated:
            return paired_replicates(new[0], base[0], function, clusters=clusters, resamples=resamples, seed=seed)
        return repeated_replicates(new, base, function, clusters=clusters, resamples=resamples, seed=seed)

    def references(self, chosen: Rows) -> list[list[str]]:
        """Return the accepted answers of some of the shared samples."""
        return self.base.chosen("references", self.base_rows[chosen])

    def languages(self, chosen: Rows) -> list[str | None]:
        """Return the language that some of the shared samples say they are in."""
        return self.base.chosen("language", self.base_rows[chosen])

    def durations(self) -> Statistics | None:
        """Return the seconds of audio of each shared sample; None unless all of them are known."""
        return self.base.durations(self.base_rows)

    def groups(self) -> tuple[Sequence[Mapping[str, str]], Rows]:
        """Return the labels by which results are broken down, and for each shared sample the place of its own."""
        return self.base.groups_of(self.base_rows)

    def labels(self, field: str) -> Labels:
        """Return the cluster of each shared sample by a field."""
        if field not in self._labels:
            known: dict[str, int] = {}

            def numbers(side: Side, rows: Rows) -> Rows:
                labels, places = side.labels(rows, field)
                of_label = [-1 if label is None else known.setdefault(label, len(known)) for label in labels]
                return np.array(of_label, np.int64)[places]

            base, new = numbers(self.base, self.base_rows), numbers(self.new, self.new_rows)
            self._labels[field] = Labels(base, new, list(known))
        return self._labels[field]

    def clusters(self, field: str) -> Rows | None:
        """Return the number of each shared sample's cluster, as either run has it, else one of its own.

        None where samples are drawn singly.
        """
        if field == SINGLY:
            return None
        labels = self.labels(field)
        numbers = np.where(labels.base < 0, labels.new, labels.base)
        alone = numbers < 0
        numbers[alone] = len(labels.names) + np.arange(alone.sum())
        return cluster_numbers(numbers)

    def has(self, field: str) -> bool:
        """Tell whether a shared sample has a label by the field in either run."""
        return bool(self.labels(field).names)

    def obstacle(self, field: str) -> str:
        """Say why the samples cannot be compared; empty if nothing does.

        Args:
            field: by which they are clustered.
        """
        if not len(self):
            return "no sample counts towards both runs' values"
        position = self._other_reference()
        if position is not None:
            return (
                f"sample {self.ids[position].as_py()} has another reference in each run: these are different data sets"
            )
        if field != SINGLY:
            base, new, names = self.labels(field)
            for row in np.flatnonzero((base != new) & (base >= 0) & (new >= 0))[:1]:
                clusters = f"{names[base[row]]} in one run and of {names[new[row]]} in the other"
                return f"sample {self.ids[row].as_py()} is of the {field} {clusters}"
        return ""

    def _other_reference(self) -> int | None:
        """Return the position of the first shared sample whose references differ."""
        of_new, position = self.new.scores.counted(["references"])["references"], 0
        for base in self.base.column("references", self.base_rows):
            new = of_new.take(self.new_rows[position : position + len(base)])
            if not base.equals(new):
                for place, (one, other) in enumerate(zip(base.to_pylist(), new.to_pylist(), strict=True)):
                    if one != other:
                        return position + place
            position += len(base)
        return None
