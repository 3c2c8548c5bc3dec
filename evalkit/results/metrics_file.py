"""``metrics.json``: what a run measured, as types. Scoring makes them, and everyone else reads them.

One convention for numbers: a metric's value, interval and standard error are in the unit that is printed (``12.3`` with
the unit ``%``, ``31.7`` points of BLEU); its statistics are sums over samples, of which the function named makes a
number that ``scale`` brings into that unit.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import ConfigurationError, StoreError
from evalkit.metrics.metric import render_recipe
from evalkit.place import TablePlace
from evalkit.results.fields import Fields
from evalkit.results.folder import read_json

FORMAT = 1
FILE_NAME = "metrics.json"

_INHERITED = ("name", "level", "unit", "scale", "decimals", "higher_is_better", "function", "recipe")


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model filled a role.

    Attributes:
        title: what people call it.
        fingerprint: digest of what its adapter says it is; by this, and not by the title, figures are compared.
    """

    title: str
    fingerprint: str

    @classmethod
    def of(cls, title: str, fingerprint: Mapping[str, Any]) -> "ModelIdentity":
        """Identify a model by what its adapter's ``fingerprint()`` returns."""
        canonical = json.dumps(fingerprint, sort_keys=True, default=str)
        return cls(title, hashlib.blake2b(canonical.encode("utf-8", "replace"), digest_size=8).hexdigest())


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """How many samples a figure rests on.

    Attributes:
        expected: size of the complete data set, or None if unknown.
        total: samples in the run: ``scored + failed + skipped``.
        scored: samples with an answer.
        failed: samples without one; they count as a wrong answer.
        skipped: samples that could not be asked or scored; they do not count.
        empty: scored samples whose answer was empty.
    """

    expected: int | None
    total: int
    scored: int
    failed: int
    skipped: int
    empty: int

    @property
    def counted(self) -> int:
        """The samples that enter the figure."""
        return self.scored + self.failed

    def __add__(self, other: "SampleCounts") -> "SampleCounts":
        """Add counts; how many were expected is known if both are."""
        unknown = self.expected is None or other.expected is None
        return SampleCounts(
            None if unknown else (self.expected or 0) + (other.expected or 0),
            self.total + other.total,
            self.scored + other.scored,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.empty + other.empty,
        )


@dataclass(frozen=True, slots=True)
class FailureReason:
    """Why samples failed, counted.

    Attributes:
        kind: of the failure (``evalkit.types.FailureKind``).
        count: samples that failed so.
        sample: id of the first of them.
        message: its reason.
    """

    kind: str
    count: int
    sample: str
    message: str


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric of a task, of a part of it, or an average of several.

    Attributes:
        name: as tables print it, such as ``WER``.
        value: in ``unit``; None where it is undefined.
        interval: confidence interval, in the same unit; None where none can be given.
        level: of the interval.
        standard_error: in the same unit.
        unit: what is printed behind the value; empty for points.
        scale: by what the function's result was multiplied to be in that unit.
        decimals: with how many the value is printed.
        higher_is_better: the direction of improvement.
        function: name of the function of the summed statistics (``evalkit.metrics.functions``).
        statistics: the sums over samples by name, in the order of the vector.
        recipe: what the value's comparability depends on; of models that took part their fingerprints.
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None
    level: float
    standard_error: float | None
    unit: str
    scale: float
    decimals: int
    higher_is_better: bool
    function: str
    statistics: Mapping[str, float]
    recipe: Mapping[str, str]

    @property
    def text(self) -> str:
        """The value and its interval as they are printed: ``12.30 % [11.02, 13.64]``."""
        if self.value is None:
            return "undefined (nothing to measure against)"
        text = f"{rounded(self.value, self.decimals)} {self.unit}".rstrip()
        if self.interval is not None:
            low, high = (rounded(end, self.decimals) for end in self.interval)
            text += f" [{low}, {high}]"
        return text


