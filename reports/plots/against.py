"""A value against the duration, the signal-to-noise ratio or another number of the samples, in bins of equal count."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from evalkit.errors import ConfigurationError
from evalkit.results.metrics_file import RunResult
from reports.plots.curves import SIZE, Curve, Frame, draw_curves
from reports.plots.intervals import Point
from reports.plots.labels import wrapped
from reports.plots.samples import DURATION, MeasuredSamples, read_samples, task_of
from reports.plots.style import Drawing
from reports.tables.layout import run_titles

_MOST_BINS, _LEAST_A_BIN = 8, 10
_IN_WORDS = {DURATION: "Duration of the audio in s", "snr": "Signal-to-noise ratio in dB"}


def against(runs: Sequence[RunResult], task: str, key: str | None = None, by: str = DURATION) -> Drawing:
    """Return the value of a metric over samples in bins of a number that they have.

    All runs share the bins: the quantiles of the number over the samples of all, or its values where these are few.

    Raises:
        ConfigurationError: no sample has such a number, or there is no such task or metric.
        StoreError: the scores of a run cannot be read.
    """
    samples = [read_samples(run, task, key, by) for run in runs]
    known = np.concatenate([each.numbers[~np.isnan(each.numbers)] for each in samples])
    if not len(known):
        raise ConfigurationError(
            f"{task}: no sample has the number {by}; --by names a number of their metadata or groups, such as {DURATION} or snr"
        )
    edges = bin_edges(known, len(known) // len(runs))
    titles = run_titles(runs)
    curves = [_curve(title, each, edges) for title, each in zip(titles, samples, strict=True)]
    metric, title = samples[0].metric, task_of(runs[0], task).title
    label = f"{metric.name}{f' in {metric.unit}' if metric.unit else ''}, with {100 * metric.level:g} % interval"
    frame = Frame(f"{_IN_WORDS.get(by, by)} ({wrapped(title, 60)})", label)

    def compose(figure: Figure) -> None:
        draw_curves(figure, curves, frame)

    return Drawing(f"against_{by}", f"{metric.name} against {by}, {title}", SIZE, compose, _unknown(samples, by))


def bin_edges(numbers: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Return where bins end, from the least number to the largest; a bin holds what is above its lower end.

    Args:
        numbers: at least one.
        count: of the samples that are to be in all bins together.
    """
    distinct = np.unique(numbers)
    if len(distinct) <= _MOST_BINS:
        return np.concatenate([[-np.inf], distinct])
    bins = max(min(_MOST_BINS, count // _LEAST_A_BIN), 2)
    inner = np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:])
    return np.concatenate([[-np.inf], np.unique(inner)])


def _curve(title: str, samples: MeasuredSamples, edges: npt.NDArray[np.float64]) -> Curve:
    across, points = [], []
    for low, high in pairwise(edges):
        chosen = (samples.numbers > low) & (samples.numbers <= high)
        point = samples.value(chosen) if chosen.any() else None
        if isinstance(point, Point):
            across.append(float(samples.numbers[chosen].mean()))
            points.append(point)
    return Curve(title, tuple(across), tuple(points))


def _unknown(samples: Sequence[MeasuredSamples], by: str) -> tuple[str, ...]:
    unknown = sum(int(np.isnan(each.numbers).sum()) for each in samples)
    total = sum(len(each.numbers) for each in samples)
    return (f"{unknown:,} of {total:,} samples have no {by} and are not drawn.",) if unknown else ()
