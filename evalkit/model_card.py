"""What people want to know of a model before they run it: the block ``card:`` of its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Literal, Self

from evalkit.arguments import check_arguments
from evalkit.errors import ConfigurationError
from evalkit.hints import hint


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Facts about a model for people to choose by; they decide nothing about a run.

    Attributes:
        hears: whether it takes recordings.
        speaks: whether it can answer by speech.
        tools: whether it can be given functions to call.
        languages: codes of those it was made for; ``any`` where its makers name no bounds; None: not known.
        longest_audio: seconds that one recording may have; None: no bound is known.
        beyond: what happens to a longer one: it is cut, split into pieces, or refused.
        weights: of a local model, their name on the Hugging Face hub, or where else they come from.
        gpu_memory: gigabytes that the weights take in their usual precision.
        licence: of the weights, or of the service.
        ends: the day on which its service ends, or ended.
        successor: the configuration to use in its place.
        prompts: where the wordings of its prompt profile come from.
        tried: what was tried of it, and how.
        untried: what could not be tried, and why.
        unavailable: why nobody can run it.
    """

    hears: bool = True
    speaks: bool = False
    tools: bool = False
    languages: Literal["any"] | list[str] | None = None
    longest_audio: float | None = None
    beyond: Literal["cuts", "splits", "refuses"] | None = None
    weights: str = ""
    gpu_memory: float | None = None
    licence: str = ""
    ends: date | None = None
    successor: str = ""
    prompts: str = ""
    tried: str = ""
    untried: str = ""
    unavailable: str = ""

    @classmethod
    def from_settings(cls, card: Any, section: str) -> Self:
        """Read a card; where a configuration has none, all is as usual.

        Args:
            card: what the configuration holds under ``card``.
            section: what to call it in messages, such as ``model.card``.

        Raises:
            ConfigurationError: the card has a key that no card has, or a value of another kind.
        """
        if card is None:
            return cls()
        if not isinstance(card, Mapping):
            raise ConfigurationError(f"{section}: {card!r} must be a mapping")
        known = [each.name for each in fields(cls)]
        for key in card:
            if key not in known:
                raise ConfigurationError(f"{section}: no card has '{key}'{hint(str(key), known)}")
        facts = {key: value for key, value in card.items() if value is not None}
        if "ends" in facts:
            facts["ends"] = _day(facts["ends"], f"{section}.ends")
        check_arguments(cls, {key: value for key, value in facts.items() if key != "ends"}, section)
        return cls(**facts)

    def ended(self, today: date) -> bool:
        """Tell whether the service has ended by a day."""
        return self.ends is not None and self.ends <= today

    def ending(self, today: date, *, soon: int = 0) -> str:
        """Return what is to be said of the end of the service; empty where it is not known, or further off.

        Args:
            today: the day.
            soon: days before the end from which on it is spoken of.
        """
        if self.ends is None or (self.ends - today).days > soon:
            return ""
        ended = self.ended(today)
        left = "" if ended else f", in {(self.ends - today).days} days"
        instead = f"; use model={self.successor}{'' if ended else ' afterwards'}" if self.successor else ""
        return f"its service {'ended' if ended else 'ends'} on {self.ends}{left}{instead}"


def _day(value: Any, setting: str) -> date:
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise ConfigurationError(f"{setting}: {value!r} must be a day, such as 2027-02-26") from None
