"""Why there is no figure in the place of a published one, or none of the same data and metric."""

from collections.abc import Sequence

from evalkit.place import TablePlace
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.published import PublishedFigure
from reports.reproduction.tasks import KnownTask
from reports.reproduction.unknowns import unknowns_of
from reports.reproduction.verdict import ERROR_RATES
from reports.tables.fill import name_of_set
from reports.tables.model import Cell

_SHOWN = 3


def absence(published: PublishedFigure, run: RunResult | None, tasks: Sequence[KnownTask]) -> str:
    """Return why there is no figure."""
    if not tasks:
        return f"no task measures {published.benchmark} of the table {published.table}"
    reasons: dict[str, list[str]] = {}
    for task in tasks:
        if reason := _reason(task, run):
            reasons.setdefault(reason, []).append(task.name)
    if not reasons:
        return "nothing could be scored"
    shown = [f"{_listed(names)}: {reason}" for reason, names in reasons.items()][:_SHOWN]
    return "; ".join([*shown, *(["and other reasons"] if len(reasons) > _SHOWN else [])])


def _reason(task: KnownTask, run: RunResult | None) -> str:
    """Return why a run has no figure of a task; empty if it has one."""
    if run is None:
        return "not run"
    if task.name in run.left_out and task.name not in run.tasks:
        return run.left_out[task.name]
    if task.name in run.unfinished:
        return "not finished"
    if task.name not in run.tasks:
        return "no part of the run"
    result = run.tasks[task.name]
    return result.not_applicable or ("" if result.metric.value is not None else "nothing could be scored")


def unlikeness(published: PublishedFigure, cell: Cell, run: RunResult | None, tasks: Sequence[KnownTask]) -> str:
    """Return why a measured figure is not one of the same data and metric as the published one; empty if it is."""
    results = [] if run is None else _results(published, run, tasks)
    versions = {each.data for each in unknowns_of([published]) if each.data}
    used = {version for result in results if (version := result.metric.recipe.get("data"))}
    if versions and used - versions:
        return f"measured on the data {', '.join(sorted(used))}, published of {', '.join(sorted(versions))}"
    if published.metric.upper() in ERROR_RATES and published.metric.casefold() != cell.metric.casefold():
        return f"{cell.metric} where {published.metric} is published"
    if unlike := [reason for result in results if (reason := _other_samples(result))]:
        return "; ".join([*unlike[:_SHOWN], *([f"and {len(unlike) - _SHOWN} more"] if len(unlike) > _SHOWN else [])])
    if cell.partial:
        missing = [task.name for task in tasks if run is None or task.name not in run.tasks]
        return f"without {_listed(missing)}" if missing else "a part of the data"
    return ""


def _results(published: PublishedFigure, run: RunResult, tasks: Sequence[KnownTask]) -> list[TaskResult]:
    """Return what a figure was made of: the members of an average, else the tasks that measure it."""
    members = [name for each in run.aggregates.values() if _is_at(each.place, published) for name in each.members]
    names = dict.fromkeys(members or (task.name for task in tasks))
    return [run.tasks[name] for name in names if name in run.tasks]


def _is_at(place: TablePlace, published: PublishedFigure) -> bool:
    return (
        name_of_set(place.table, place.set) == published.table
        and place.group in ("", published.group)
        and place.benchmark == published.benchmark
    )


def _other_samples(result: TaskResult) -> str:
    samples = result.samples
    if samples.expected is not None and samples.total != samples.expected:
        return f"{samples.total:,} of {samples.expected:,} samples of {result.title}"
    return f"a part of {result.title}" if result.partial else ""


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
