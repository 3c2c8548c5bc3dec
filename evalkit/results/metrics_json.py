"""The parts of ``metrics.json`` as JSON values: written, and read with every field checked."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError, StoreError
from evalkit.place import TablePlace
from evalkit.results.clusters import SINGLY
from evalkit.results.fields import Fields
from evalkit.results.task_result import (
    Aggregate,
    FailureReason,
    GroupResult,
    MetricResult,
    ModelIdentity,
    SampleCounts,
    TaskResult,
)

_MOST_DECIMALS = 20
_INHERITED = ("name", "level", "unit", "scale", "decimals", "higher_is_better", "function", "recipe")
_COUNTED_IF_ANY = ("audio_cut", "audio_split")


def task_to_json(task: TaskResult) -> dict[str, Any]:
    """Return a task's results as ``metrics.json`` has them."""
    return {
        "title": task.title,
        "place": task.place.to_json(),
        "samples": _counts_to_json(task.samples),
        "partial": task.partial,
        "not_applicable": task.not_applicable,
        "headline": task.headline,
        "compared": list(task.compared),
        "metrics": {key: _metric_to_json(metric) for key, metric in task.metrics.items()},
        "groups": {
            name: {
                label: {
                    "samples": part.samples,
                    "metrics": {key: _part_to_json(metric) for key, metric in part.metrics.items()},
                }
                for label, part in parts.items()
            }
            for name, parts in task.groups.items()
        },
        "models": {role: asdict(model) for role, model in task.models.items()},
        "failures": [asdict(reason) for reason in task.failures],
        "digest": task.digest,
        **({} if task.resampled == SINGLY else {"resampled": task.resampled, "clusters": task.clusters}),
    }


def task_from_json(name: str, fields: Fields) -> TaskResult:
    """Read a task's results.

    Raises:
        StoreError: a field is missing or of another type, or a metric that is named is not there.
    """
    metrics = {key: _metric_from_json(each) for key, each in fields.objects("metrics")}
    headline, compared = fields.text("headline"), fields.texts("compared")
    for key in (headline, *compared):
        if key not in metrics:
            raise StoreError(f"{fields.where}: has no metric '{key}'")
    groups = {
        group: {label: _group_from_json(part, metrics) for label, part in fields.object("groups").objects(group)}
        for group, _ in fields.objects("groups")
    }
    return TaskResult(
        name=_plain_name(name, fields),
        title=fields.text("title"),
        place=_place_from_json(fields),
        samples=_counts_from_json(fields.object("samples")),
        partial=fields.flag("partial"),
        not_applicable=fields.optional("not_applicable", fields.text),
        headline=headline,
        compared=compared,
        metrics=metrics,
        groups=groups,
        models={
            role: ModelIdentity(each.text("title"), each.text("fingerprint")) for role, each in fields.objects("models")
        },
        failures=tuple(
            FailureReason(each.text("kind"), each.count("count"), each.text("sample"), each.text("message"))
            for each in fields.listed("failures")
        ),
        digest=fields.text("digest"),
        resampled=fields.text("resampled") if "resampled" in fields else SINGLY,
        clusters=fields.count("clusters") if "resampled" in fields else 0,
    )


def aggregate_to_json(aggregate: Aggregate) -> dict[str, Any]:
    """Return an average as ``metrics.json`` has it."""
    return {
        "title": aggregate.title,
        "place": aggregate.place.to_json(),
        "members": list(aggregate.members),
        "missing": list(aggregate.missing),
        "samples": _counts_to_json(aggregate.samples),
        "partial": aggregate.partial,
        "metric": _metric_to_json(aggregate.metric),
    }


def aggregate_from_json(name: str, fields: Fields) -> Aggregate:
    """Read an average.

    Raises:
        StoreError: a field is missing or of another type.
    """
    return Aggregate(
        name=name,
        title=fields.text("title"),
        place=_place_from_json(fields),
        members=fields.texts("members"),
        missing=fields.texts("missing"),
        samples=_counts_from_json(fields.object("samples")),
        partial=fields.flag("partial"),
        metric=_metric_from_json(fields.object("metric")),
    )


def _plain_name(name: str, fields: Fields) -> str:
    # It is the name of a folder, too, and the file may be someone else's.
    if Path(name).name != name or "\0" in name:
        raise StoreError(f"{fields.where}: '{name}' cannot be the name of a task")
    return name


def _place_from_json(fields: Fields) -> TablePlace:
    try:
        return TablePlace.from_mapping(f"{fields.where}.place", fields.text_mapping("place"))
    except ConfigurationError as error:
        raise StoreError(str(error)) from error


def _counts_to_json(samples: SampleCounts) -> dict[str, Any]:
    return {name: count for name, count in asdict(samples).items() if count or name not in _COUNTED_IF_ANY}


def _counts_from_json(fields: Fields) -> SampleCounts:
    names = ("total", "scored", "failed", "skipped", "empty")
    return SampleCounts(
        fields.optional("expected", fields.count),
        *(fields.count(name) for name in names),
        **{name: fields.count(name) for name in _COUNTED_IF_ANY if name in fields},
    )


def _metric_to_json(metric: MetricResult) -> dict[str, Any]:
    inherited = {name: getattr(metric, name) for name in _INHERITED}
    return {"name": inherited.pop("name"), **_part_to_json(metric), **inherited, "recipe": dict(metric.recipe)}


def _part_to_json(metric: MetricResult) -> dict[str, Any]:
    return {
        "value": metric.value,
        "interval": None if metric.interval is None else list(metric.interval),
        "standard_error": metric.standard_error,
        "statistics": dict(metric.statistics),
    }


def _metric_from_json(fields: Fields) -> MetricResult:
    return MetricResult(
        name=fields.text("name"),
        value=fields.optional("value", fields.number),
        interval=fields.optional("interval", fields.interval),
        level=fields.number("level"),
        standard_error=fields.optional("standard_error", fields.number),
        unit=fields.text("unit"),
        scale=fields.number("scale"),
        decimals=fields.count("decimals", most=_MOST_DECIMALS),
        higher_is_better=fields.flag("higher_is_better"),
        function=fields.text("function"),
        statistics=fields.number_mapping("statistics"),
        recipe=fields.text_mapping("recipe"),
    )


def _group_from_json(fields: Fields, metrics: Mapping[str, MetricResult]) -> GroupResult:
    """Read a part, which is measured as its task is and has numbers of its own."""
    parts = {}
    for key, part in fields.objects("metrics"):
        if key not in metrics:
            raise StoreError(f"{part.where}: the task has no metric '{key}'")
        parts[key] = replace(
            metrics[key],
            value=part.optional("value", part.number),
            interval=part.optional("interval", part.interval),
            standard_error=part.optional("standard_error", part.number),
            statistics=part.number_mapping("statistics"),
        )
    return GroupResult(fields.count("samples"), parts)
