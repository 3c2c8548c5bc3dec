"""The one interface behind which every model stands, whatever role it plays in a run."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.served.settings import Limits, Prices
from evalkit.types import Request, Response


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can be asked.

    Attributes:
        languages: codes of the languages it understands, or None for any.
        sample_rate: the rate in hertz at which it wants audio decoded, or None if it takes no waveforms.
        batch_size: how many requests it prefers to get at once.
        audio_input: whether it hears; a text model does not.
        text_output: whether it writes; a model that only speaks does not.
        speech_output: whether it speaks.
        tools: whether it can be given functions to call.
    """

    languages: frozenset[str] | None = None
    sample_rate: int | None = 16_000
    batch_size: int = 1
    audio_input: bool = True
    text_output: bool = True
    speech_output: bool = False
    tools: bool = False

    def refusal(self, request: Request, language: str | None) -> str | None:
        """Why a request about a sample in this language cannot be put to the model; None if it can."""
        if self.languages is not None and language is not None and language not in self.languages:
            return f"does not take the language '{language}'"
        if request.audio and not self.audio_input:
            return "does not take audio"
        if request.tools and not self.tools:
            return "does not call tools"
        if request.output == "speech" and not self.speech_output:
            return "does not speak"
        if request.output == "text" and not self.text_output:
            return "does not write"
        return None


class ModelAdapter(ABC):
    """A model in this process, in any role: the system under test, a transcriber, a judge."""

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


class ServedModelAdapter(ABC):
    """A model behind a server, in any role. The engine keeps many requests under way at once, and repeats them.

    Attributes:
        limits: how hard the server may be pressed.
        prices: what its tokens cost, or None if nobody counts.
    """

    capabilities: Capabilities
    limits: Limits
    prices: Prices | None

    @abstractmethod
    async def answer(self, request: Request) -> Response:
        """Try once to have a request answered.

        Raises:
            TransientError: another attempt may succeed.
            PermanentError: the server will not answer this request.
            AudioError: a recording of the request cannot be read.
        """

    @abstractmethod
    def fingerprint(self) -> Mapping[str, Any]:
        """What decides this model's answers, as far as its caller can know it; see ``ModelAdapter``.

        Without the port of the server, and without anything secret: a cache and a run folder keep it.
        """

    def redact(self, text: str) -> str:
        """A text without what must stay secret, should a server have repeated it."""
        return text

    async def close(self) -> None:  # noqa: B027 - some hold no connections
        """Close connections."""


Model = ModelAdapter | ServedModelAdapter
