"""A value over the first samples in random order: when are there enough of them?"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from evalkit.errors import ConfigurationError
from evalkit.metrics.metric import rounded
from evalkit.results.metrics_file import RunResult
from reports.plots.curves import SIZE, Curve, Frame, draw_curves
from reports.plots.intervals import Point
from reports.plots.labels import wrapped
from reports.plots.samples import MeasuredSamples, read_samples, task_of
from reports.plots.style import Drawing
from reports.tables.layout import run_titles

_STEPS, _LEAST = 24, 10


def running(runs: Sequence[RunResult], task: str, key: str | None = None, seed: int = 0) -> Drawing:
    """Return the estimate of a metric, with its interval, as samples come in in a random order.

    The order is one draw; another seed gives another. Every interval is that of the samples up to there.

    Raises:
        ConfigurationError: there is no such task or metric, or nothing that counts.
        StoreError: the scores of a run cannot be read.
    """
    curves, sentences = [], []
    for run, title in zip(runs, run_titles(runs), strict=True):
        samples = read_samples(run, task, key)
        curve = _curve(title, samples, seed)
        if curve.points:
            curves.append(curve)
            sentences.append(f"{title}, {task_of(run, task).title}: {_last(curve, samples)}")
    if not curves:
        raise ConfigurationError(f"{task}: no run has a value of it")
    result = task_of(runs[0], task)
    metric = samples.metric
    label = f"{metric.name}{f' in {metric.unit}' if metric.unit else ''}, with {100 * metric.level:g} % interval"
    frame = Frame(f"Samples in random order ({wrapped(result.title, 60)})", label, band=True, logarithmic=True)

    def compose(figure: Figure) -> None:
        draw_curves(figure, curves, frame)

    return Drawing("running", f"Running estimate of {metric.name}, {result.title}", SIZE, compose, tuple(sentences))


def _curve(title: str, samples: MeasuredSamples, seed: int) -> Curve:
    count = len(samples.statistics)
    order = np.random.default_rng(seed).permutation(count)
    least = min(_LEAST, count)
    steps = np.unique(np.geomspace(least, count, _STEPS).round().astype(int)) if count else np.empty(0, dtype=int)
    points = [(int(step), samples.value(order[:step])) for step in steps]
    known = [(step, point) for step, point in points if point is not None]
    return Curve(title, tuple(float(step) for step, _ in known), tuple(point for _, point in known))


def _last(curve: Curve, samples: MeasuredSamples) -> str:
    """Say how wide the interval is at the end; four times the samples halve it."""
    last: Point = curve.points[-1]
    count, decimals = int(curve.x[-1]), samples.metric.decimals
    if last.low is None or last.high is None:
        return f"no interval can be given over {count:,} samples."
    half = (last.high - last.low) / 2
    return (
        f"the interval is ± {rounded(half, decimals)} {samples.metric.unit}".rstrip()
        + f" over {count:,} samples; half as wide an interval needs some {4 * count:,}."
    )
