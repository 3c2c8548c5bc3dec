"""What calls cost by the price tables, roughly, where nothing was asked yet."""

from evalkit.adapter import Prices
from evalkit.inference.endpoint import ModelSpec
from evalkit.run.rehearsal import SPOKEN_SECONDS, Load
from evalkit.types import Usage

TOKENS_HEARD = 10
"""Tokens that a second of audio is taken to be to a model that hears it, as OpenAI counts them."""

TOKENS_SPOKEN = 20
"""Tokens that a second of speech is taken to be to a model that speaks it, likewise."""

TOKENS_WRITTEN = 60
"""Tokens that an answer is taken to be in writing."""

ASSUMPTIONS = (
    f"1 token for 4 letters or 1 Chinese character, {TOKENS_HEARD} for a second heard, {TOKENS_WRITTEN} for an answer "
    f"in writing, and {SPOKEN_SECONDS:g} seconds of {TOKENS_SPOKEN} for one in speech"
)


def rough_usage(load: Load) -> Usage:
    """Return about what a load will be counted as by a server; ``ASSUMPTIONS`` says how."""
    heard = round(load.audio_seconds * TOKENS_HEARD)
    spoken = round(load.spoken * SPOKEN_SECONDS * TOKENS_SPOKEN)
    return Usage(
        requests=round(load.calls),
        input_tokens=round(load.text_tokens) + heard,
        output_tokens=round(load.replies * TOKENS_WRITTEN) + spoken,
        input_audio_tokens=heard,
        output_audio_tokens=spoken,
        audio_seconds=load.audio_seconds,
    )


def price_of(spec: ModelSpec, usage: Usage) -> float | None:
    """Return what usage costs by the price table of a model's configuration; None if it has none.

    Raises:
        ConfigurationError: the price table holds what is no price.
    """
    prices = spec.config.get("prices")
    return None if prices is None else Prices(**prices).cost(usage)
