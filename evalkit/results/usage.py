"""What the calls of a run took: requests, tokens, money, and what the cache saved."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.cascade import STAGES
from evalkit.types import Response, Usage

_SHOWN = 3
_NOTHING: Mapping[str, float] = {}


@dataclass(slots=True)
class RoleUsage:
    """What the model of one role took, over all sessions of a run.

    Attributes:
        answers: good responses.
        failures: calls that gave no answer.
        cached: how many of the answers came from the cache.
        spent: on what was asked of the server.
        saved: what the answers from the cache took when they were asked.
        streamed: how many answers could be heard before they were whole.
        first_sound: how many seconds these took, in all, until their beginning could be heard.
        seconds: that answering took, the time of a batch being shared by its members, those from the cache left aside.
        answered_by: how many answers came from whom, where servers say so; more than one means that the model changed.
    """

    answers: int = 0
    failures: int = 0
    cached: int = 0
    spent: Usage = field(default_factory=Usage)
    saved: Usage = field(default_factory=Usage)
    streamed: int = 0
    first_sound: float = 0.0
    seconds: float = 0.0
    answered_by: Counter[str] = field(default_factory=Counter)

    def add(self, response: Response) -> None:
        """Count one response in."""
        self.failures += response.failed
        self.answers += not response.failed
        self.cached += response.cached
        if response.answered_by:
            self.answered_by[response.answered_by] += 1
        if response.seconds is not None and not response.cached:
            self.seconds += response.seconds
        if response.first_sound is not None and not response.cached:
            self.streamed += 1
            self.first_sound += response.first_sound
        if response.usage is not None:
            if response.cached:
                self.saved += response.usage
            else:
                self.spent += response.usage

    def __add__(self, other: "RoleUsage") -> "RoleUsage":
        return RoleUsage(
            self.answers + other.answers,
            self.failures + other.failures,
            self.cached + other.cached,
            self.spent + other.spent,
            self.saved + other.saved,
            self.streamed + other.streamed,
            self.first_sound + other.first_sound,
            self.seconds + other.seconds,
            self.answered_by + other.answered_by,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``provenance.json`` keeps."""
        return {
            "answers": self.answers,
            "failures": self.failures,
            "cached": self.cached,
            "spent": self.spent.to_json(),
            "saved": self.saved.to_json(),
            **({"seconds": round(self.seconds, 3)} if self.seconds else {}),
            **({"answered_by": dict(sorted(self.answered_by.items()))} if self.answered_by else {}),
            **({"streamed": self.streamed, "first_sound": round(self.first_sound, 4)} if self.streamed else {}),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "RoleUsage":
        """Read what ``to_json`` wrote."""
        counts = (record["answers"], record["failures"], record["cached"])
        streamed = (record.get("streamed", 0), record.get("first_sound", 0.0), record.get("seconds", 0.0))
        spent = (Usage.from_json(record["spent"]), Usage.from_json(record["saved"]))
        return cls(*counts, *spent, *streamed, Counter(record.get("answered_by", {})))


def usage_lines(tasks: Mapping[str, Mapping[str, Any]], busy: Mapping[str, float] = _NOTHING) -> list[str]:
    """Return one line for each role of whose model there is something to tell, for the terminal.

    Args:
        tasks: the section ``usage`` of ``provenance.json``: by task, then by role.
        busy: the share of the last session's time that the model of a role was at work, where that is known.
    """
    sums: dict[str, RoleUsage] = {}
    for roles in tasks.values():
        for role, record in roles.items():
            sums[role] = sums.get(role, RoleUsage()) + RoleUsage.from_json(record)
    stages = sum(usage.seconds for role, usage in sums.items() if role in STAGES)
    shares = {role: usage.seconds / stages for role, usage in sums.items() if role in STAGES and stages}
    lines = {role: _line(usage, shares.get(role), busy.get(role)) for role, usage in sums.items()}
    return [f"  {role}: {line}" for role, line in lines.items() if line]


def _line(usage: RoleUsage, share: float | None, busy: float | None) -> str:
    """Say what a model took.

    Args:
        usage: of its role.
        share: which part of the time of a cascade's stages was its own; None if it is no stage.
        busy: which part of the last session's time it was at work; None where that is not known.
    """
    calls = usage.answers + usage.failures - usage.cached
    parts = []
    if busy is not None:
        parts.append(f"busy {busy:.0%} of the last session")
    if share is not None:
        parts.append(f"{share:.0%} of the cascade's time, {usage.seconds:,.1f} s for {calls:,} calls")
    if usage.spent.requests or usage.cached:
        parts.append(f"{usage.spent.requests:,} requests for {calls:,} calls")
        if usage.spent.input_tokens or usage.spent.output_tokens:
            parts.append(f"{usage.spent.input_tokens:,} tokens in and {usage.spent.output_tokens:,} out")
    if usage.spent.audio_seconds:
        parts.append(f"{usage.spent.audio_seconds / 60:,.1f} minutes of audio")
    if usage.spent.cost is not None:
        parts.append(f"cost {usage.spent.cost:,.4f}")
    if len(usage.answered_by) > 1:
        shares = ", ".join(f"{name} ({count:,})" for name, count in usage.answered_by.most_common(_SHOWN))
        parts.append(f"answered by {len(usage.answered_by)} models, by what the server says: {shares}")
    if usage.cached:
        saved = f", {usage.saved.cost:,.4f} saved" if usage.saved.cost else ""
        parts.append(f"{usage.cached:,} answers from the cache ({usage.saved.requests:,} requests saved{saved})")
    if usage.streamed:
        parts.append(f"first sound after {usage.first_sound / usage.streamed:.2f} s on average")
    return "; ".join(parts)
