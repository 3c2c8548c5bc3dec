"""The tables of docs/certainty.md: ``python -m tests.certainty``, with a number for fewer than 1,000 test sets each."""

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

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
_FEW = (speakers(5, 20), speakers(6, 20), speakers(7, 20), speakers(8, 20))

Row = Sequence[str]


def main(pairs: int = 1_000) -> None:
    """Print all tables, each figure in a process of its own."""
    began = time.perf_counter()
    with ProcessPoolExecutor(2) as pool:
        for title, share, heads, of_figure in _TABLES:
            of_table = math.ceil(share * pairs)
            print(f"\n{title} ({of_table:,} each)\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
            for rows in pool.map(partial(of_figure, of_table), FIGURES):
                for row in rows:
                    print(f"| {' | '.join(row)} |", flush=True)
    print(f"\n{RESAMPLES:,} resamples each; {time.perf_counter() - began:,.0f} s")


def _covering(pairs: int, figure: Figure, shapes: Iterable[Shape] = _SHAPES, singly: bool = False) -> list[Row]:
    return list(_rows_of_coverage(pairs, figure, shapes, singly))


def _rows_of_coverage(pairs: int, figure: Figure, shapes: Iterable[Shape], singly: bool) -> Iterator[Row]:
    for shape in shapes:
        simulated = list(simulate(figure, shape, pairs, RESAMPLES, singly=singly))
        of_value, of_difference = coverage(figure, shape, simulated)
        yield figure.name, shape.name + _reacting(shape), *map(_percent, (of_value, of_difference, alarms(simulated)))


def _methods(pairs: int, figure: Figure) -> list[Row]:
    rows: list[Row] = []
    for shape in (independent(8), independent(24), speakers(10, 10), speakers(40, 65), uneven(40)):
        drawn = [each.drawn for each in simulate(figure, shape, pairs, RESAMPLES)]
        value = truth(figure, shape.speaker, shape.reaction)
        shares = []
        for method in METHODS.values():
            of_value, of_difference = zip(*((method(one), method(other)) for one, other in drawn), strict=True)
            held = [
                share_held(list(map(open_where_nothing_is_said, each)), true)
                for each, true in ((of_value, value), (of_difference, 0.0))
            ]
            shares.append(" / ".join(map(_percent, held)))
        rows.append((figure.name, shape.name + _reacting(shape), *shares))
    return rows


def _averages(pairs: int, figure: Figure) -> list[Row]:
    """An average over three data sets, of which each counts as one, whatever its size."""
    rows: list[Row] = []
    for shapes in (
        (independent(8),) * 3,
        (speakers(10, 10),) * 3,
        (speakers(10, 10), independent(500), independent(24)),
    ):
        members = [simulate(figure, shape, pairs, RESAMPLES, seed=seed) for seed, shape in enumerate(shapes)]
        generator = np.random.default_rng(0)
        intervals = [
            percentile_interval(np.mean([generator.permutation(each.replicates) for each in of_sets], axis=0), LEVEL)
            for of_sets in zip(*members, strict=True)
        ]
        value = float(np.mean([truth(figure, shape.speaker, shape.reaction) for shape in shapes]))
        held = share_held(list(map(open_where_nothing_is_said, intervals)), value)
        rows.append((figure.name, "; ".join(shape.name for shape in shapes), _percent(held)))
    return rows


def _power(pairs: int, figure: Figure) -> list[Row]:
    rows: list[Row] = []
    for shape in (independent(84), independent(500), speakers(10, 10), speakers(40, 65)):
        said, found = power(figure, shape, pairs, RESAMPLES)
        scale = 1 if figure.name in ("BLEU", "marks 1-5") else 100
        rows.append((figure.name, shape.name + _reacting(shape), f"{scale * said:.2f}", _percent(found)))
    return rows


def _repeated(pairs: int, figure: Figure) -> list[Row]:
    """Runs that differ as a whole by their seed, about as much as samples make them uncertain, or not at all."""
    rows: list[Row] = []
    for shape in (independent(84), speakers(40, 20)):
        for runs in (3, 5):
            for deviation in (0.0, 0.15):
                intervals = [
                    open_where_nothing_is_said(repeated_runs(rows_of_runs, figure.function, resamples=200).interval)
                    for rows_of_runs in _drawn_runs(figure, shape, runs, deviation, pairs)
                ]
                held = share_held(intervals, _truth_of_runs(figure, shape, deviation))
                rows.append((figure.name, shape.name, str(runs), f"{deviation:.2f}", _percent(held)))
    return rows


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


def _reacting(shape: Shape) -> str:
    return ", reacting differently" if shape.reaction else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


_COVERAGE = ("figure", "test set", "value held, %", "difference held, %", "false alarms, %")
_TABLES = (
    ("Coverage of 95 % intervals, and false alarms of the paired test at 5 %", 1, _COVERAGE, _covering),
    (
        "The same, if the samples of a speaker are taken to be independent",
        0.4,
        _COVERAGE,
        partial(_covering, shapes=(speakers(10, 10), speakers(40, 65)), singly=True),
    ),
    ("Few speakers", 1, _COVERAGE, partial(_covering, shapes=_FEW)),
    ("Ways to make an interval: value held / difference held, %", 0.4, ("figure", "test set", *METHODS), _methods),
    ("Averages over three data sets", 0.4, ("figure", "data sets", "held, %"), _averages),
    (
        "Power: the difference said to be found in 80 % of cases, and how often it is",
        0.5,
        ("figure", "test set", "difference", "found, %"),
        _power,
    ),
    ("Several runs of one model", 0.3, ("figure", "test set", "runs", "spread of runs", "held, %"), _repeated),
)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
