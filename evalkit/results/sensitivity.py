"""How much of a figure is the normaliser: the same answers under every scheme, and how that reads in Markdown."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from evalkit.results.markdown import clipped, escaped
from evalkit.results.wording import difference_text, figure_text, signed


@dataclass(frozen=True, slots=True)
class ErrorChange:
    """An error that one of two schemes counts and the other does not.

    Attributes:
        error: the units that differ, as ``expected → found``; one side is empty for a deletion or an insertion.
        forgiven: whether it is the scheme looked at that does not count it; else it alone counts it.
        samples: in how many samples.
        sample_id: the first of them.
    """

    error: str
    forgiven: bool
    samples: int
    sample_id: str


@dataclass(frozen=True, slots=True)
class ChangedSample:
    """A sample whose statistics another scheme changes.

    Attributes:
        sample_id: the sample.
        effect: by how much the figure moves if this sample alone is scored by the other scheme, in the unit printed.
        base: reference and answer as the headline scheme has them.
        other: the same as the other scheme has them.
    """

    sample_id: str
    effect: float
    base: tuple[str, str]
    other: tuple[str, str]


@dataclass(frozen=True, slots=True)
class SchemeFigure:
    """The figure of a task under one scheme, in the unit that is printed.

    Attributes:
        scheme: its label, such as ``whisper-en.v1``.
        metric: the metric's name.
        value: None where it is undefined.
        interval: of the value; None where none can be given.
        difference: to the figure under the headline scheme; None for that itself, and where the two do not compare.
        difference_interval: of the difference over the same samples, by the paired bootstrap.
        changed: how many samples have other statistics than under the headline scheme.
        reasons: the commonest errors that one of the two counts alone.
        examples: the samples that move the figure most.
    """

    scheme: str
    metric: str
    value: float | None
    interval: tuple[float, float] | None
    difference: float | None = None
    difference_interval: tuple[float, float] | None = None
    changed: int = 0
    reasons: tuple[ErrorChange, ...] = ()
    examples: tuple[ChangedSample, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskSensitivity:
    """A task under all schemes.

    Attributes:
        task: its name.
        title: its title.
        unit: printed behind its values; empty for points.
        decimals: with how many they are printed.
        samples: how many count.
        figures: under the headline scheme first.
    """

    task: str
    title: str
    unit: str
    decimals: int
    samples: int
    figures: tuple[SchemeFigure, ...]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A run's answers under every scheme that its tasks know.

    Attributes:
        run: its name.
        model: the title of the model under test.
        level: of the intervals.
        tasks: those that are scored by a scheme.
    """

    run: str
    model: str
    level: float
    tasks: tuple[TaskSensitivity, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)

    def to_markdown(self) -> str:
        """Return a Markdown table, followed by the errors and samples that make the differences."""
        return "\n".join(_lines(self))


def _lines(found: Sensitivity) -> Iterator[str]:
    level = f"{100 * found.level:g} %"
    yield f"# {escaped(found.model)} ({escaped(found.run)}): the same answers under every scheme"
    yield ""
    yield f"| Task | Scheme | Metric | Value [{level}] | Difference to the headline [{level}] | Samples that change |"
    yield "| --- | --- | --- | ---: | ---: | ---: |"
    for task in found.tasks:
        yield from (f"| {' | '.join(_row(task, each))} |" for each in task.figures)
    yield ""
    yield (
        "The first scheme of a task is that of its headline figure. Differences are over the same answers, with paired "
        "bootstrap intervals, so that they are known far better than the figures themselves."
    )
    for task in found.tasks:
        for figure in task.figures:
            if figure.changed:
                yield from _reasons(task, figure)


def _row(task: TaskSensitivity, figure: SchemeFigure) -> list[str]:
    is_headline = figure is task.figures[0]
    difference = "headline" if is_headline else "not comparable"
    if figure.difference is not None:
        difference = difference_text(figure.difference, figure.difference_interval, task.decimals)
    value = "undefined"
    if figure.value is not None:
        value = figure_text(figure.value, figure.interval, task.decimals)
    metric = f"{figure.metric} ({task.unit})" if task.unit else figure.metric
    changed = "" if is_headline else f"{figure.changed:,} of {task.samples:,}"
    return [escaped(task.title), escaped(figure.scheme), escaped(metric), value, difference, changed]


def _reasons(task: TaskSensitivity, figure: SchemeFigure) -> Iterator[str]:
    yield from ("", f"## {escaped(task.title)}: {escaped(figure.scheme)}", "")
    for reason in figure.reasons:
        counts = "does not count" if reason.forgiven else "alone counts"
        samples = f"{reason.samples:,} samples, such as" if reason.samples > 1 else "one sample,"
        yield f"- {counts} {escaped(clipped(reason.error, 80))} ({samples} {escaped(reason.sample_id)})"
    if figure.reasons and figure.examples:
        yield ""
    if figure.examples:
        yield f"| Sample | Effect on {escaped(figure.metric)} | Texts of the headline | Texts of this scheme |"
        yield "| --- | ---: | --- | --- |"
    for each in figure.examples:
        texts = (f"{reference} / {answer}" for reference, answer in (each.base, each.other))
        effect = signed(each.effect, task.decimals + 1)
        yield f"| {escaped(each.sample_id)} | {effect} | {' | '.join(escaped(clipped(text)) for text in texts)} |"
