"""The few lines a run ends with: each figure with its interval, counts and recipe."""

from collections.abc import Mapping
from typing import Any


def summary(metrics: Mapping[str, Any]) -> str:
    """The figures of ``metrics.json`` for the terminal, percentages with their intervals."""
    lines = [f"{metrics['model']['title']}"]
    for task in metrics["tasks"].values():
        if task["not_applicable"]:
            lines.append(f"  {task['title']}: N/A, {task['not_applicable']}")
            continue
        for figure in task["metrics"].values():
            lines.append(f"  {task['title']}: {_figure(figure)}{_remarks(task)}")
            lines.append(f"    {figure['recipe']}")
    return "\n".join(lines)


def _figure(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return f"{figure['name']} undefined (nothing to measure against)"
    text = f"{figure['name']} {100 * figure['value']:.2f} {figure.get('unit', '%')}".rstrip()
    if figure["interval"] and None not in figure["interval"]:
        low, high = (100 * end for end in figure["interval"])
        text += f" [{low:.2f}, {high:.2f}]"
    return text


def _remarks(task: Mapping[str, Any]) -> str:
    samples = task["samples"]
    remarks = [f"{samples[count]} {count}" for count in ("failed", "skipped", "empty") if samples[count]]
    if task["partial"]:
        whole = f" of {samples['expected']:,}" if samples["expected"] else ""
        remarks.append(f"partial: {samples['total']:,}{whole} samples")
    return f" ({'; '.join(remarks)})" if remarks else ""
