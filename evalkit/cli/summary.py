"""The few lines a run ends with: each value with its interval, counts and recipe, and why samples failed."""

from collections.abc import Iterator

from evalkit.printable import printable
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult

_REASONS_SHOWN = 3
_MESSAGE_SHOWN = 200


def summary(run: RunResult) -> str:
    """Return what a run measured, for the terminal."""
    return "\n".join(map(printable, _lines(run)))


def failure_lines(task: TaskResult) -> list[str]:
    """Return the commonest reasons why samples of a task failed, each with an example."""
    lines = []
    for reason in task.failures[:_REASONS_SHOWN]:
        message = " ".join(reason.message.split())
        if len(message) > _MESSAGE_SHOWN:
            message = f"{message[:_MESSAGE_SHOWN]}…"
        lines.append(f"{reason.count:,} failed ({reason.kind.replace('_', ' ')}), such as {reason.sample}: {message}")
    if more := len(task.failures) - _REASONS_SHOWN:
        lines += [f"and {more} more kinds of reasons"] if more > 0 else []
    return lines


def _lines(run: RunResult) -> Iterator[str]:
    yield run.model
    for task in run.tasks.values():
        if task.not_applicable is not None:
            yield f"  {task.title}: N/A, {task.not_applicable}"
            continue
        for key, metric in task.metrics.items():
            yield f"  {task.title}: {metric.name} {metric.text}{_remarks(task, key)}"
            yield f"    {task.recipe_line(key)}"
        yield from (f"    {line}" for line in failure_lines(task))
    for each in run.aggregates.values():
        without = f" (without {', '.join(each.missing)})" if each.missing else " (partial)" if each.partial else ""
        yield f"  {each.title}: {each.metric.name} {each.metric.text}{without}"
        yield f"    {each.recipe_line}"
    for name, reason in run.left_out.items():
        yield f"  left out: {name}: {reason}"
    if run.unfinished:
        yield f"  not finished: {', '.join(run.unfinished)}"


def _remarks(task: TaskResult, key: str) -> str:
    samples = task.samples
    counts = {
        "failed": samples.failed,
        "skipped": samples.skipped,
        "empty": samples.empty,
        "with their audio cut": samples.audio_cut,
        "with their audio split": samples.audio_split,
    }
    remarks = [f"{count} {name}" for name, count in counts.items() if count]
    if task.partial:
        whole = f" of {samples.expected:,}" if samples.expected else ""
        remarks.append(f"partial: {samples.total:,}{whole} samples")
    if reason := task.too_few(key):
        remarks.append(reason)
    return f" ({'; '.join(remarks)})" if remarks else ""
