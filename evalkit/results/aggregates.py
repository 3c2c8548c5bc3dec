"""Averages that tables quote, as results: which they are is data (``configs/aggregates``), their interval is resampled.

An average is the unweighted mean of its members' values. Its interval is that of the mean of their replicates, the data
sets being independent of each other; as each member's are as wide as its few samples or clusters ask for, so is it.
"""

import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.metrics.functions import get_metric_function
from evalkit.metrics.metric import mean_in_unit
from evalkit.metrics.resampling import BootstrapSettings, SamplingDistribution, sampling_distribution
from evalkit.place import TablePlace
from evalkit.results.certainty import interval_and_error
from evalkit.results.metrics_file import RunResult
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import Aggregate, MetricResult, TaskResult

ANY_GROUP = "*"
MEAN = "mean"
_KEYS = ("title", "place", "members", "recipe", "without", "of", "when")


@dataclass(frozen=True, slots=True)
class AggregateDefinition:
    """Which tasks an average is over.

    Attributes:
        name: its key.
        title: what people call it.
        place: the table, the group of rows, and how the table calls the average. The group ``*`` stands for each group
            of the table that no other average is of.
        members: benchmarks of that group, as the tasks' places name them; empty for all that the run has, at least two.
        recipe: what the members' recipes must say, such as ``{"data": "v2"}``.
        without: groups that ``*`` does not stand for.
        of: what the members are, for the recipe.
        when: ``complete``: there is an average if every member has a value; ``any``: if at least one has.
    """

    name: str
    title: str
    place: TablePlace
    members: tuple[str, ...] = ()
    recipe: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    of: str = "test sets"
    when: str = "complete"

    @classmethod
    def from_mapping(cls, name: str, mapping: Any) -> "AggregateDefinition":
        """Read a definition of the configuration.

        Raises:
            ConfigurationError: a key is unknown or missing, or holds what it cannot.
        """
        where = f"aggregates.{name}"
        if not isinstance(mapping, Mapping):
            raise ConfigurationError(f"{where}: must be a mapping with the keys {', '.join(_KEYS)}")
        for key in mapping:
            if key not in _KEYS:
                raise ConfigurationError(f"{where}: unknown key '{key}'{hint(str(key), _KEYS)}")
        place = TablePlace.from_mapping(f"{where}.place", mapping.get("place"))
        if not (place.table and place.benchmark):
            raise ConfigurationError(f"{where}.place: must name a table and a benchmark")
        when = mapping.get("when", "complete")
        if when not in ("complete", "any"):
            raise ConfigurationError(f"{where}.when: '{when}' must be complete or any")
        members = _texts(where, "members", mapping)
        if not members and place.group != ANY_GROUP:
            raise ConfigurationError(f"{where}.members: name at least one benchmark")
        return cls(
            name=name,
            title=str(mapping.get("title", name)),
            place=place,
            members=members,
            recipe={str(key): str(value) for key, value in (mapping.get("recipe") or {}).items()},
            without=_texts(where, "without", mapping),
            of=str(mapping.get("of", "test sets")),
            when=when,
        )


def definitions_from(config: Mapping[str, Any] | None) -> tuple[AggregateDefinition, ...]:
    """Read the definitions of a configuration's ``aggregates``.

    Raises:
        ConfigurationError: one of them cannot be.
    """
    return tuple(AggregateDefinition.from_mapping(str(name), each) for name, each in (config or {}).items())


def with_aggregates(
    run: RunResult, definitions: Sequence[AggregateDefinition], settings: BootstrapSettings
) -> RunResult:
    """Return the run with every average that its tasks allow.

    Bootstrap replicates that a task does not have any more are drawn again of its stored statistics.

    Raises:
        StoreError: the scores of a task cannot be read.
    """
    replicates = _Replicates(run, settings)
    found = {}
    for definition in _spelt_out(definitions, run):
        aggregate = _aggregate(definition, run, replicates, settings)
        if aggregate is not None:
            found[aggregate.name] = aggregate
    return replace(run, aggregates=found)


def _spelt_out(definitions: Sequence[AggregateDefinition], run: RunResult) -> Iterator[AggregateDefinition]:
    """Yield each definition for each set of data, and the open ones for each group that they stand for."""
    places = [task.place for task in run.tasks.values()]
    closed = {(each.place.table, each.place.group) for each in definitions}
    for definition in definitions:
        table, group = definition.place.table, definition.place.group
        of_table = [place for place in places if place.table == table]
        for name in dict.fromkeys(place.set for place in of_table):
            of_set = [place for place in of_table if place.set == name]
            if group != ANY_GROUP:
                yield _placed(definition, name, group, definition.members)
                continue
            for each in dict.fromkeys(place.group for place in of_set):
                members = tuple(dict.fromkeys(place.benchmark for place in of_set if place.group == each))
                if len(members) > 1 and (table, each) not in closed and each not in definition.without:
                    yield _placed(definition, name, each, members)


