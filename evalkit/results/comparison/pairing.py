"""The samples that two runs share, row beside row, and what makes them dependent on each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from evalkit.metrics.clusters import cluster_numbers
from evalkit.metrics.functions import MetricFunction
from evalkit.metrics.repeated_runs import repeated_replicates
from evalkit.metrics.resampling import PairedReplicates, paired_replicates
from evalkit.results.clusters import SINGLY, own_label
from evalkit.results.comparison.side import Rows, Side, Statistics


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
    _labels: dict[str, tuple[Sequence[str | None], Sequence[str | None]]] = field(default_factory=dict)

    @classmethod
    def of(cls, base: Side, new: Side) -> "Pairs":
        """Find the samples that both sides have, in the base run's order."""
        import pyarrow.compute as pc

        positions = pc.index_in(base.table["id"], value_set=new.table["id"].combine_chunks())
        shared = positions.is_valid().to_numpy(zero_copy_only=False)
        return cls(base, new, np.flatnonzero(shared), positions.drop_null().to_numpy().astype(np.int64))

    def __len__(self) -> int:
        return len(self.base_rows)

    @property
    def repeated(self) -> bool:
        """Whether either side is the mean of several runs."""
        return len(self.base.runs) > 1 or len(self.new.runs) > 1

    @cached_property
    def ids(self) -> list[str]:
        """Of the shared samples."""
        return self._of_base("id")

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
        return list(self.base.table["references"].take(self.base_rows[chosen]).to_pylist())

    def languages(self, chosen: Rows) -> list[str | None]:
        """Return the language that some of the shared samples say they are in."""
        return list(self.base.table["language"].take(self.base_rows[chosen]).to_pylist())

    def durations(self) -> list[float] | None:
        """Return the seconds of audio of each shared sample; None unless all of them are known."""
        return self.base.durations(self.base_rows)

    def groups(self) -> list[Mapping[str, str]]:
        """Return the labels by which results are broken down, of each shared sample."""
        known: dict[str, Mapping[str, str]] = {}
        texts = self._of_base("groups")
        for text in texts:
            if text not in known:
                known[text] = self.base.texts_by_name(text)
        return [known[text] for text in texts]

    def labels(self, field: str) -> tuple[Sequence[str | None], Sequence[str | None]]:
        """Return the cluster of each shared sample by a field, as the base run and as the new run have it."""
        if field not in self._labels:
            base, new = self.base.labels(self.base_rows, field), self.new.labels(self.new_rows, field)
            self._labels[field] = list(base), list(new)
        return self._labels[field]

    def clusters(self, field: str) -> Rows | None:
        """Return the number of each shared sample's cluster, as either run has it, else one of its own.

        None where samples are drawn singly.
        """
        if field == SINGLY:
            return None
        labelled = zip(*self.labels(field), self.ids, strict=True)
        return cluster_numbers([base or new or own_label(sample_id) for base, new, sample_id in labelled])

    def has(self, field: str) -> bool:
        """Tell whether a shared sample has a label by the field in either run."""
        return any(any(labels) for labels in self.labels(field))

    def obstacle(self, field: str) -> str:
        """Say why the samples cannot be compared; empty if nothing does.

        Args:
            field: by which they are clustered.
        """
        if not len(self):
            return "no sample counts towards both runs' values"
        position = self._other_reference()
        if position is not None:
            return f"sample {self.ids[position]} has another reference in each run: these are different data sets"
        if field != SINGLY:
            for sample_id, base, new in zip(self.ids, *self.labels(field), strict=True):
                if base != new and base and new:
                    return f"sample {sample_id} is of the {field} {base} in one run and of {new} in the other"
        return ""

    def _other_reference(self) -> int | None:
        """Return the position of the first shared sample whose references differ."""
        base, new = (
            side.table["references"].take(rows).combine_chunks()
            for side, rows in ((self.base, self.base_rows), (self.new, self.new_rows))
        )
        if base.equals(new):
            return None
        pairs = zip(base.to_pylist(), new.to_pylist(), strict=True)
        return next((position for position, (one, other) in enumerate(pairs) if one != other), None)

    def _of_base(self, name: str) -> list[Any]:
        return list(self.base.table[name].take(self.base_rows).to_pylist())
