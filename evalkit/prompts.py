"""Prompt profiles: how a model family wants a kind of question asked. Data in ``configs/prompts/``, not code."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.types import Message, Request

AUDIO_MARK = "{audio}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """How one kind of question is put.

    ``{audio}`` in the user message marks where the recordings go. Other words in braces that a task offers, such as
    ``{question}``, are replaced wherever they stand.

    Attributes:
        system: the system message; empty for none.
        user: the user message.
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

    def request(
        self,
        content: Sequence[Audio | str],
        *,
        language: str | None,
        fields: Mapping[str, str] | None = None,
        history: Sequence[Message] = (),
        tools: Sequence[Mapping[str, Any]] = (),
        output: Literal["text", "speech"] = "text",
        task: str = "",
        sample_id: str = "",
    ) -> Request:
        """The request that puts this prompt.

        Args:
            content: what takes the place of ``{audio}``: recordings, or their words for a model that reads.
            language: spoken in the recordings; passed on if the profile wants the model told.
            fields: what takes the place of other words in braces, by word.
            history: earlier turns of the conversation, between the system message and this turn.
            tools: the functions that the model may call.
            output: whether the model is to write or to speak.
            task: where the request comes from.
            sample_id: where the request comes from.
        """
        before, after = (_filled(part, fields or {}) for part in self.user.split(AUDIO_MARK))
        parts: tuple[str | Audio, ...] = (before, *content, after)
        messages = [*history, Message("user", tuple(part for part in parts if part))]
        if self.system:
            messages.insert(0, Message("system", (_filled(self.system, fields or {}),)))
        return Request(
            tuple(messages),
            language=language if self.language_hint else None,
            generation=self.generation,
            tools=tuple(tools),
            output=output,
            task=task,
            sample_id=sample_id,
        )


def _filled(template: str, fields: Mapping[str, str]) -> str:
    """The template with its fields replaced at one go, so that no value is searched for further fields."""
    if not fields:
        return template
    pattern = "|".join(re.escape("{" + name + "}") for name in fields)
    return re.sub(pattern, lambda match: fields[match[0][1:-1]], template)