@dataclass(frozen=True, slots=True)
class GroupResult:
    """Those samples of a task that share a group label.

    Attributes:
        samples: how many they are.
        metrics: by metric key.
    """

    samples: int
    metrics: Mapping[str, MetricResult]


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a run measured with one task.

    Attributes:
        name: key of the task, and name of its folder in the run folder.
        title: what people call it.
        place: where published tables show it.
        samples: the counts.
        partial: whether fewer samples than the complete data set were run.
        not_applicable: why the model could not be asked at all, or None.
        headline: key of the metric that tables show.
        compared: keys of the metrics by which runs are compared.
        metrics: by key.
        groups: parts of the task, by name of the group and label.
        models: who filled the roles beside the model under test.
        failures: why samples failed, the commonest reason first.
        digest: that ``scores.parquet`` carries too, by which the two are known to belong together.
        replicates: the headline's bootstrap replicates, before scaling; only while the run that made them goes on.
    """

    name: str
    title: str
    place: TablePlace
    samples: SampleCounts
    partial: bool
    not_applicable: str | None
    headline: str
    compared: tuple[str, ...]
    metrics: Mapping[str, MetricResult]
    groups: Mapping[str, Mapping[str, GroupResult]]
    models: Mapping[str, ModelIdentity]
    failures: tuple[FailureReason, ...]
    digest: str
    replicates: npt.NDArray[np.float64] | None = field(default=None, compare=False, repr=False)

    @property
    def metric(self) -> MetricResult:
        """The headline metric."""
        return self.metrics[self.headline]

    def recipe_line(self, key: str, *, with_counts: bool = True) -> str:
        """Render a metric's recipe as the line that is printed with it, models by their titles.

        Args:
            key: of the metric.
            with_counts: whether the counts of scored, failed and skipped samples follow.
        """
        recipe: dict[str, Any] = dict(self.metrics[key].recipe)
        for role, model in self.models.items():
            if role in recipe:
                recipe[role] = f"{model.title}@{model.fingerprint}"
        if with_counts:
            samples = self.samples
            recipe |= {"scored": samples.scored, "failed": samples.failed, "skipped": samples.skipped}
        return render_recipe(recipe)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An average over tasks that tables quote.

    Attributes:
        name: its key.
        title: what people call it.
        place: where published tables show it.
        members: names of the tasks that it is over, in order.
        missing: benchmarks that belong to it and have no value in this run.
        samples: the counts of its members.
        partial: whether a member is partial or missing.
        metric: the mean; its recipe says of what.
    """

    name: str
    title: str
    place: TablePlace
    members: tuple[str, ...]
    missing: tuple[str, ...]
    samples: SampleCounts
    partial: bool
    metric: MetricResult

    @property
    def recipe_line(self) -> str:
        """The recipe as it is printed."""
        return render_recipe(self.metric.recipe)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run measured: the content of ``metrics.json``.

    Attributes:
        name: of the run.
        model_name: of the model under test, as it was chosen.
        model: its title.
        evalkit: the version that scored the run.
        tasks: by name.
        aggregates: by name.
        unfinished: tasks of the run that have no result yet.
        left_out: tasks that could not be carried out, with the reason.
        folder: where it was read from, or None.
    """

    name: str
    model_name: str
    model: str
    evalkit: str
    tasks: Mapping[str, TaskResult]
    aggregates: Mapping[str, Aggregate] = field(default_factory=dict)
    unfinished: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False)

    @property
    def failed_samples(self) -> int:
        """How many samples failed, over all tasks."""
        return sum(task.samples.failed for task in self.tasks.values())

    def scores(self, task: str) -> Any:
        """Return a task's ``scores.parquet`` as a ``pyarrow.Table``: one row a sample.

        Raises:
            ConfigurationError: the run has no such task.
            StoreError: the file cannot be read, or does not belong to these results.
        """
        from evalkit.results.scores import ScoresFile

        if task not in self.tasks:
            raise ConfigurationError(f"{self.name}: has no task '{task}' (there are {', '.join(self.tasks) or 'none'})")
        if self.folder is None:
            raise StoreError(f"{self.name}: is not read from a folder, and has no scores")
        return ScoresFile(self.folder / task, self.tasks[task].digest).table()

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame`` with a row for each metric of each task, and for each aggregate."""
        try:
            import pandas as pd
        except ImportError as error:
            raise ConfigurationError("to_pandas() needs pandas: pip install pandas") from error
        return pd.DataFrame(list(self._rows()))

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        head = "<tr><th>Task</th><th>Metric</th><th>Value</th><th>Samples</th></tr>"
        results = [
            (task.title, metric, task.samples) for task in self.tasks.values() for metric in task.metrics.values()
        ]
        results += [(each.title, each.metric, each.samples) for each in self.aggregates.values()]
        rows = [
            f"<tr><td>{escape(title)}</td><td>{escape(metric.name)}</td><td>{escape(metric.text)}</td>"
            f"<td>{samples.counted:,}</td></tr>"
            for title, metric, samples in results
        ]
        return f"<table><caption>{escape(self.model)} ({escape(self.name)})</caption>{head}{''.join(rows)}</table>"

    def _rows(self) -> Iterator[dict[str, Any]]:
        for task in self.tasks.values():
            for key, metric in task.metrics.items():
                yield _row(task.name, task.title, key, metric, task.samples, task.partial, task.recipe_line(key))
        for each in self.aggregates.values():
            yield _row(each.name, each.title, "mean", each.metric, each.samples, each.partial, each.recipe_line)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``."""
        return {
            "format": FORMAT,
            "evalkit": self.evalkit,
            "name": self.name,
            "model": {"name": self.model_name, "title": self.model},
            "left_out": dict(self.left_out),
            "unfinished": list(self.unfinished),
            "tasks": {name: _task_to_json(task) for name, task in self.tasks.items()},
            "aggregates": {name: _aggregate_to_json(each) for name, each in self.aggregates.items()},
        }

    @classmethod
    def from_json(cls, content: Any, where: str = FILE_NAME, folder: Path | None = None) -> "RunResult":
        """Read the content of ``metrics.json``, checking every field.

        Args:
            content: the parsed file.
            where: the file, for messages.
            folder: the run's folder, where its scores are found.

        Raises:
            StoreError: it is of another format, or a field is missing or of another type.
        """
        fields = Fields(where, content)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            found = (
                f"of format {content['format']!r}" if "format" in content else "of a version without a format number"
            )
            raise StoreError(
                f"{where}: is {found}, and this evalkit reads format {FORMAT}; "
                "read the run with the evalkit that made it, or make it again with fresh=true"
            )
        model = fields.object("model")
        return cls(
            name=fields.text("name"),
            model_name=model.text("name"),
            model=model.text("title"),
            evalkit=fields.text("evalkit"),
            tasks={name: _task_from_json(name, each) for name, each in fields.objects("tasks")},
            aggregates={name: _aggregate_from_json(name, each) for name, each in fields.objects("aggregates")},
            unfinished=fields.texts("unfinished"),
            left_out=fields.text_mapping("left_out"),
            folder=folder,
        )

    def with_task(self, task: TaskResult) -> "RunResult":
        """Return the run with one more task finished, or one scored anew."""
        return replace(
            self,
            tasks={**self.tasks, task.name: task},
            unfinished=tuple(name for name in self.unfinished if name != task.name),
        )

    def in_order(self, names: Sequence[str]) -> "RunResult":
        """Return the run with its tasks in the order of these names, and then those that they do not name."""
        ordered = dict.fromkeys((*(name for name in names if name in self.tasks), *self.tasks))
        return replace(self, tasks={name: self.tasks[name] for name in ordered})


def read_run(folder: str | Path) -> RunResult:
    """Read what a run measured. Nothing that the folder names is loaded or carried out.

    Args:
        folder: the run folder.

    Raises:
        StoreError: it is not that of a run, of another format, or damaged.
    """
    folder = Path(folder)
    path = folder / FILE_NAME
    if not path.is_file():
        raise StoreError(f"{path}: cannot be read (no such file); is this a run folder, and has the run begun?")
    return RunResult.from_json(read_json(path), str(path), folder)


def rounded(value: float | Decimal, decimals: int = 2) -> str:
    """Round half up, as published tables do, by the shortest decimals that name the number."""
    return str(Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP))


def _row(
    name: str, title: str, key: str, metric: MetricResult, samples: SampleCounts, partial: bool, recipe: str
) -> dict[str, Any]:
    low, high = metric.interval or (None, None)
    return {
        "task": name,
        "title": title,
        "key": key,
        "metric": metric.name,
        "value": metric.value,
        "low": low,
        "high": high,
        "unit": metric.unit,
        **asdict(samples),
        "partial": partial,
        "recipe": recipe,
    }


def _task_to_json(task: TaskResult) -> dict[str, Any]:
    return {
        "title": task.title,
        "place": task.place.to_json(),
        "samples": asdict(task.samples),
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
    }


def _task_from_json(name: str, fields: Fields) -> TaskResult:
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


def _counts_from_json(fields: Fields) -> SampleCounts:
    names = ("total", "scored", "failed", "skipped", "empty")
    return SampleCounts(fields.optional("expected", fields.count), *(fields.count(name) for name in names))


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
        decimals=fields.count("decimals"),
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


def _aggregate_to_json(aggregate: Aggregate) -> dict[str, Any]:
    return {
        "title": aggregate.title,
        "place": aggregate.place.to_json(),
        "members": list(aggregate.members),
        "missing": list(aggregate.missing),
        "samples": asdict(aggregate.samples),
        "partial": aggregate.partial,
        "metric": _metric_to_json(aggregate.metric),
    }


def _aggregate_from_json(name: str, fields: Fields) -> Aggregate:
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
