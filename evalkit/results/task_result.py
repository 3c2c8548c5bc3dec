"""What a run measured with its tasks, as types: values with their counts and recipes, and averages over several.

One convention for numbers: a metric's value, interval and standard error are in the unit that is printed (``12.3`` with
the unit ``%``, ``31.7`` points of BLEU); its statistics are sums over samples, of which the function named makes a
number that ``scale`` brings into that unit.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.metrics.metric import render_recipe, rounded
from evalkit.place import TablePlace
from evalkit.results.clusters import SINGLY, too_few


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
        audio_cut: samples of whose recording a model heard only the beginning, as it was too long for it.
        audio_split: samples whose recording was put to a model in pieces, as it was too long for it.
    """

    expected: int | None
    total: int
    scored: int
    failed: int
    skipped: int
    empty: int
    audio_cut: int = 0
    audio_split: int = 0

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
            self.audio_cut + other.audio_cut,
            self.audio_split + other.audio_split,
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
class RunSpread:
    """How a value comes out in several runs of one model, in the unit that is printed.

    Attributes:
        values: of each run.
        deviation: the standard deviation between them; None of a single run, or where one is undefined.
        sampling_error: the standard error of their mean for the choice of samples alone; None where it is not known.
    """

    values: tuple[float | None, ...]
    deviation: float | None
    sampling_error: float | None


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
        spread: of a mean over several runs of one model, whose interval and standard error hold both samples and runs.
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
    spread: RunSpread | None = None

    @property
    def text(self) -> str:
        """The value and its interval as they are printed: ``12.30 % [11.02, 13.64]``."""
        if self.value is None:
            return "undefined (nothing to measure against)"
        text = f"{rounded(self.value, self.decimals)} {self.unit}".rstrip()
        if self.interval is not None:
            low, high = (rounded(end, self.decimals) for end in self.interval)
            text += f" [{low}, {high}]"
        if self.spread is not None:
            text += f" ({self.spread_text})"
        return text

    @property
    def spread_text(self) -> str:
        """Over how many runs the value is the mean, and how far they lie apart: ``3 runs, SD 0.21``; else empty."""
        if self.spread is None:
            return ""
        deviation = self.spread.deviation
        apart = "" if deviation is None else f", SD {rounded(deviation, self.decimals)}"
        return f"{len(self.spread.values)} runs{apart}"


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
        resampled: what intervals are drawn of: ``sample``, or the field by which samples are clustered, ``speaker``.
        clusters: how many of these there are among the samples that count.
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
    resampled: str = SINGLY
    clusters: int = 0
    replicates: npt.NDArray[np.float64] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.resampled == SINGLY:
            object.__setattr__(self, "clusters", self.samples.counted)

    @property
    def metric(self) -> MetricResult:
        """The headline metric."""
        return self.metrics[self.headline]

    def too_few(self, key: str) -> str:
        """Return why a metric that has a value has no interval, where too little was drawn; else nothing."""
        metric = self.metrics[key]
        sure = metric.value is None or metric.interval is not None
        return "" if sure else too_few(self.resampled, self.clusters)

    def recipe_line(self, key: str, *, with_counts: bool = True) -> str:
        """Render a metric's recipe as the line that is printed with it, models by their titles.

        Args:
            key: of the metric.
            with_counts: whether the counts of scored, failed and skipped samples follow, and of what was drawn where
                that were no single samples.
        """
        recipe: dict[str, Any] = dict(self.metrics[key].recipe)
        for role, model in self.models.items():
            if role in recipe:
                recipe[role] = f"{model.title}@{model.fingerprint}"
        if with_counts:
            samples = self.samples
            recipe |= {"scored": samples.scored, "failed": samples.failed, "skipped": samples.skipped}
            if self.resampled != SINGLY:
                recipe |= {"resampled": self.resampled, "clusters": self.clusters}
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
