"""What the samples of a task are broken down and clustered by, in a number a sample: most share theirs with others."""

from array import array
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from evalkit.results.clusters import SINGLY, cluster_label, drawn_field
from evalkit.types import Sample

_Labels = tuple[tuple[str, str], ...]
Drawn = npt.NDArray[np.int64]
"""The number of each sample's cluster."""


class SampleLabels:
    """Groups and clusters of samples in their order; each set of labels is kept once."""

    def __init__(self) -> None:
        self._sets: dict[tuple[_Labels, _Labels], int] = {}
        self._set_of = array("L")

    def add(self, sample: Sample) -> None:
        """Take in one more sample."""
        labels = tuple(sample.groups.items()), tuple(sample.clusters.items())
        self._set_of.append(self._sets.setdefault(labels, len(self._sets)))

    def extend(self, later: "SampleLabels") -> None:
        """Take in the samples that come next."""
        number_of = [self._sets.setdefault(labels, len(self._sets)) for labels in later._sets]
        self._set_of.extend(number_of[each] for each in later._set_of)

    def drawn_field(self, setting: str) -> str:
        """Return by which field the samples are clustered for intervals, or ``sample``.

        Args:
            setting: see ``BootstrapSettings.cluster``.

        Raises:
            ConfigurationError: the samples have no field of that name.
        """
        if not self._sets:
            return SINGLY
        groups, clusters = (dict(label for labels in self._sets for label in labels[part]) for part in (0, 1))
        return drawn_field(setting, clusters, groups)

    def drawn(self, field: str) -> Drawn | None:
        """Return the number of each sample's cluster by a field, or None for samples drawn singly."""
        if field == SINGLY:
            return None
        numbers: dict[str, int] = {}
        labels = [cluster_label(field, dict(clusters), dict(groups)) for groups, clusters in self._sets]
        of_set = [-1 if label is None else numbers.setdefault(label, len(numbers)) for label in labels]
        drawn: Drawn = np.array(of_set)[np.frombuffer(self._set_of, dtype="L")]
        alone = drawn < 0  # what nothing is said of is a cluster of its own
        drawn[alone] = len(numbers) + np.arange(alone.sum())
        return drawn

    def groups(self) -> Iterator[tuple[str, npt.NDArray[np.str_]]]:
        """Yield each group that samples are broken down by, in order, with the label of each sample or nothing."""
        groups = [dict(groups) for groups, _ in self._sets]
        for name in sorted({name for each in groups for name in each}):
            yield name, np.array([each.get(name, "") for each in groups])[np.frombuffer(self._set_of, dtype="L")]

    def clusters_by(self, field: str) -> bool:
        """Tell whether a field is one that samples are clustered by."""
        return any(field == name for _, clusters in self._sets for name, _ in clusters)
