"""The one interface behind which every model stands, whatever role it plays in a run."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.types import Request, Response


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can be asked.

    Attributes:
        languages: codes of the languages it understands, or None for any.
        sample_rate: the rate in hertz at which it wants audio decoded, or None if it takes no waveforms.
        batch_size: how many requests it prefers to get at once.
    """

    languages: frozenset[str] | None = None
    sample_rate: int | None = 16_000
    batch_size: int = 1

    def speaks(self, language: str | None) -> bool:
        """Whether a sample in this language can be put to the model."""
        return self.languages is None or language is None or language in self.languages


class ModelAdapter(ABC):
    """A model in any role: the system under test, a transcriber, a judge."""

    capabilities: Capabilities

    @abstractmethod
    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer the requests: one response per request, in their order.

        A request that cannot be answered gets a response with an ``error``, or the whole batch may raise: the
        executor then retries its members one by one, so that one bad sample costs no other its answer.
        ``ConfigurationError`` alone stops the run.
        """

    @abstractmethod
    def fingerprint(self) -> Mapping[str, Any]:
        """What decides this model's answers (weights, version, decoding settings), as JSON values.

        A run folder keeps it, and refuses to be continued by a model with another one.
        """

    def close(self) -> None:  # noqa: B027 - most models hold nothing that outlives them
        """Free what the model holds: memory, processes, connections."""
