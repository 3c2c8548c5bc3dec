"""Where the calls of one sample part ways in two runs: the first that was asked or answered otherwise.

A chain's next call is a function of the answers so far. As long as two runs were answered alike, what they ask next can
be compared; from the first answer that differs on, it cannot, for the question may differ because the answer did.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from evalkit.results.recorded_calls import RecordedCall
from evalkit.run.difference.samples import same_recordings
from evalkit.types import Response

Part = Literal["recordings", "prompt", "decoding", "request", "answer"]

AUDIO = "{audio}"


class Point(NamedTuple):
    """Something about a call that differs.

    Attributes:
        role: who was called.
        part: which part of the question; or the answer, to the very same question.
    """

    role: str
    part: Part


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far two runs went alike with one sample.

    Attributes:
        asked: what was asked otherwise, as far as it can be told.
        reasons: why the answers differ: what was asked otherwise at the first of them, or else the answer itself;
            empty where all answers are alike.
        compared: the roles whose questions could be compared.
        sampled: whether the answer of the last call compared was drawn by chance.
        calls: the first call of which a question was asked otherwise, in both runs.
    """

    asked: frozenset[Point] = frozenset()
    reasons: frozenset[Point] = frozenset()
    compared: frozenset[str] = frozenset()
    sampled: bool = False
    calls: Mapping[Point, tuple[RecordedCall, RecordedCall]] = field(default_factory=dict)


def divergence(base: Sequence[RecordedCall], new: Sequence[RecordedCall]) -> Divergence:
    """Compare the calls of a sample in two runs, up to the first answer that differs."""
    calls: dict[Point, tuple[RecordedCall, RecordedCall]] = {}
    compared = set()
    for pair in zip(base, new, strict=False):
        if pair[0].role != pair[1].role:
            break
        role = pair[0].role
        compared.add(role)
        points = {Point(role, part) for part in _differing_parts(*pair)}
        for point in points:
            calls.setdefault(point, pair)
        if not _alike(pair[0].response, pair[1].response):
            reasons = frozenset(points or {Point(role, "answer")})
            sampled = any(_is_sampled(call.asked) for call in pair)
            return Divergence(frozenset(calls), reasons, frozenset(compared), sampled, calls)
    else:
        if len(base) == len(new):
            return Divergence(frozenset(calls), frozenset(), frozenset(compared), False, calls)
    # Answered alike, they went on to ask somebody else, or one of them stopped there.
    longer = max(base, new, key=len)
    role = longer[min(len(base), len(new), len(longer) - 1)].role
    point = Point(role, "request")
    return Divergence(frozenset({*calls, point}), frozenset({point}), frozenset(compared), False, calls)


def conversation(call: RecordedCall) -> str:
    """Return the words that were put, with the place of each recording marked."""
    lines = []
    for message in _messages(call.asked):
        content = "".join(part if isinstance(part, str) else AUDIO for part in _parts(message))
        lines.append(f"{message.get('role')}: {content}")
    return "\n".join(lines)


def _differing_parts(base: RecordedCall, new: RecordedCall) -> Iterator[Part]:
    if base.request == new.request:
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


def _alike(base: Response, new: Response) -> bool:
    return _said(base) == _said(new)


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
