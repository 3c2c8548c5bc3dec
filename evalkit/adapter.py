"""The one interface behind which every model stands, whatever role it plays in a run."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.redaction import redacted_text
from evalkit.text import resolve_language
from evalkit.types import Request, Response, Usage

SERVER_SAYS = "server_says"
"""Where the fingerprint of a served model holds what its server says of itself, at one time and not at another."""

Beyond = Literal["cuts", "splits", "refuses"]
"""What becomes of a recording that is longer than a model takes at once."""

_PER = 1_000_000
_CHARACTERS_A_TOKEN = 4
_TOKENS_A_SECOND = 25


def check_numbers(section: str, settings: Any, *, above_zero: bool = False) -> None:
    """Refuse settings that are no numbers, or too small, or not whole where they count something.

    Args:
        section: of the configuration that they stand in, for messages.
        settings: a dataclass whose fields are all numbers; one may be None where that is its usual value.
        above_zero: whether 0 is too small.

    Raises:
        ConfigurationError: names the first that cannot be.
    """
    for setting in fields(settings):
        value: Any = getattr(settings, setting.name)
        if value is None and setting.default is None:
            continue
        where = f"{section}.{setting.name} is {value!r}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigurationError(f"{where}; it must be a number")
        if not (value > 0 if above_zero else value >= 0):
            raise ConfigurationError(f"{where}; it {'must be more than 0' if above_zero else 'cannot be negative'}")
        if setting.type in (int, int | None) and value % 1 != 0:
            raise ConfigurationError(f"{where}; it must be a whole number")


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard a server may be pressed, and how patient its caller is.

    Attributes:
        concurrency: the most requests at once; fewer are used while the server shows that it is overloaded.
        requests_per_minute: how many the server's operator allows, or None for no limit.
        tokens_per_minute: how many the server's operator allows, or None for no limit.
        deadline: seconds within which one attempt must have its whole answer.
        attempts: how often a request is tried before it counts as failed. Attempts that find the server busy
            (429, 503) are not counted, nor those that find it away, unless it answers others at the same time: they
            say nothing about the request. Those that miss the deadline are.
        patience: seconds without a single answer after which a server counts as away and the run stops.
        answer_bytes: the most that one answer may hold, once decompressed; a longer one fails.
    """

    concurrency: int = 32
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    deadline: float = 300.0
    attempts: int = 8
    patience: float = 1800.0
    answer_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        check_numbers("limits", self, above_zero=True)


@dataclass(frozen=True, slots=True)
class Prices:
    """A price table: units of money for a million tokens, or for a minute of audio.

    Attributes:
        input: of text tokens that the model reads.
        output: of text tokens that it writes.
        input_audio: of audio tokens that it reads; None for the price of text.
        output_audio: of audio tokens that it makes; None for the price of text.
        audio_minute: of audio that the server bills by its length.
    """

    input: float = 0.0
    output: float = 0.0
    input_audio: float | None = None
    output_audio: float | None = None
    audio_minute: float = 0.0

    def __post_init__(self) -> None:
        check_numbers("prices", self)

    def cost(self, usage: Usage) -> float:
        """Return what the counted tokens and seconds cost."""
        input_audio = self.input if self.input_audio is None else self.input_audio
        output_audio = self.output if self.output_audio is None else self.output_audio
        millionths = (
            (usage.input_tokens - usage.input_audio_tokens) * self.input
            + usage.input_audio_tokens * input_audio
            + (usage.output_tokens - usage.output_audio_tokens) * self.output
            + usage.output_audio_tokens * output_audio
        )
        return millionths / _PER + usage.audio_seconds / 60 * self.audio_minute


