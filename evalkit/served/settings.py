"""What the configuration of a served model may say about how to call it, and what calls cost."""

from dataclasses import dataclass, fields
from typing import Any

from evalkit.errors import ConfigurationError
from evalkit.types import Usage

_PER = 1_000_000


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
        requests_per_minute, tokens_per_minute: what the server's operator allows, or None.
        deadline: seconds within which one attempt must have its whole answer.
        attempts: how often a request is tried before it counts as failed. Attempts that find the server busy
            (429, 503) are not counted, nor those that find it away, unless it answers others at the same time: they
            say nothing about the request. Those that miss the deadline are.
        patience: seconds without a single answer after which a server counts as away and the run stops.
    """

    concurrency: int = 32
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    deadline: float = 300.0
    attempts: int = 8
    patience: float = 1800.0

    def __post_init__(self) -> None:
        check_numbers("limits", self, above_zero=True)


@dataclass(frozen=True, slots=True)
class Prices:
    """A price table: units of money for a million tokens, or for a minute of audio.

    Attributes:
        input, output: of text tokens.
        input_audio, output_audio: of audio tokens; the price of text where None.
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
        """What the counted tokens and seconds cost."""
        input_audio = self.input if self.input_audio is None else self.input_audio
        output_audio = self.output if self.output_audio is None else self.output_audio
        millionths = (
            (usage.input_tokens - usage.input_audio_tokens) * self.input
            + usage.input_audio_tokens * input_audio
            + (usage.output_tokens - usage.output_audio_tokens) * self.output
            + usage.output_audio_tokens * output_audio
        )
        return millionths / _PER + usage.audio_seconds / 60 * self.audio_minute
