"""Prompt profiles: how a model family wants a kind of question asked. Data in ``configs/prompts/``, not code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.types import Message, Request

AUDIO_MARK = "{audio}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """How one kind of question is put.

    Attributes:
        system: the system message; empty for none.
        user: the user message; ``{audio}`` marks where the recordings go.
        language_hint: whether the model is told which language is spoken.
        generation: decoding settings.
    """

    system: str = ""
    user: str = AUDIO_MARK
    language_hint: bool = False
    generation: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_profile(cls, profile: Mapping[str, Any], kind: str) -> "Prompt":
        """The profile's entry for a kind of question, or the bare recording where the profile has none.

        Raises:
            ConfigurationError: the entry has a key that is not known.
        """
        entry = dict(profile.get(kind) or {})
        unknown = sorted(set(entry) - set(cls.__dataclass_fields__))
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise ConfigurationError(f"prompt profile, {kind}: unknown key '{unknown[0]}'; known keys are {known}")
        prompt = cls(**entry)
        if prompt.user.count(AUDIO_MARK) != 1:
            raise ConfigurationError(f"prompt profile, {kind}.user: {AUDIO_MARK} must stand in it exactly once")
        return prompt

    def request(self, audio: Sequence[Audio], *, language: str | None, task: str = "", sample_id: str = "") -> Request:
        """The request that puts this prompt about these recordings."""
        before, after = self.user.split(AUDIO_MARK)
        parts: tuple[str | Audio, ...] = (before, *audio, after)
        messages = [Message("user", tuple(part for part in parts if part))]
        if self.system:
            messages.insert(0, Message("system", (self.system,)))
        return Request(
            tuple(messages),
            language=language if self.language_hint else None,
            generation=self.generation,
            task=task,
            sample_id=sample_id,
        )