@dataclass(frozen=True, slots=True)
class Listing:
    """What a server's list of models says of one of them.

    Attributes:
        listed: whether it is there.
        ends: the day on which its service ends, as the server writes it; empty where it says none.
        others: some of the models that are there.
    """

    listed: bool
    ends: str = ""
    others: tuple[str, ...] = ()


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
        longest_audio: seconds of one recording that it takes, or None where no limit is known. The engine sees to it
            that none is longer.
        beyond: what becomes of a longer recording: ``cuts``: only its beginning is put to the model; ``splits``: it is
            put to the model in pieces, divided where it is quiet, and the texts are joined, which is right for
            recognition and nothing else; ``refuses``: the call fails, as one of the kind ``too_long``.

    Raises:
        ConfigurationError: ``sample_rate``, ``batch_size``, ``longest_audio`` or ``beyond`` cannot be.
    """

    languages: frozenset[str] | None = None
    sample_rate: int | None = 16_000
    batch_size: int = 1
    audio_input: bool = True
    text_output: bool = True
    speech_output: bool = False
    tools: bool = False
    longest_audio: float | None = None
    beyond: Beyond = "refuses"

    def __post_init__(self) -> None:
        for name, count in (("sample_rate", self.sample_rate), ("batch_size", self.batch_size)):
            if count is None and name == "sample_rate":
                continue
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ConfigurationError(f"{name} is {count!r}; it must be a whole number, at least 1")
        if self.longest_audio is not None and not self.longest_audio > 0:
            raise ConfigurationError(f"longest_audio is {self.longest_audio!r}; it must be more than 0, or null")
        if self.beyond not in get_args(Beyond):
            raise ConfigurationError(f"beyond: '{self.beyond}' must be {', '.join(get_args(Beyond)[:-1])} or refuses")

    def refusal(self, request: Request, language: str | None) -> str | None:
        """Return why a request about a sample in this language cannot be put to the model; None if it can."""
        if self.languages is not None and language is not None and not self._knows(language):
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

    def _knows(self, language: str) -> bool:
        known = self.languages or frozenset()
        if language in known:
            return True
        try:
            return resolve_language(language) in known
        except ConfigurationError:
            return False


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of the device on which a model works, in bytes.

    Attributes:
        resting: held while the model does nothing, as by its weights.
        peak: the most that was held since it was last asked for.
        capacity: the most that can be held.

    Raises:
        ConfigurationError: one of them is no whole number, or negative.
    """

    resting: int
    peak: int
    capacity: int

    def __post_init__(self) -> None:
        check_numbers("device_memory", self)


