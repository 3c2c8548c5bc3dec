"""A sample for the terminal: answers by role, alignment, what it counts; nothing that a model wrote is carried out."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.metrics.metric import rounded
from evalkit.printable import folded, printable
from reports.samples.alignment import blocks
from reports.samples.flags import FLAGS
from reports.samples.scored import MOST_UNITS_ALIGNED
from reports.samples.single import FoundSample

_SHOWN_FACTS = 300
_INDENT = 4


def sample_text(found: FoundSample, width: int) -> str:
    """Return a sample as lines of a terminal of this width."""
    return "\n".join(_lines(found, width)) + "\n"


def change_text(base: FoundSample, new: FoundSample) -> str:
    """Return what the sample is worth in both runs, a line for each metric that both have."""
    lines = []
    for key in base.sample.values:
        if key in new.sample.values:
            values = f"{_value(base, key)} in {base.run.name}, {_value(new, key)} in {new.run.name}"
            lines.append(printable(f"{base.task.metrics[key].name} ({key}): {values}") + "\n")
    return "".join(lines)


def _lines(found: FoundSample, width: int) -> Iterator[str]:
    sample = found.sample
    yield printable(f"{found.run.folder}/{found.task.name}/{sample.id}")
    yield from _folded(f"{found.run.model}, {found.task.title}", width)
    why = ", ".join(filter(None, (sample.status, f"{sample.reason_kind} {sample.reason}".strip())))
    yield from _folded(f"status: {why}", width)
    for audio in sample.audio:
        seconds = audio.get("duration")
        length = f" ({seconds:.2f} s)" if isinstance(seconds, int | float) else ""
        yield from _folded(f"recording: {audio['locator']}{length}", width)
    facts = {"language": sample.language, **sample.clusters, **sample.groups, **sample.metadata}
    for name, fact in facts.items():
        if fact is not None:
            text = fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False)
            yield from _folded(f"{name}: {text[:_SHOWN_FACTS]}", width)
    if sample.flags:
        yield from _folded(f"odd: {', '.join(FLAGS[flag] for flag in sample.flags)}", width)
    yield ""
    for reference in sample.references:
        yield from _answer("reference", reference, width)
    for response in sample.responses:
        yield from _response(found, response, width)
    yield from _worth(found, width)


def _worth(found: FoundSample, width: int) -> Iterator[str]:
    """Yield how the answer was judged: its alignment or the task's own texts, and the value of each metric."""
    sample, headline = found.sample, found.task.metric
    if sample.steps:
        yield ""
        yield from _folded("alignment of the normalised texts (S: substitution, D: deletion, I: insertion)", width)
        yield from map(printable, blocks(sample.steps, max(width - 7, 20)))
        if sample.units:
            yield f"  (the first {MOST_UNITS_ALIGNED:,} of {sample.units:,} units)"
    else:
        for name, text in sample.details.items():
            if text.strip():
                yield from _answer(name, text, width)
    if sample.status != "skipped":
        yield ""
        for key in sample.values:
            named = zip(headline.statistics, sample.statistics, strict=True)
            counts = (
                "; " + ", ".join(f"{name} {count:g}" for name, count in named) if key == found.task.headline else ""
            )
            yield from _folded(f"{found.task.metrics[key].name} ({key}): {_value(found, key)}{counts}", width)


def _response(found: FoundSample, response: Mapping[str, Any], width: int) -> Iterator[str]:
    role = str(response["role"])
    if failure := response["failure"]:
        yield from _folded(f"{role} failed, {failure['kind']}: {failure['message']}", width)
    if response["text"]:
        yield from _answer(role, response["text"], width)
    if response["speech"]:
        yield printable(f"{role} said: {found.run.folder}/{response['speech']}")  # whole, to be copied
    for call in response["tool_calls"] or ():
        yield from _folded(f"{role} calls: {call['name']} {call['arguments']}", width)
    if not any(response[name] for name in ("failure", "text", "speech", "tool_calls")):
        yield f"{printable(role)}: (nothing)"


def _answer(name: str, text: str, width: int) -> Iterator[str]:
    """Yield a text behind its name; further lines of it are indented, so that they are not taken for others."""
    first, *further = text.split("\n")
    yield from _folded(f"{name}: {first}", width)
    for line in further:
        yield from (" " * _INDENT + each for each in folded(printable(line), width - _INDENT))


def _folded(text: str, width: int) -> list[str]:
    return folded(printable(text), width, indent=_INDENT)


def _value(found: FoundSample, key: str) -> str:
    value, metric = found.sample.values[key], found.task.metrics[key]
    return "undefined" if value is None else f"{rounded(value, metric.decimals)} {metric.unit}".rstrip()
