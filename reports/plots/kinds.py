"""The kinds of plots there are, each drawn from runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from evalkit.errors import ConfigurationError
from evalkit.results.comparison import compare_runs
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.chart.drawing import radar_drawing
from reports.plots.against import against
from reports.plots.error_types import error_types
from reports.plots.forest import forest
from reports.plots.running import running
from reports.plots.samples import DURATION
from reports.plots.schemes import schemes
from reports.plots.style import Drawing
from reports.tables.fill import fill_tables
from reports.tables.own import OwnTables

_OF_SAMPLES = ("against", "running")


@dataclass(frozen=True, slots=True)
class PlotOptions:
    """What to draw of some runs.

    Attributes:
        task: name of the task; None for the only one that they have.
        metric: key of its metric; None for the headline.
        by: what errors are broken down by or values drawn against; None for what is usual.
        published: published models beside the runs, as ``select_published`` takes them.
        own_tables: tables and axes of one's own, for the radar.
        level: of the intervals of a comparison.
        resamples: of its tests.
        minimum: the difference that matters in it, in the unit printed; None for any.
        seed: of what is drawn at random.
    """

    task: str | None = None
    metric: str | None = None
    by: str | None = None
    published: tuple[str, ...] = ()
    own_tables: OwnTables = field(default_factory=OwnTables)
    level: float = 0.95
    resamples: int = 10_000
    minimum: float | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plot.

    Attributes:
        description: what it shows.
        draw: makes it of runs.
    """

    description: str
    draw: Callable[[Sequence[RunResult], PlotOptions], Drawing]


def every_drawing(runs: Sequence[RunResult]) -> Iterator[Drawing]:
    """Yield each plot that the runs have something to show in; those of a task are named after it too."""
    tasks = dict.fromkeys(name for run in runs for name in run.tasks)
    # Repeated runs that were joined have no samples of their own.
    with_samples = [run for run in runs if run.folder is not None]
    wanted: list[tuple[str, str]] = [("schemes", "")]
    wanted += [("forest", "")] if len(runs) > 1 else []
    wanted += [(kind, task) for task in tasks for kind in ("error_types", *_OF_SAMPLES)]
    for kind, task in wanted:
        those = with_samples if kind in _OF_SAMPLES else runs
        with_task = [run for run in those if not task or _measured(run.tasks.get(task))]
        try:
            drawing = KINDS[kind].draw(with_task, PlotOptions(task=task or None)) if with_task else None
        except ConfigurationError:
            continue  # such a plot shows nothing of these runs
        if drawing is not None:
            yield replace(drawing, name=f"{drawing.name}-{task}") if task else drawing


def _measured(result: TaskResult | None) -> bool:
    return result is not None and result.not_applicable is None and result.metric.value is not None


def _radar(runs: Sequence[RunResult], options: PlotOptions) -> Drawing:
    own = options.own_tables
    radar = own.chart(runs, [*own.fill(runs), *fill_tables(runs, options.published)])
    if not radar.axes:
        raise ConfigurationError(" ".join(radar.notes))
    return radar_drawing(radar)


def _forest(runs: Sequence[RunResult], options: PlotOptions) -> Drawing:
    if len(runs) < 2:
        raise ConfigurationError(f"a forest plot is of two runs or more, BASE and NEW, and not of {len(runs)}")
    return forest(
        compare_runs(
            *runs,
            level=options.level,
            resamples=options.resamples,
            seed=options.seed,
            minimum=options.minimum,
            only=() if options.task is None else (options.task,),
            samples=0,
        )
    )


def _schemes(runs: Sequence[RunResult], options: PlotOptions) -> Drawing:
    names = dict.fromkeys(name for run in runs for name in run.tasks)
    return schemes(runs, list(names) if options.task is None else [_only_task(runs, options)])


def _error_types(runs: Sequence[RunResult], options: PlotOptions) -> Drawing:
    return error_types(runs, _only_task(runs, options), options.by)


def _against(runs: Sequence[RunResult], options: PlotOptions, by: str = DURATION) -> Drawing:
    return against(runs, _only_task(runs, options), options.metric, options.by or by)


def _running(runs: Sequence[RunResult], options: PlotOptions) -> Drawing:
    return running(runs, _only_task(runs, options), options.metric, options.seed)


def _only_task(runs: Sequence[RunResult], options: PlotOptions) -> str:
    """Return the task that is asked for, or that all the runs have if it is their only one."""
    if options.task is not None:
        return options.task
    if not runs:
        raise ConfigurationError("name the runs to draw this of")
    shared = [name for name in runs[0].tasks if all(name in run.tasks for run in runs)]
    if len(shared) != 1:
        known = ", ".join(shared) or "none that all the runs have"
        raise ConfigurationError(f"name one task with --task (there are {known})")
    return shared[0]


KINDS: Mapping[str, Kind] = {
    "radar": Kind("all models on the axes of the README's chart; --published adds published ones", _radar),
    "forest": Kind("the differences of runs from the first one, with intervals and verdicts", _forest),
    "against": Kind("a metric against the duration of the audio, or a number named by --by", _against),
    "snr": Kind(
        "a metric against the signal-to-noise ratio, the number `snr` of the samples", partial(_against, by="snr")
    ),
    "error_types": Kind(
        "substitutions, deletions and insertions by the labels of a group, named by --by", _error_types
    ),
    "running": Kind("a metric over the first samples in random order, with its interval: are there enough?", _running),
    "schemes": Kind("the same answers under each text normalisation", _schemes),
}