class ModelAdapter(ABC):
    """A model in this process, in any role: the system under test, a transcriber, a judge.

    Attributes:
        capabilities: what it can be asked; the usual ones where an adapter says none.
    """

    capabilities: Capabilities = Capabilities()

    @abstractmethod
    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer the requests: one response per request, in their order.

        A request that cannot be answered gets a response with an ``error``, or the whole batch may raise: the
        executor then retries its members one by one, so that one bad sample costs no other its answer.
        ``ConfigurationError`` alone stops the run.
        """

    @abstractmethod
    def fingerprint(self) -> Mapping[str, Any]:
        """Return what decides this model's answers (weights, version, decoding settings), as JSON values.

        A run folder keeps it, and refuses to be continued by a model with another one.
        """

    def cost(self, request: Request) -> float:
        """Return how much room a request takes in a batch, in seconds of audio, 0 or more; its recordings are decoded.

        Requests of like cost share a batch, the more of them the less they cost. Here it is the seconds of its
        recordings, and what its texts and the longest answer that it allows come to, if a token has four characters
        and a second of audio is worth 25 tokens. To be overridden where a family knows better.
        """
        parts = [part for message in request.messages for part in message.content]
        audio = sum(part.duration or 0.0 for part in parts if isinstance(part, Audio))
        read = sum(len(part) for part in parts if isinstance(part, str)) / _CHARACTERS_A_TOKEN
        written = request.generation.get("max_new_tokens")
        return audio + (read + (written if isinstance(written, int) else 0)) / _TOKENS_A_SECOND

    def device_memory(self) -> Memory | None:
        """Return the memory of the model's device and what its work took of it since the last call, or None.

        Asked for after each batch. Where it is told, and nobody set the size of batches, they grow up to what the
        device holds, as long as that makes them faster.
        """
        return None

    def release_memory(self) -> None:  # noqa: B027 - most hold nothing back
        """Give back what a batch left behind that memory ran out at: what a library keeps for later."""

    def close(self) -> None:  # noqa: B027 - most models hold nothing that outlives them
        """Free what the model holds: memory, processes, connections."""


class ContinuousModelAdapter(ModelAdapter):
    """A model of this process that takes the next request as soon as it has room, while others are still under way.

    An answer that is short need not wait for the longest of its batch; ``generate`` stays for a batch by itself.

    Attributes:
        is_continuous: whether it is to be asked so, as it is set up; otherwise it gets batches like any other.
    """

    is_continuous: bool = True

    @abstractmethod
    def generate_each(self, requests: Iterator[Request]) -> Iterator[tuple[int, Response]]:
        """Answer requests as they come, each as soon as it is done.

        At most ``capabilities.batch_size`` are under way at once; the next request is pulled only when there is room
        for it, and pulling may wait. What it raises fails the requests that are under way, and no others: the executor
        asks those again, as batches. Once it has raised or ended, it pulls no more.

        Args:
            requests: as many as there are; the end of it ends the answers.

        Yields:
            The position of a request in the order in which it was pulled, from 0, and its response.
        """


class ServedModelAdapter(ABC):
    """A model behind a server, in any role. The engine keeps many requests under way at once, and repeats them.

    Attributes:
        capabilities: what it can be asked; recordings go to the server as they are, unless an adapter says otherwise.
        limits: how hard the server may be pressed.
        prices: what its tokens cost, or None if nobody counts.
        secrets: what must not be kept should a server repeat it, such as the key; cut out of every answer and message.
    """

    capabilities: Capabilities = Capabilities(sample_rate=None)
    limits: Limits = Limits()
    prices: Prices | None = None
    secrets: tuple[str, ...] = ()

    @abstractmethod
    async def answer(self, request: Request) -> Response:
        """Try once to have a request answered.

        Raises:
            TransientError: another attempt may succeed.
            PermanentError: the server will not answer this request.
            RejectedError: it will answer none: the key is wrong, or there is no such model.
            AudioError: a recording of the request cannot be read.
        """

    @abstractmethod
    def fingerprint(self) -> Mapping[str, Any]:
        """Return what decides this model's answers, as far as its caller can know it; see ``ModelAdapter``.

        With the address of the server, port included: two servers on one machine may hold two checkpoints under one
        name. Without anything secret: a cache and a run folder keep it.
        """

    def check_settings(self, request: Request) -> None:  # noqa: B027 - some take whatever they are given
        """Refuse a request by its decoding settings alone, before anything is asked.

        Raises:
            ConfigurationError: the server's protocol does not have one of them.
        """

    async def identify(self) -> Mapping[str, Any]:
        """Ask the server what it says of itself, as JSON values; empty where it says nothing.

        A run folder keeps it beside the fingerprint, and refuses to be continued where what was said before is said
        otherwise; what is said for the first time, or no longer, is no contradiction.

        Raises:
            RejectedError: the server turns the caller away.
        """
        return {}

    async def listing(self) -> Listing | None:
        """Ask the server's list of models for this one; None where there is no list, or none of a known form.

        Raises:
            RejectedError: the server turns the caller away.
            TransientError, PermanentError: there is no answer.
        """
        return None

    def redact(self, text: str) -> str:
        """Return a text without the secrets, should a server have repeated one."""
        return redacted_text(text, self.secrets)

    async def close(self) -> None:  # noqa: B027 - some hold no connections
        """Close connections."""


Model = ModelAdapter | ServedModelAdapter
