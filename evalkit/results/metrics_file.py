"""``metrics.json``: what a run measured, as one type. Scoring makes it, and everyone else reads it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError, StoreError
from evalkit.results.fields import Fields
from evalkit.results.folder import SHARDS, read_json
from evalkit.results.metrics_json import aggregate_from_json, aggregate_to_json, task_from_json, task_to_json
from evalkit.results.task_result import Aggregate, MetricResult, SampleCounts, TaskResult

FORMAT = 1
FILE_NAME = "metrics.json"


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
        repetitions: the runs of one model that this is the mean of (``evalkit.results.repeated``); empty of one run.
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
    repetitions: tuple["RunResult", ...] = field(default=(), compare=False)

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
                row = _row(task.name, task.title, key, metric, task.samples, task.partial, task.recipe_line(key))
                yield row | {"resampled": task.resampled, "clusters": task.clusters}
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
            "tasks": {name: task_to_json(task) for name, task in self.tasks.items()},
            "aggregates": {name: aggregate_to_json(each) for name, each in self.aggregates.items()},
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
            tasks={name: task_from_json(name, each) for name, each in fields.objects("tasks")},
            aggregates={name: aggregate_from_json(name, each) for name, each in fields.objects("aggregates")},
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
        raise StoreError(without_results(folder))
    return RunResult.from_json(read_json(path), str(path), folder)


def has_begun(folder: Path) -> bool:
    """Tell whether a folder is that of a run, whether it has results yet or not."""
    return any((folder / name).is_file() for name in ("config.yaml", FILE_NAME))


def without_results(folder: Path) -> str:
    """Return why a folder without a ``metrics.json`` has no results to read."""
    if not folder.exists():
        return f"{folder}: there is no such folder"
    if (folder / SHARDS).is_dir():
        return f"{folder}: the run has no results before its shards are merged: `evalkit merge {folder}`"
    if has_begun(folder):
        return f"{folder}: the run has no results yet; the command that began it continues it"
    return f"{folder}: not a run folder, it has no {FILE_NAME}"


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
