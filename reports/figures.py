"""Every figure of some runs, one record each: metrics of tasks, of their parts, and averages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from evalkit.place import TablePlace
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import MetricResult, SampleCounts, TaskResult

FILE_NAME = "metrics.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One value with all that is known of it; the columns of ``metrics.parquet``.

    Attributes:
        run: name of the run.
        model: title of the model under test.
        model_name: the same as it was chosen.
        kind: ``task``, ``part`` (of a task) or ``average``.
        name: key of the task or the average.
        title: what people call it.
        table: the published table that it stands in; empty for none.
        table_group: the block of rows or columns there.
        benchmark: the row or column there.
        data_set: the set of data of its own that it is on, such as a demo's; empty for the published data.
        group: of a part, by what the task is broken down.
        label: of a part, which of those it is.
        metric: key of the metric.
        metric_name: as tables print it.
        headline: whether tables show this metric of the task.
        value: in ``unit``; null where undefined.
        low: lower end of the confidence interval; null where none can be given.
        high: its upper end.
        level: of the interval.
        standard_error: in the same unit.
        unit: printed behind the value; empty for points.
        decimals: with how many the value is printed.
        higher_is_better: the direction of improvement.
        samples: how many enter the value.
        expected: size of the complete data set; null if unknown, and of a part.
        failed: samples without an answer, which count as a wrong one; null of a part.
        skipped: samples that do not count; null of a part.
        empty: scored samples whose answer was empty; null of a part.
        audio_cut: samples of whose recording a model heard only the beginning; null of a part.
        audio_split: samples whose recording was put to a model in pieces; null of a part.
        partial: whether fewer samples than the complete data set were run.
        recipe: what the value's comparability depends on, as it is printed.
        evalkit: the version that scored the run.
    """

    run: str
    model: str
    model_name: str
    kind: Literal["task", "part", "average"]
    name: str
    title: str
    table: str
    table_group: str
    benchmark: str
    data_set: str
    group: str = ""
    label: str = ""
    metric: str
    metric_name: str
    headline: bool
    value: float | None
    low: float | None
    high: float | None
    level: float
    standard_error: float | None
    unit: str
    decimals: int
    higher_is_better: bool
    samples: int
    expected: int | None = None
    failed: int | None = None
    skipped: int | None = None
    empty: int | None = None
    audio_cut: int | None = None
    audio_split: int | None = None
    partial: bool
    recipe: str
    evalkit: str


def figures_of(run: RunResult) -> Iterator[Figure]:
    """Yield each figure of a run: of its tasks, of their parts, and its averages."""
    for task in run.tasks.values():
        if task.not_applicable is None:
            yield from _of_task(run, task)
    for each in run.aggregates.values():
        yield Figure(
            **_identity(run, each.name, each.title, each.place),
            kind="average",
            metric="mean",
            headline=True,
            **_numbers(each.metric),
            **_counts(each.samples),
            partial=each.partial,
            recipe=each.recipe_line,
        )


def write_figures(runs: Sequence[RunResult], path: Path) -> None:
    """Write the figures of runs as a table of parquet, one row each; the columns are the fields of ``Figure``."""
    import pyarrow as pa
    import pyarrow.parquet

    names = [each.name for each in fields(Figure)]
    rows = [{name: getattr(figure, name) for name in names} for run in runs for figure in figures_of(run)]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows, schema=schema()), path)


def schema() -> Any:
    """Return the columns of ``metrics.parquet``, as a ``pyarrow.Schema``."""
    import pyarrow as pa

    types = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_()}
    named = {}
    for each in fields(Figure):
        kind = getattr(each.type, "__name__", str(each.type)).partition(" |")[0]
        named[each.name] = types.get(kind, pa.string())
    return pa.schema(list(named.items()))


def _of_task(run: RunResult, task: TaskResult) -> Iterator[Figure]:
    identity = _identity(run, task.name, task.title, task.place)
    for key, metric in task.metrics.items():
        yield Figure(
            **identity,
            kind="task",
            metric=key,
            headline=key == task.headline,
            **_numbers(metric),
            **_counts(task.samples),
            partial=task.partial,
            recipe=task.recipe_line(key),
        )
    for group, parts in task.groups.items():
        for label, part in parts.items():
            for key, metric in part.metrics.items():
                yield Figure(
                    **identity,
                    kind="part",
                    group=group,
                    label=label,
                    metric=key,
                    headline=key == task.headline,
                    **_numbers(metric),
                    samples=part.samples,
                    partial=task.partial,
                    recipe=task.recipe_line(key, with_counts=False),
                )


def _identity(run: RunResult, name: str, title: str, place: TablePlace) -> dict[str, Any]:
    return {
        "run": run.name,
        "model": run.model,
        "model_name": run.model_name,
        "evalkit": run.evalkit,
        "name": name,
        "title": title,
        "table": place.table,
        "table_group": place.group,
        "benchmark": place.benchmark,
        "data_set": place.set,
    }


def _numbers(metric: MetricResult) -> dict[str, Any]:
    low, high = metric.interval or (None, None)
    return {
        "metric_name": metric.name,
        "value": metric.value,
        "low": low,
        "high": high,
        "level": metric.level,
        "standard_error": metric.standard_error,
        "unit": metric.unit,
        "decimals": metric.decimals,
        "higher_is_better": metric.higher_is_better,
    }


def _counts(samples: SampleCounts) -> dict[str, Any]:
    return {
        "samples": samples.counted,
        "expected": samples.expected,
        "failed": samples.failed,
        "skipped": samples.skipped,
        "empty": samples.empty,
        "audio_cut": samples.audio_cut,
        "audio_split": samples.audio_split,
    }
