"""Whoever wants to know how a run goes: a progress display, a record of events, a log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from evalkit.chain import Outcome
from evalkit.types import Call, Response


class Observer(Protocol):
    """Told what happens, in the event loop's thread; to be quick about it, as this is part of every call."""

    def started(self, task: str, samples: int) -> None:
        """Take note that a task's first sample is begun, of so many."""

    def answered(self, task: str, sample_id: str, call: Call, response: Response) -> None:
        """Take note of a good response that was asked for and stored in this session."""

    def failed(self, task: str, sample_id: str, call: Call, response: Response) -> None:
        """Take note of a call that gave no answer."""

    def sample_done(self, task: str, outcome: Outcome, *, asked: bool) -> None:
        """Take note of a sample that ended, and whether anything had to be asked about it in this session."""

    def finished(self, task: str) -> None:
        """Take note that all samples of a task have ended."""


@dataclass(frozen=True, slots=True)
class Observers:
    """Several observers as one.

    Attributes:
        observers: told in this order.
    """

    observers: Sequence[Observer] = ()

    def started(self, task: str, samples: int) -> None:
        """Pass it on."""
        for observer in self.observers:
            observer.started(task, samples)

    def answered(self, task: str, sample_id: str, call: Call, response: Response) -> None:
        """Pass it on."""
        for observer in self.observers:
            observer.answered(task, sample_id, call, response)

    def failed(self, task: str, sample_id: str, call: Call, response: Response) -> None:
        """Pass it on."""
        for observer in self.observers:
            observer.failed(task, sample_id, call, response)

    def sample_done(self, task: str, outcome: Outcome, *, asked: bool) -> None:
        """Pass it on."""
        for observer in self.observers:
            observer.sample_done(task, outcome, asked=asked)

    def finished(self, task: str) -> None:
        """Pass it on."""
        for observer in self.observers:
            observer.finished(task)
