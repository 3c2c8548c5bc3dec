"""What the comparison of runs found, as types."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

FORMAT = 1
"""Of the JSON that ``Comparison.to_json`` returns; ``docs/comparison.schema.json`` describes it."""

Verdict = Literal["better", "worse", "equivalent", "no evidence", "not comparable"]
Correction = Literal["holm", "bh"]
OnlyIn = Literal["base", "new"]


class AlignedAnswers(NamedTuple):
    """One place of a reference beside what both models made of it.

    Attributes:
        reference: the unit of the reference; None where an answer has more than the reference.
        base: the unit in its place in the base run's answer; None where there is none.
        new: likewise of the new run's answer.
    """

    reference: str | None
    base: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One sample whose answer changed the value.

    Attributes:
        sample_id: the sample.
        reference: what would have been right.
        base_answer: what the model of the base run answered.
        new_answer: what the model of the new run answered.
        effect: by how much the base run's value would move if this sample alone had its new answer.
        alignment: for error rates, both answers beside the reference, as the figure's scheme normalises and cuts them.
        units: how many units the longest of the texts has, where only the first ones are aligned; else 0.
    """

    sample_id: str
    reference: str
    base_answer: str
    new_answer: str
    effect: float
    alignment: Sequence[AlignedAnswers] = ()
    units: int = 0


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """How many samples changed.

    Attributes:
        improved: samples whose statistics changed for the better.
        worsened: samples whose statistics changed for the worse.
        fixed: of them, samples that were wrong in the base run and are right in the new one; None where a sample is
            not simply right or wrong.
        broken: samples that were right in the base run and are wrong in the new one; likewise.
        both_wrong: samples that are wrong in both; likewise.
    """

    improved: int
    worsened: int
    fixed: int | None = None
    broken: int | None = None
    both_wrong: int | None = None


@dataclass(frozen=True, slots=True)
class GroupChange:
    """A group of samples that moved against the trend; numbers are in the unit that is printed.

    Attributes:
        field: what the samples are grouped by, such as ``accent``.
        label: of the group.
        samples: how many samples of it both runs have.
        base: the base run's value over them.
        new: the new run's value over them.
        difference: new minus base.
        interval: of the difference; None where none can be given.
        p_value: two-sided.
        adjusted_p_value: the same, corrected over all groups of the figure.
        verdict: ``better`` or ``worse``.
    """

    field: str
    label: str
    samples: int
    base: float
    new: float
    difference: float
    interval: tuple[float, float] | None
    p_value: float
    adjusted_p_value: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class OtherTest:
    """What another test says of the same difference.

    Attributes:
        name: of the test, such as ``mapsswe``.
        p_value: two-sided; None where the test does not apply.
        remark: why it does not, or what it counted.
    """

    name: str
    p_value: float | None
    remark: str


@dataclass(frozen=True, slots=True)
class ComparedMetric:
    """The comparison of one metric of a task, or of one average; numbers are in the unit that is printed.

    Attributes:
        name: the task's or the average's key.
        title: its title.
        metric: the metric's name.
        unit: printed behind its values; empty for points.
        decimals: with how many its values are printed.
        verdict: about the new run, at the level asked for, after correction over all that is compared.
        reason: why there is this verdict, or what to bear in mind; may be empty.
        key: of the metric in its task; empty for an average.
        run: name of the new run that is judged.
        only_in: the run that alone has it, or None.
        base: the base run's value over the shared samples.
        new: the new run's value over them.
        difference: new minus base.
        interval: of the difference, by the paired bootstrap; None where none can be given.
        p_value: two-sided, by approximate randomisation.
        adjusted_p_value: the same after correction.
        higher_is_better: the direction of improvement.
        shared: how many samples both runs have.
        base_samples: how many the base run has.
        new_samples: how many the new run has.
        resampled: what was drawn and exchanged: ``sample``, or the field of clusters such as ``speaker``.
        drawn: how many of them there are.
        detectable: the smallest difference that this test set finds with a probability of 80 %; None if unknown.
        needed: without evidence, how many of what is drawn would find the difference seen; None if unknown.
        counts: how many samples changed; None for an average.
        improved: the samples whose new answer moved the value most for the better.
        worsened: those whose new answer moved it most for the worse.
        groups: groups of samples that moved against the trend.
        tests: what other tests that were asked for say.
    """

    name: str
    title: str
    metric: str
    unit: str
    decimals: int
    verdict: Verdict
    reason: str = ""
    key: str = ""
    run: str = ""
    only_in: OnlyIn | None = None
    base: float | None = None
    new: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    adjusted_p_value: float | None = None
    higher_is_better: bool = False
    shared: int = 0
    base_samples: int = 0
    new_samples: int = 0
    resampled: str = "sample"
    drawn: int = 0
    detectable: float | None = None
    needed: int | None = None
    counts: ChangeCounts | None = None
    improved: Sequence[Change] = ()
    worsened: Sequence[Change] = ()
    groups: Sequence[GroupChange] = ()
    tests: Sequence[OtherTest] = ()

    @property
    def compared(self) -> bool:
        """Whether the two runs could be compared here."""
        return self.verdict != "not comparable"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run beside one or several others.

    Attributes:
        base: name of the run that is compared with.
        runs: names of the new runs that are judged.
        level: of the intervals; a verdict needs an adjusted p-value of at most 1 - level.
        metrics: for each new run, one for each metric compared of each task, and for each average, that either has.
        minimum: the difference that matters, in the unit that is printed; None if any does.
        correction: of the p-values over all metrics: ``holm`` or ``bh`` (Benjamini and Hochberg).
        remarks: what else has to be said, such as that a run is not finished.
    """

    base: str
    runs: Sequence[str]
    level: float
    metrics: Sequence[ComparedMetric]
    minimum: float | None = None
    correction: Correction = "holm"
    remarks: Sequence[str] = ()

    @property
    def new(self) -> str:
        """The new runs' names, as a heading."""
        return ", ".join(self.runs)

    @property
    def regressed(self) -> bool:
        """Whether a new run is significantly worse anywhere."""
        return any(each.verdict == "worse" for each in self.metrics)

    @property
    def compared(self) -> bool:
        """Whether anything could be compared of every new run."""
        return all(any(each.compared for each in self.of(run)) for run in self.runs)

    def of(self, run: str) -> Sequence[ComparedMetric]:
        """Return what was found about one of the new runs."""
        return [each for each in self.metrics if each.run == run]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"format": FORMAT, **asdict(self), "regressed": self.regressed, "compared": self.compared}

    def to_markdown(self) -> str:
        """Return a Markdown table, followed by groups that moved against the trend and samples that changed most."""
        from evalkit.results.comparison.markdown import render_markdown

        return render_markdown(self)
