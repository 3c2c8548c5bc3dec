"""Footnotes and recipes: what has to be said under a table about its figures, said once for all alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evalkit.results.markdown import clipped
from evalkit.results.task_result import FailureReason, TaskResult
from reports.tables.model import AVERAGES, Footnote, PrintedRecipe

_Key = TypeVar("_Key")
_Item = TypeVar("_Item")

_REASONS_SHOWN = 3
_MESSAGE_SHOWN = 120

INCOMPLETE, COUNTED, UNKNOWN, AVERAGED, PUBLISHED, UNREPRODUCED, UNFINISHED, OTHER_RECIPE, UNSURE = "†¶‖‡§◊※△○"

_INTRODUCTIONS = {
    INCOMPLETE: "Not the complete data set or not the published metric, hence never in bold",
    COUNTED: "Samples without an answer",
    UNKNOWN: "No figure",
    AVERAGED: "Unweighted mean of the test sets; the interval is that of the mean of their bootstrap resamples, taking "
    "the data sets as independent",
    PUBLISHED: "Published, not measured here",
    UNSURE: "Without an interval",
    UNFINISHED: "The run is not finished",
    OTHER_RECIPE: "Of another recipe than most of its column, hence not ranked with it",
    UNREPRODUCED: "Printed average that the figures printed with it do not give",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to say about a measured value.

    Attributes:
        mark: footnote mark of its kind.
        text: the particulars, if there are any.
    """

    mark: str
    text: str = ""


def benchmark_of(result: TaskResult) -> str:
    """Return what published tables call a task, or else its title; that too where it stands under a mere ``Avg.``."""
    name = result.place.benchmark or result.title
    return result.title if name in AVERAGES else name


def remarks_on(result: TaskResult, published_metric: str | None) -> list[Remark]:
    """Return what has to be said about a measured value.

    Args:
        result: the task.
        published_metric: what published figures of this test set measure; None if there are none.
    """
    benchmark = benchmark_of(result)
    samples = result.samples
    if result.not_applicable is not None:
        return [Remark(UNKNOWN, f"{benchmark}, {result.not_applicable}")]
    remarks = []
    if samples.expected is None:
        remarks.append(Remark(INCOMPLETE, f"{benchmark}, {samples.total:,} samples of an unknown number"))
    elif result.partial or samples.total != samples.expected:
        remarks.append(Remark(INCOMPLETE, f"{benchmark}, {samples.total:,} of {samples.expected:,} samples"))
    measured_metric = result.metric.name
    if published_metric and measured_metric.casefold() != published_metric.casefold():
        remarks.append(Remark(INCOMPLETE, f"{benchmark}, {measured_metric} where {published_metric} is published"))
    counts = [
        f"{count:,} {what}"
        for count, what in (
            (samples.failed, "failed (scored as an empty answer)"),
            (samples.skipped, "skipped (not scored)"),
            (samples.empty, "answered with nothing"),
            (samples.audio_cut, "with audio cut to what the model takes"),
            (samples.audio_split, "with audio split for the model"),
        )
        if count
    ]
    if counts:
        reasons = [_reason(reason) for reason in result.failures[:_REASONS_SHOWN]]
        why = f" ({'; '.join(reasons)})" if reasons else ""
        remarks.append(Remark(COUNTED, f"{benchmark}, {', '.join(counts)}{why}"))
    if result.metric.value is None:
        remarks.append(Remark(UNKNOWN, f"{benchmark}, nothing could be scored"))
    if reason := result.too_few(result.headline):
        remarks.append(Remark(UNSURE, f"{benchmark}, {reason}"))
    return remarks


def marks_of(remarks: Iterable[Remark]) -> str:
    """Return the footnote marks of remarks, each once."""
    return "".join(dict.fromkeys(remark.mark for remark in remarks))


def _reason(reason: FailureReason) -> str:
    message = clipped(" ".join(reason.message.split()), _MESSAGE_SHOWN)
    return f"{reason.count:,} {reason.kind.replace('_', ' ')}, such as {reason.sample}: {message}"


def footnotes(remarks: Sequence[tuple[str, Remark]]) -> list[Footnote]:
    """Return one footnote for each kind of remark; alike remarks on several models are made once.

    Args:
        remarks: each with the title of the model it is about.
    """
    notes = []
    for mark, introduction in _INTRODUCTIONS.items():
        by_text = _grouped((remark.text, model) for model, remark in remarks if remark.mark == mark)
        by_models = _grouped((", ".join(models), text) for text, models in by_text if text)
        sentences = [f"{models}: {'; '.join(texts)}." for models, texts in by_models]
        if by_text:
            notes.append(Footnote(mark, " ".join([f"{introduction}.", *sentences])))
    return notes


def recipes(figures: Iterable[tuple[str, str, str]]) -> tuple[PrintedRecipe, ...]:
    """Return the distinct recipes, each with the values that carry it.

    Args:
        figures: recipe, model and row of every measured figure.
    """
    by_recipe = _grouped((recipe, (model, row)) for recipe, model, row in figures)
    return tuple(
        PrintedRecipe(recipe, "; ".join(f"{model}: {', '.join(rows)}" for model, rows in _grouped(places)))
        for recipe, places in by_recipe
    )


def _grouped(pairs: Iterable[tuple[_Key, _Item]]) -> list[tuple[_Key, list[_Item]]]:
    groups: dict[_Key, list[_Item]] = {}
    for key, item in pairs:
        items = groups.setdefault(key, [])
        if item not in items:
            items.append(item)
    return list(groups.items())
