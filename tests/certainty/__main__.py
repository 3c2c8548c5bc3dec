"""The tables of docs/certainty.md: ``python -m tests.certainty``, of 1,000 pairs of systems each or of so many."""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product, repeat

import numpy as np

from evalkit.metrics.intervals import percentile_interval
from evalkit.metrics.repeated_runs import repeated_runs
from tests.certainty.alternatives import METHODS
from tests.certainty.population import FIGURES, Figure, Shape, draw_pairs, independent, speakers, truth, uneven
from tests.certainty.simulation import (
    LEVEL,
    alarms,
    coverage,
    open_where_nothing_is_said,
    power,
    share_held,
    simulate,
)

RESAMPLES = 1_000
_SHAPES = (
    *map(independent, (8, 24, 84, 500, 2_000)),
    speakers(10, 10),
    speakers(40, 65, reaction=0),
    speakers(40, 65),
    speakers(200, 20),
    uneven(40),
)

Row = Sequence[str]


def main(pairs: int = 1_000) -> None:
    """Print all tables; two figures are simulated at a time."""
    began = time.perf_counter()
    with ProcessPoolExecutor(2) as pool:
        for title, share, heads, row_of, items in _TABLES:
            count = math.ceil(share * pairs)
            print(f"\n{title} ({count:,} each)\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
            for row in pool.map(row_of, repeat(count), *zip(*product(FIGURES, items), strict=True)):
                print(f"| {' | '.join(row)} |", flush=True)
    print(f"\n{RESAMPLES:,} resamples each; {time.perf_counter() - began:,.0f} s")


def _covering(pairs: int, figure: Figure, shape: Shape, *, singly: bool = False) -> Row:
    simulated = list(simulate(figure, shape, pairs, RESAMPLES, singly=singly))
    shares = *coverage(figure, shape, simulated), alarms(simulated)
    return figure.name, shape.title, *map(_percent, shares)


def _methods(pairs: int, figure: Figure, shape: Shape) -> Row:
    drawn = [each.drawn for each in simulate(figure, shape, pairs, RESAMPLES)]
    true = truth(figure, shape.speaker, shape.reaction), 0.0
    shares = []
    for method in METHODS.values():
        of_both = zip(*((method(value), method(difference)) for value, difference in drawn), strict=True)
        held = [
            share_held(list(map(open_where_nothing_is_said, of_one)), at)
            for of_one, at in zip(of_both, true, strict=True)
        ]
        shares.append(" / ".join(map(_percent, held)))
    return figure.name, shape.title, *shares


def _averages(pairs: int, figure: Figure, shapes: Sequence[Shape]) -> Row:
    """An average over data sets, of which each counts as one, whatever its size."""
    members = [simulate(figure, shape, pairs, RESAMPLES, seed=seed) for seed, shape in enumerate(shapes)]
    generator = np.random.default_rng(0)
    intervals = [
        percentile_interval(np.mean([generator.permutation(each.replicates) for each in of_sets], axis=0), LEVEL)
        for of_sets in zip(*members, strict=True)
    ]
    value = float(np.mean([truth(figure, shape.speaker, shape.reaction) for shape in shapes]))
    held = share_held(list(map(open_where_nothing_is_said, intervals)), value)
    return figure.name, "; ".join(shape.name for shape in shapes), _percent(held)


def _power(pairs: int, figure: Figure, shape: Shape) -> Row:
    said, found = power(figure, shape, pairs, RESAMPLES)
    scale = 1 if figure.name in ("BLEU", "marks 1-5") else 100
    return figure.name, shape.title, f"{scale * said:.2f}", _percent(found)


def _repeated(pairs: int, figure: Figure, runs_of: tuple[Shape, int, float]) -> Row:
    """Runs that differ as a whole by their seed, about as much as samples make them uncertain, or not at all."""
    shape, runs, deviation = runs_of
    intervals = [
        open_where_nothing_is_said(repeated_runs(rows, figure.function, resamples=200).interval)
        for rows in _drawn_runs(figure, shape, runs, deviation, pairs)
    ]
    held = share_held(intervals, _truth_of_runs(figure, shape, deviation))
    return figure.name, shape.name, str(runs), f"{deviation:.2f}", _percent(held)


def _drawn_runs(figure: Figure, shape: Shape, runs: int, deviation: float, count: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng([runs, round(100 * deviation), len(shape.sizes)])
    for _ in range(count):
        speaker = np.repeat(np.arange(len(shape.sizes)), shape.sizes)
        hard = generator.normal(0, shape.speaker, len(shape.sizes))[speaker] + generator.normal(0, 0.7, len(speaker))
        common = int(generator.integers(0, 2**62))
        of_runs = []
        for _ in range(runs):
            own = generator.normal(0, 0.7, hard.shape) + deviation * generator.normal()
            rows = figure.draw(np.random.default_rng(common), generator, hard + own)
            of_runs.append(np.add.reduceat(rows, np.concatenate([[0], np.cumsum(shape.sizes)[:-1]]), axis=0))
        yield np.stack(of_runs)


def _truth_of_runs(figure: Figure, shape: Shape, deviation: float) -> float:
    """The mean over all runs that there could be, of a value that curves a little with how hard all samples are."""
    generator = np.random.default_rng(0)
    at = np.linspace(-3, 3, 7) * deviation
    weights = np.exp(-((at / deviation) ** 2) / 2) if deviation else np.ones(7)
    single = Shape("", (1,) * 20_000, shape.speaker)
    values = [
        float(figure.values(draw_pairs(generator, figure, single, 8, effect)[1].sum(axis=(0, 1)))) for effect in at
    ]
    return float(np.average(values, weights=weights))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


_COVERAGE = ("figure", "test set", "value held, %", "difference held, %", "false alarms, %")
_TABLES = (
    ("Coverage of 95 % intervals, and false alarms of the paired test at 5 %", 1, _COVERAGE, _covering, _SHAPES),
    (
        "The same, if the samples of a speaker are taken to be independent",
        0.4,
        _COVERAGE,
        partial(_covering, singly=True),
        (speakers(10, 10), speakers(40, 65)),
    ),
    ("Few speakers", 1, _COVERAGE, _covering, [speakers(count, 20) for count in (5, 6, 7, 8)]),
    (
        "Ways to make an interval: value held / difference held, %",
        0.4,
        ("figure", "test set", *METHODS),
        _methods,
        (independent(8), independent(24), speakers(10, 10), speakers(40, 65), uneven(40)),
    ),
    (
        "Averages over three data sets",
        0.4,
        ("figure", "data sets", "held, %"),
        _averages,
        ((independent(8),) * 3, (speakers(10, 10),) * 3, (speakers(10, 10), independent(500), independent(24))),
    ),
    (
        "Power: the difference said to be found in 80 % of cases, and how often it is",
        0.5,
        ("figure", "test set", "difference", "found, %"),
        _power,
        (independent(84), independent(500), speakers(10, 10), speakers(40, 65)),
    ),
    (
        "Several runs of one model",
        0.3,
        ("figure", "test set", "runs", "spread of runs", "held, %"),
        _repeated,
        list(product((independent(84), speakers(40, 20)), (3, 5), (0.0, 0.15))),
    ),
)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
