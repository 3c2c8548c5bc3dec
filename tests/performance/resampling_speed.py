"""Ten thousand bootstrap resamples over 20,000 samples, against the plain loop over resamples.

Run with ``python tests/performance/resampling_speed.py``. Wall time is the best of several runs, for the
machine may be busy with other things; processor time is the same work summed over threads.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from evalkit.metrics.resampling import bootstrap, paired_test

N_SAMPLES = 20_000
RESAMPLES = 10_000
PLAIN_RESAMPLES = 200
RUNS = 5


def error_rate(totals: Any) -> float:
    return float((totals[0] + totals[1] + totals[2]) / totals[3])


def first_mean(totals: Any) -> float:
    return float(totals[0] / totals[-1])


def plain_loop(statistics: Any, value: Callable[[Any], float], resamples: int) -> Any:
    generator = np.random.default_rng(0)
    n = len(statistics)
    replicates = [value(statistics[generator.choice(n, n)].sum(axis=0)) for _ in range(resamples)]
    return np.quantile(replicates, [0.025, 0.975])


def best_seconds(work: Callable[[], object], runs: int) -> tuple[float, float]:
    """Best wall and best processor time of a few runs."""
    wall, processor = [], []
    for _ in range(runs):
        wall_start, processor_start = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - wall_start)
        processor.append(time.process_time() - processor_start)
    return min(wall), min(processor)


def cases() -> dict[str, tuple[Any, Callable[[Any], float]]]:
    generator = np.random.default_rng(0)
    ones = np.ones(N_SAMPLES)
    words = generator.integers(1, 40, N_SAMPLES)
    errors = [generator.binomial(words, rate) for rate in (0.06, 0.02, 0.02)]
    return {
        "accuracy (2 distinct rows)": (np.column_stack([generator.random(N_SAMPLES) < 0.7, ones]), first_mean),
        "word error rate (4 whole numbers)": (np.column_stack([*errors, words]), error_rate),
        "all rows distinct (4 fractions)": (generator.random((N_SAMPLES, 4)), error_rate),
        "BLEU-like (10 whole numbers)": (generator.integers(0, 40, (N_SAMPLES, 10)), first_mean),
    }


def main(runs: int = RUNS) -> None:
    print(f"{RESAMPLES:,} resamples of {N_SAMPLES:,} samples")
    for name, (statistics, value) in cases().items():
        rows = np.asarray(statistics, dtype=np.float64)
        n_distinct = len(np.unique(rows, axis=0))
        wall, processor = best_seconds(partial(bootstrap, rows, value), runs)
        _, plain = best_seconds(partial(plain_loop, rows, value, PLAIN_RESAMPLES), 1)
        plain *= RESAMPLES / PLAIN_RESAMPLES
        print(
            f"{name:36} {n_distinct:6} distinct: {wall:5.2f} s wall, {processor:5.2f} s processor; "
            f"plain loop {plain:5.1f} s processor, ratio {plain / processor:,.0f}"
        )

    rows, value = cases()["word error rate (4 whole numbers)"]
    other = rows + np.random.default_rng(1).integers(0, 2, rows.shape) * [1, 0, 0, 0]
    wall, processor = best_seconds(partial(paired_test, rows, other, value), runs)
    print(f"{'paired test of word error rates':36} {wall:5.2f} s wall, {processor:5.2f} s processor")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
