"""What the comparison of two runs found, and how it reads in Markdown and JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from evalkit.metrics.metric import rounded
from evalkit.results.markdown import clipped, escaped

Verdict = Literal["better", "worse", "no evidence", "not comparable"]
OnlyIn = Literal["base", "new"]


@dataclass(frozen=True, slots=True)
class Change:
    """One sample whose answer changed the value.

    Attributes:
        sample_id: the sample.
        reference: what would have been right.
        base_answer: what the model of the base run answered.
        new_answer: what the model of the new run answered.
        effect: by how much the base run's value would move if this sample alone had its new answer.
    """

    sample_id: str
    reference: str
    base_answer: str
    new_answer: str
    effect: float


@dataclass(frozen=True, slots=True)
class ComparedMetric:
    """The comparison of one metric of a task, or of one average; numbers are in the unit that is printed.

    Attributes:
        name: the task's or the average's key.
        title: its title.
        metric: the metric's name.
        unit: printed behind its values; empty for points.
        decimals: with how many its values are printed.
        verdict: about the new run, at the level asked for, after Holm's correction over all that is compared.
        reason: why the runs are not comparable, or what to bear in mind; may be empty.
        only_in: the run that alone has it, or None.
        base: the base run's value over the shared samples.
        new: the new run's value over them.
        difference: new minus base.
        interval: of the difference, by the paired bootstrap; None where none can be given.
        p_value: two-sided, by approximate randomisation.
        adjusted_p_value: the same after Holm's correction.
        higher_is_better: the direction of improvement.
        shared: how many samples both runs have.
        base_samples: how many the base run has.
        new_samples: how many the new run has.
        improved: the samples whose new answer moved the value most for the better.
        worsened: those whose new answer moved it most for the worse.
    """

    name: str
    title: str
    metric: str
    unit: str
    decimals: int
    verdict: Verdict
    reason: str = ""
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
    improved: Sequence[Change] = ()
    worsened: Sequence[Change] = ()

    @property
    def compared(self) -> bool:
        """Whether the two runs could be compared here."""
        return self.verdict != "not comparable"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        base: name of the run that is compared with.
        new: name of the run that is judged.
        level: of the intervals; a verdict needs an adjusted p-value of at most 1 - level.
        metrics: one for each metric compared of each task, and for each average, that either run has.
        remarks: what else has to be said, such as that a run is not finished.
    """

    base: str
    new: str
    level: float
    metrics: Sequence[ComparedMetric]
    remarks: Sequence[str] = ()

    @property
    def regressed(self) -> bool:
        """Whether the new run is significantly worse anywhere."""
        return any(each.verdict == "worse" for each in self.metrics)

    @property
    def compared(self) -> bool:
        """Whether anything could be compared at all."""
        return any(each.compared for each in self.metrics)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {**asdict(self), "regressed": self.regressed, "compared": self.compared}

    def to_markdown(self) -> str:
        """Return a Markdown table, followed by the samples that changed most."""
        return "\n".join(_lines(self))


def _formatted(each: ComparedMetric) -> tuple[str, str, str]:
    """Return base, new and difference with its interval as they are printed; empty where nothing was compared."""
    if each.base is None or each.new is None or each.difference is None:
        return "", "", ""
    difference = _signed(each.difference, each.decimals)
    if each.interval is not None:
        difference += f" [{', '.join(_signed(end, each.decimals) for end in each.interval)}]"
    return rounded(each.base, each.decimals), rounded(each.new, each.decimals), difference


def _lines(comparison: Comparison) -> Iterator[str]:
    level = f"{100 * comparison.level:g} %"
    yield f"# {escaped(comparison.new)} against {escaped(comparison.base)}"
    yield ""
    if any(each.only_in is None for each in comparison.metrics):
        yield f"| Task | Metric | Base | New | Difference [{level}] | p | p (Holm) | Samples | Verdict |"
        yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
        yield from (f"| {' | '.join(_row(each))} |" for each in comparison.metrics if each.only_in is None)
        yield ""
    alone: dict[str, dict[str, None]] = {}
    for each in comparison.metrics:
        if each.only_in is not None:
            alone.setdefault(each.reason, {})[escaped(each.title)] = None
    for reason, titles in alone.items():
        yield from (f"Not compared, as {reason}: {', '.join(titles)}.", "")
    for remark in comparison.remarks:
        yield from (f"{escaped(remark)}.", "")
    yield (
        f"Differences are new minus base over the samples of both, with paired bootstrap intervals; p by approximate "
        f"randomisation, corrected over all rows by Holm's procedure. A verdict needs p (Holm) of at most "
        f"{1 - comparison.level:.2g}."
    )
    for each in comparison.metrics:
        for heading, changes in (("worsened", each.worsened), ("improved", each.improved)):
            if changes:
                yield from ("", f"## {escaped(each.title)}: what {heading} most", "")
                yield f"| Sample | Effect on {escaped(each.metric)} | Reference | Base | New |"
                yield "| --- | ---: | --- | --- | --- |"
                for change in changes:
                    yield f"| {' | '.join(_change(change, each.decimals))} |"


def _row(each: ComparedMetric) -> list[str]:
    verdict = f"**{each.verdict}**" + (f": {escaped(each.reason)}" if each.reason else "")
    p_values = [f"{p:.4f}" if p is not None else "" for p in (each.p_value, each.adjusted_p_value)]
    samples = str(each.shared)
    if each.shared < max(each.base_samples, each.new_samples):
        samples += f" of {each.base_samples} and {each.new_samples}"
    name = escaped(f"{each.metric} ({each.unit})" if each.unit else each.metric)
    return [escaped(each.title), name, *_formatted(each), *p_values, samples, verdict]


def _change(change: Change, decimals: int) -> list[str]:
    effect = rounded(change.effect, decimals + 1)
    texts = (change.reference, change.base_answer, change.new_answer)
    sign = "" if effect.startswith("-") else "+"
    return [escaped(change.sample_id), f"{sign}{effect}", *(escaped(clipped(text)) for text in texts)]


def _signed(value: float, decimals: int) -> str:
    text = rounded(value, decimals)
    return text if text.startswith("-") else f"+{text}"
