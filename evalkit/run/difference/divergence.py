"""Where the calls of one sample part ways in two runs: the first that was asked or answered otherwise.

A chain's next call is a function of the answers so far. As long as two runs were answered alike, what they ask next can
be compared; from the first answer that differs on, it cannot, for the question may differ because the answer did.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

from evalkit.results.recorded_calls import RecordedCall
from evalkit.run.difference.samples import same_recordings
from evalkit.types import Response

Part = Literal["recordings", "prompt", "decoding", "request"]
"""Of a question: its recordings, its words, the decoding settings, and all the rest."""

AUDIO = "{audio}"


class Point(NamedTuple):
    """Something that was asked otherwise.

    Attributes:
        role: who was asked.
        part: which part of the question differs.
    """

    role: str
    part: Part


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far two runs went alike with one sample.

    Attributes:
        asked: what was asked otherwise, as far as it can be told, and the two calls in which it was.
        compared: the roles whose questions could be compared.
        role: who was the first to answer otherwise; empty where all answers are alike.
        reasons: what of the question to it was otherwise; empty where it was the very same.
        failed: whether one of the two runs has no answer from it.
        sampled: whether its answer was drawn by chance.
    """

    asked: Mapping[Point, tuple[RecordedCall, RecordedCall]]
    compared: frozenset[str]
    role: str = ""
    reasons: frozenset[Point] = frozenset()
    failed: bool = False
    sampled: bool = False


def divergence(base: Sequence[RecordedCall], new: Sequence[RecordedCall]) -> Divergence:
    """Compare the calls of a sample in two runs, up to the first answer that differs."""
    asked: dict[Point, tuple[RecordedCall, RecordedCall]] = {}
    compared: set[str] = set()
    for one, other in zip(base, new, strict=False):
        if one.role != other.role:
            break
        compared.add(one.role)
        reasons = frozenset(Point(one.role, part) for part in _differing_parts(one, other))
        asked = {**dict.fromkeys(reasons, (one, other)), **asked}
        if not _answered_alike(one, other):
            failed = one.response.failed != other.response.failed
            sampled = _is_sampled(one.asked) or _is_sampled(other.asked)
            return Divergence(asked, frozenset(compared), one.role, reasons, failed, sampled)
    further = _asked_further(base, new)
    if not further:
        return Divergence(asked, frozenset(compared))
    return Divergence(asked, frozenset(compared), further, frozenset({Point(further, "request")}))


def _asked_further(base: Sequence[RecordedCall], new: Sequence[RecordedCall]) -> str:
    """Return whom a run went on to ask, after answers that are alike, where the other did not; empty if nobody."""
    for one, other in zip_longest(base, new):
        if one is None or other is None or one.role != other.role:
            return str((other or one).role)
    return ""


def conversation(call: RecordedCall) -> str:
    """Return the words that were put, with the place of each recording marked."""
    lines = []
    for message in _messages(call.asked):
        content = "".join(part if isinstance(part, str) else AUDIO for part in _parts(message))
        lines.append(f"{message.get('role')}: {content}")
    return "\n".join(lines)


def _differing_parts(base: RecordedCall, new: RecordedCall) -> Iterator[Part]:
    if base.request == new.request or not base.request or not new.request:
        return
    asked = base.asked, new.asked
    if not all(asked):
        yield "request"
        return
    if _words(asked[0]) != _words(asked[1]):
        yield "prompt"
    if not same_recordings(*map(_recordings, asked)):
        yield "recordings"
    if asked[0].get("generation") != asked[1].get("generation"):
        yield "decoding"
    others = [{key: each[key] for key in each if key not in ("messages", "generation")} for each in asked]
    if others[0] != others[1]:
        yield "request"


def _answered_alike(base: RecordedCall, new: RecordedCall) -> bool:
    if base.request and new.request:
        return _said(base.response) == _said(new.response)
    return _said(base.response)[:2] == _said(new.response)[:2]


def _said(response: Response) -> tuple[Any, ...]:
    speech = None if response.speech is None else response.speech.digest() or response.speech.locator
    return response.text, response.failed, response.tool_calls, response.replies, speech


def _is_sampled(asked: Mapping[str, Any]) -> bool:
    generation = asked.get("generation")
    return isinstance(generation, dict) and bool(generation.get("do_sample") or generation.get("temperature"))


def _messages(asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = asked.get("messages")
    return [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []


def _parts(message: Mapping[str, Any]) -> list[Any]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _words(asked: Mapping[str, Any]) -> list[Any]:
    """Return the conversation without its recordings."""
    return [
        {**message, "content": [part if isinstance(part, str) else None for part in _parts(message)]}
        for message in _messages(asked)
    ]


def _recordings(asked: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Return name and digest of each recording."""
    return [
        (part.get("audio"), part.get("digest"))
        for message in _messages(asked)
        for part in _parts(message)
        if isinstance(part, dict)
    ]
