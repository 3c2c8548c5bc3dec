"""Samples that depend on each other: whole clusters of them are drawn, never one sample without the others.

Utterances of one speaker, readings of one sentence, turns of one dialogue are alike, so that a hundred of them say less
than a hundred of as many speakers. As a metric is a function of summed rows, a cluster is the sum of its samples' rows,
and whatever is made for samples works for clusters (Davison & Hinkley 1997, *Bootstrap Methods and their Application*,
3.8; Cameron & Miller 2015, *A Practitioner's Guide to Cluster-Robust Inference*).
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import DataError

Labels = Sequence[Hashable] | NDArray[np.int64]


def cluster_sums(rows: NDArray[np.float64], labels: Labels | None) -> NDArray[np.float64]:
    """Add up the rows of each cluster, clusters in the order of their first row.

    Args:
        rows: n × k numbers.
        labels: which cluster each row belongs to; None: each row is a cluster of its own.

    Raises:
        DataError: there are not as many labels as rows, or a label is not hashable.
    """
    if labels is None:
        return rows
    if len(labels) != len(rows):
        raise DataError(f"there are {len(labels):,} labels of clusters for {len(rows):,} samples; one each is needed")
    of_row = cluster_numbers(labels)
    sums = np.zeros((int(of_row.max(initial=-1)) + 1, rows.shape[1]))
    for column in range(rows.shape[1]):
        sums[:, column] = np.bincount(of_row, rows[:, column], minlength=len(sums))
    return sums


def cluster_numbers(labels: Labels) -> NDArray[np.int64]:
    """Return the number of each row's cluster, from 0 on in the order of first rows; of an array many times faster.

    Raises:
        DataError: a label is not hashable.
    """
    if isinstance(labels, np.ndarray):
        _, first, of_row = np.unique(labels, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[of_row]
    numbers: dict[Hashable, int] = {}
    try:
        return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)
    except TypeError:
        raise DataError("a label of a cluster must be a text or a number") from None