def _placed(definition: AggregateDefinition, of_set: str, group: str, members: tuple[str, ...]) -> AggregateDefinition:
    open_group = group if definition.place.group == ANY_GROUP else ""
    words = [definition.name, *(re.sub(r"\W+", "_", word).strip("_").lower() for word in (open_group, of_set) if word)]
    title = " ".join(filter(None, (of_set, definition.title, open_group)))
    place = replace(definition.place, group=group, set=of_set)
    return replace(definition, name="_".join(words), title=title, place=place, members=members)


def _aggregate(
    definition: AggregateDefinition, run: RunResult, replicates: "_Replicates", settings: BootstrapSettings
) -> Aggregate | None:
    belonging = [task for task in run.tasks.values() if _belongs(task, definition)]
    measured, missing = [], []
    for member in definition.members:
        tasks = [task for task in belonging if task.place.benchmark == member]
        # Of two tasks in one place nothing says which is meant.
        if len(tasks) == 1 and tasks[0].metric.value is not None:
            measured.append(tasks[0])
        else:
            missing.append(member)
    if not measured or (missing and definition.when == "complete"):
        return None
    if len({(task.metric.unit, task.metric.higher_is_better) for task in measured}) > 1:
        return None  # error rates and points of BLEU have no mean
    return Aggregate(
        name=definition.name,
        title=definition.title,
        place=definition.place,
        members=tuple(task.name for task in measured),
        missing=tuple(missing),
        samples=reduce(add, (task.samples for task in measured)),
        partial=bool(missing) or any(task.partial for task in measured),
        metric=_mean(measured, [replicates.of(task) for task in measured], definition, settings),
    )


def _belongs(task: TaskResult, definition: AggregateDefinition) -> bool:
    place, wanted = task.place, definition.place
    return (
        (place.table, place.set) == (wanted.table, wanted.set)
        and place.group in ("", wanted.group)
        and all(task.metric.recipe.get(key) == value for key, value in definition.recipe.items())
    )


def _mean(
    tasks: Sequence[TaskResult],
    replicates: Sequence[npt.NDArray[np.float64]],
    definition: AggregateDefinition,
    settings: BootstrapSettings,
) -> MetricResult:
    """Average the headline metrics of tasks that all have a value, with their replicates in the unit printed."""
    first = tasks[0].metric
    errors = [math.nan if task.metric.standard_error is None else task.metric.standard_error for task in tasks]
    distribution = SamplingDistribution(
        replicates=np.mean(replicates, axis=0), standard_error=math.hypot(*errors) / len(tasks), units=0
    )
    return MetricResult(
        name=first.name,
        value=mean_in_unit([task.metric.value for task in tasks if task.metric.value is not None]),
        **interval_and_error(distribution, settings.level, 1)._asdict(),
        level=settings.level,
        unit=first.unit,
        scale=1,
        decimals=first.decimals,
        higher_is_better=first.higher_is_better,
        function=MEAN,
        statistics={},
        recipe={
            "metric": first.recipe.get("metric", first.name),
            "averaging": f"unweighted mean of {len(tasks)} {definition.of}",
            **definition.recipe,
        },
    )


class _Replicates:
    """The bootstrap replicates of a run's headline metrics, in the unit printed."""

    def __init__(self, run: RunResult, settings: BootstrapSettings) -> None:
        self._run = run
        self._settings = settings
        self._known: dict[str, npt.NDArray[np.float64]] = {}

    def of(self, task: TaskResult) -> npt.NDArray[np.float64]:
        """Return a task's replicates, in an order of their own."""
        if task.name not in self._known:
            values = self._drawn(task) if task.replicates is None else task.replicates
            # All tasks are drawn with one seed, so that those of one size are drawn alike; another order parts them.
            order = np.random.default_rng([self._settings.seed, zlib.crc32(task.name.encode())])
            self._known[task.name] = order.permutation(values) * task.metric.scale
        return self._known[task.name]

    def _drawn(self, task: TaskResult) -> npt.NDArray[np.float64]:
        if self._run.folder is None:
            raise ConfigurationError(f"{self._run.name}: the averages of a run need its folder")
        scores = ScoresFile(self._run.folder / task.name, task.digest)
        statistics = scores.statistics(task.headline, tuple(task.metric.statistics))
        distribution = sampling_distribution(
            statistics,
            get_metric_function(task.metric.function),
            resamples=self._settings.resamples,
            seed=self._settings.seed,
            clusters=scores.clusters(task.resampled),
        )
        return distribution.replicates


def _texts(where: str, key: str, mapping: Mapping[str, Any]) -> tuple[str, ...]:
    items = mapping.get(key) or ()
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise ConfigurationError(f"{where}.{key}: must be a list")
    return tuple(map(str, items))
