"""Sums of randomly drawn samples, fast: what the bootstrap and the randomisation test are made of.

Ten thousand resamples of 20,000 samples are 200 million draws. All that is wanted of them are sums, so
nothing is gathered: how often each row occurs is drawn directly, and the counts are multiplied with the rows.

Each chunk of resamples has a random stream of its own, derived from the seed, so a result does not depend on
the number of threads. It does depend on the order of the rows, within Monte-Carlo error, and NumPy may change
its streams between versions.
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import ConfigurationError

Array = NDArray[np.float64]
DrawCounts = Callable[[np.random.Generator, int], NDArray[np.generic]]

# Small enough for a chunk's arrays to stay in the processor's cache, large enough to hide Python's own cost.
_COUNTS_PER_CHUNK = 2**18
_MAX_THREADS = 4


def bootstrap_sums(rows: Array, resamples: int, seed: np.random.SeedSequence) -> Array:
    """Return sums of n rows drawn with replacement, resamples × k."""
    n = len(rows)
    distinct, multiplicity = _distinct(rows)
    # Drawing how often each distinct row occurs is exact too. Per row it costs some 30 times what a row
    # costs otherwise, and is always cheap for a few: an accuracy has two distinct rows.
    if len(distinct) <= max(128, n // 32):
        draw = partial(_multinomial_counts, multiplicity=multiplicity)
        return _sums_of_draws(draw, distinct, resamples, seed)
    return _sums_of_draws(partial(_uniform_counts, n=n), _narrowest_exact(rows), resamples, seed)


def exchange_sums(gain: Array, resamples: int, seed: np.random.SeedSequence) -> Array:
    """Return sums of the rows, each kept with probability 1/2, resamples × k.

    With gain = a - b, adding the sum to b's total and taking it from a's exchanges the other samples.
    """
    changed = gain[gain.any(axis=1)]
    draw = partial(_coin_flips, n=len(changed))
    return _sums_of_draws(draw, _narrowest_exact(changed), resamples, seed)


def _distinct(rows: Array) -> tuple[Array, NDArray[np.intp]]:
    """Return the distinct rows in order, and how often each occurs.

    As ``np.unique`` does it, in a fraction of its time: it compares whole rows, where this sorts column by column.
    """
    ordered = rows[np.lexsort(rows.T[::-1])]
    starts = np.flatnonzero(np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)])
    return ordered[starts], np.diff(starts, append=len(rows))


def _narrowest_exact(rows: Array) -> NDArray[np.floating]:
    """Return the rows as float32, twice as fast to sum, if no sum of as many draws can then be rounded."""
    whole = np.array_equal(rows, np.rint(rows))
    largest_sum = len(rows) * np.abs(rows).max(initial=0)
    return rows.astype(np.float32) if whole and largest_sum <= 2**24 else rows


def _sums_of_draws(draw: DrawCounts, rows: NDArray[np.floating], resamples: int, seed: np.random.SeedSequence) -> Array:
    """Sum the rows weighted by drawn counts, resamples × k, chunk by chunk in threads."""
    if resamples < 1:
        raise ConfigurationError(f"resamples must be at least 1, got {resamples}")
    columns = np.ascontiguousarray(rows.T)
    size = max(1, _COUNTS_PER_CHUNK // max(1, len(rows)))
    sums = np.empty((resamples, len(columns)))

    def fill(start: int, chunk_seed: np.random.SeedSequence) -> None:
        chunk = sums[start : start + size]
        counts = draw(np.random.default_rng(chunk_seed), len(chunk)).astype(columns.dtype)
        # Not `counts @ rows`: BLAS starts threads of its own, which fight ours for the cores and may
        # round differently with their number.
        chunk[:] = np.einsum("rn,kn->rk", counts, columns)

    starts = range(0, resamples, size)
    with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        for _ in pool.map(fill, starts, seed.spawn(len(starts))):
            pass
    return sums


def _coin_flips(generator: np.random.Generator, size: int, *, n: int) -> NDArray[np.uint8]:
    """Draw independent fair zeros and ones, size × n."""
    return np.unpackbits(generator.integers(0, 256, (size, -(-n // 8)), dtype=np.uint8), axis=1)[:, :n]


def _multinomial_counts(
    generator: np.random.Generator, size: int, *, multiplicity: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Draw how often each distinct row occurs among as many draws as there are rows, size × n_distinct."""
    n = int(multiplicity.sum())
    return generator.multinomial(n, multiplicity / n, size)


def _uniform_counts(generator: np.random.Generator, size: int, *, n: int) -> NDArray[np.uint8]:
    """Draw how often each of n > 9 rows occurs among n uniform draws, size × n; an exact multinomial sample.

    Counting n drawn indices costs several times as much as drawing a count per row, so this goes the other
    way: independent Poisson counts, given their total, are multinomial. The mean is set a little under one,
    so that the total falls short of n; uniform draws make up the shortfall. The rare resample
    (about one in 700) whose total exceeds n is drawn afresh, index by index.
    """
    counts = _poisson_counts(generator, size * n, mean=1 - 3 / math.sqrt(n)).reshape(size, n)
    shortfall = n - counts.sum(axis=1, dtype=np.uint32).astype(np.int64)
    for row in np.flatnonzero(shortfall < 0):
        counts[row] = np.bincount(generator.integers(0, n, n), minlength=n)
        shortfall[row] = 0
    first_of_row = np.repeat(np.arange(size) * n, shortfall)
    extra = first_of_row + generator.integers(0, n, len(first_of_row))
    np.add.at(counts.reshape(-1), extra, np.uint8(1))
    return counts


def _poisson_counts(generator: np.random.Generator, size: int, *, mean: float) -> NDArray[np.uint8]:
    """Draw `size` independent Poisson counts with a mean of at most 1, a random byte each.

    Count j owns ⌊256·P(j)⌋ of the 256 byte values. The few byte values left over stand for the rest of the
    distribution and are drawn again from it, at full precision.
    """
    byte_ends, rest = _poisson_table(mean)
    words = generator.integers(0, 2**64 - 1, -(-size // 8), dtype=np.uint64, endpoint=True)
    random_bytes = words.view(np.uint8)[:size]
    counts = np.zeros(size, dtype=np.uint8)
    for end in byte_ends[:-1]:
        counts += (random_bytes >= end).view(np.uint8)
    undecided = np.flatnonzero(random_bytes >= byte_ends[-1])
    counts[undecided] = np.searchsorted(rest, rest[-1] * generator.random(len(undecided)), side="right")
    return counts


@lru_cache(maxsize=16)
def _poisson_table(mean: float) -> tuple[NDArray[np.uint8], Array]:
    """Return where the byte values of each count end, and the cumulative weights of what they do not cover."""
    weights = np.array([256 * math.exp(-mean) * mean**j / math.factorial(j) for j in range(32)])
    owned = np.floor(weights)
    byte_ends = np.cumsum(owned[owned > 0]).astype(np.uint8)
    return byte_ends, np.cumsum(weights - owned)
