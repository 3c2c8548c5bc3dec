"""What the calls of a run took: requests, tokens, money, and what the cache saved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.types import Response, Usage


@dataclass(slots=True)
class RoleUsage:
    """What the model of one role took, over all sessions of a run.

    Attributes:
        answers: good responses.
        failures: calls that gave no answer.
        cached: how many of the answers came from the cache.
        spent: on what was asked of the server.
        saved: what the answers from the cache took when they were asked.
    """

    answers: int = 0
    failures: int = 0
    cached: int = 0
    spent: Usage = field(default_factory=Usage)
    saved: Usage = field(default_factory=Usage)

    def add(self, response: Response) -> None:
        """Count one response in."""
        self.failures += response.failed
        self.answers += not response.failed
        self.cached += response.cached
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
        )

    def to_json(self) -> dict[str, Any]:
        """As ``provenance.json`` keeps it."""
        return {
            "answers": self.answers,
            "failures": self.failures,
            "cached": self.cached,
            "spent": self.spent.to_json(),
            "saved": self.saved.to_json(),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "RoleUsage":
        """The inverse of ``to_json``."""
        counts = (record["answers"], record["failures"], record["cached"])
        return cls(*counts, Usage(**record["spent"]), Usage(**record["saved"]))


def usage_lines(tasks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line for each role whose model is served, for the terminal.

    Args:
        tasks: the section ``usage`` of ``provenance.json``: by task, then by role.
    """
    sums: dict[str, RoleUsage] = {}
    for roles in tasks.values():
        for role, record in roles.items():
            sums[role] = sums.get(role, RoleUsage()) + RoleUsage.from_json(record)
    return [f"  {role}: {_line(usage)}" for role, usage in sums.items() if usage.spent.requests or usage.cached]


def _line(usage: RoleUsage) -> str:
    calls = usage.answers + usage.failures - usage.cached
    parts = [f"{usage.spent.requests:,} requests for {calls:,} calls"]
    if usage.spent.input_tokens or usage.spent.output_tokens:
        parts.append(f"{usage.spent.input_tokens:,} tokens in and {usage.spent.output_tokens:,} out")
    if usage.spent.audio_seconds:
        parts.append(f"{usage.spent.audio_seconds / 60:,.1f} minutes of audio")
    if usage.spent.cost is not None:
        parts.append(f"cost {usage.spent.cost:,.4f}")
    if usage.cached:
        saved = f", {usage.saved.cost:,.4f} saved" if usage.saved.cost else ""
        parts.append(f"{usage.cached:,} answers from the cache ({usage.saved.requests:,} requests saved{saved})")
    return "; ".join(parts)
