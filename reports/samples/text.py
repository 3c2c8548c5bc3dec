"""A sample for the terminal: answers by role, alignment, what it counts; nothing that a model wrote is carried out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalkit.metrics.metric import rounded
from evalkit.printable import folded, printable
from reports.samples.alignment import blocks
from reports.samples.single import SampleMetric, SampleRecord

_SHOWN_FACTS = 300


def sample_text(record: SampleRecord, width: int) -> str:
    """Return a sample as lines of a terminal of this width."""
    return "\n".join(_lines(record, width)) + "\n"


def change_text(base: SampleRecord, new: SampleRecord) -> str:
    """Return what changed in the metrics that both records have, a line for each."""
    lines = []
    for key, before in base.metrics.items():
        if key in new.metrics:
            after = new.metrics[key]
            lines.append(
                f"{before.metric.name} ({key}): {_value(before)} in {base.run.name}, {_value(after)} in {new.run.name}"
            )
    return "".join(f"{printable(line)}\n" for line in lines)


def _lines(record: SampleRecord, width: int) -> Iterator[str]:
    heading = f"{record.run.folder}/{record.task.name}/{record.id}"
    yield printable(heading)
    yield from _folded(f"{record.run.model}, {record.task.title}", width)
    yield from _folded(f"status: {record.status}{f', {record.reason}' if record.reason else ''}", width)
    for name, seconds in record.audio:
        yield from _folded(
            f"recording: {name}{f' ({seconds:.2f} s)' if isinstance(seconds, int | float) else ''}", width
        )
    for name, fact in record.facts.items():
        yield from _folded(f"{name}: {str(fact)[:_SHOWN_FACTS]}", width)
    yield ""
    for reference in record.references:
        yield from _answer("reference", reference, width)
    for response in record.responses:
        yield from _response(record, response, width)
    if record.utterance is not None:
        yield ""
        yield from _folded("alignment of the normalised texts (S: substitution, D: deletion, I: insertion)", width)
        yield from map(printable, blocks(record.utterance.steps, max(width - 7, 20)))
        if record.utterance.remark:
            yield f"  ({record.utterance.remark})"
    else:
        for name, text in record.details.items():
            yield from _answer(name, text, width)
    if record.metrics:
        yield ""
    for key, each in record.metrics.items():
        counts = ", ".join(f"{name} {count:g}" for name, count in each.statistics.items())
        yield from _folded(f"{each.metric.name} ({key}): {_value(each)}; {counts}", width)


def _response(record: SampleRecord, response: Mapping[str, Any], width: int) -> Iterator[str]:
    role = str(response["role"])
    if response["failure"]:
        failure = response["failure"]
        yield from _folded(f"{role} failed, {failure['kind']}: {failure['message']}", width)
    if response["text"]:
        yield from _answer(role, response["text"], width)
    if response["speech"]:
        yield printable(f"{role} said: {record.run.folder}/{response['speech']}")  # whole, to be copied
    for call in response["tool_calls"] or ():
        yield from _folded(f"{role} calls: {call['name']} {call['arguments']}", width)
    if not any(response[name] for name in ("failure", "text", "speech", "tool_calls")):
        yield f"{printable(role)}: (nothing)"


def _answer(name: str, text: str, width: int) -> Iterator[str]:
    """Yield a text behind its name; further lines of it are indented, so that they are not taken for others."""
    first, *further = text.split("\n")
    yield from _folded(f"{name}: {first}", width)
    for line in further:
        yield from (f"    {each}" for each in folded(printable(line), width - 4))


def _folded(text: str, width: int) -> Sequence[str]:
    return folded(printable(text), width, indent=4)


def _value(each: SampleMetric) -> str:
    if each.value is None:
        return "undefined"
    return f"{rounded(each.value, each.metric.decimals)} {each.metric.unit}".rstrip()
