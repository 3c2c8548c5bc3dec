"""A model's card in the few words that a table has room for."""

from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.model_card import ModelCard

_MOST_LANGUAGES = 4


def abilities(card: ModelCard) -> str:
    """Return what a model can do beyond writing, such as ``hears, speaks``."""
    able = {"hears": card.hears, "speaks": card.speaks, "calls tools": card.tools}
    return ", ".join(what for what, can in able.items() if can)


def languages(card: ModelCard) -> str:
    """Return the codes of a model's languages, or how many they are; empty where they are not known."""
    if card.languages is None or card.languages == "any":
        return card.languages or ""
    return " ".join(card.languages) if len(card.languages) <= _MOST_LANGUAGES else str(len(card.languages))


def longest_audio(card: ModelCard) -> str:
    """Return how long one recording may be and what happens to a longer one, such as ``30 s, cuts``."""
    if card.longest_audio is None:
        return ""
    minutes, seconds = divmod(card.longest_audio, 60)
    length = f"{minutes:g} min" if minutes and not seconds else f"{card.longest_audio:g} s"
    return f"{length}, {card.beyond}" if card.beyond else length


def needs(card: ModelCard, settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a model needs: libraries, memory, a key.

    Args:
        card: of the model.
        settings: its configuration.
    """
    if card.unavailable:
        yield "answers made elsewhere"
    if extra := settings.get("extra"):
        yield f"[{extra}]"
    if card.gpu_memory is not None:
        yield f"{card.gpu_memory:g} GB of GPU memory"
    if variable := settings.get("api_key_variable"):
        yield str(variable)
