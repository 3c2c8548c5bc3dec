"""Decoding of chat checkpoints: always explicit, never by what a checkpoint's own generation_config.json says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.errors import ConfigurationError, first_line
from evalkit.hints import hint
from model_adapters.transformers.families import Family

# Many checkpoints of these families sample unless told otherwise, some with a penalty for repetition.
_USUAL: Mapping[str, Any] = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "max_new_tokens": 1024}
_SETTINGS = (
    *_USUAL,
    *("min_new_tokens", "temperature", "top_p", "top_k", "min_p", "length_penalty", "no_repeat_ngram_size", "stop"),
    "answer_after",
)
_OF_SAMPLING = ("temperature", "top_p", "top_k", "min_p")


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a request is decoded, and what is made of what was generated.

    Attributes:
        generation: arguments of transformers' ``GenerationConfig``.
        reading: arguments of the processor's ``decode``.
        stop: texts that end an answer, and do not belong to it.
        answer_after: a regular expression; what stands after its first match is the answer, and everything where there
            is none. For models that are asked to write a transcript before the translation.
    """

    generation: Mapping[str, Any]
    reading: Mapping[str, Any]
    stop: tuple[str, ...] = ()
    answer_after: re.Pattern[str] | None = None

    @property
    def samples(self) -> bool:
        """Whether answers are drawn, and several replies differ."""
        return bool(self.generation["do_sample"])

    def answer(self, text: str) -> str:
        """Return the answer in a generated text."""
        for stop in self.stop:
            text = text.partition(stop)[0]
        if self.answer_after is not None and (match := self.answer_after.search(text)):
            text = text[match.end() :]
        return text.strip()


def decoding_of(settings: Mapping[str, Any], family: Family) -> Decoding:
    """Return how to decode by a prompt profile's settings; greedy, one beam, where they say nothing else.

    A ``temperature`` above 0 samples, unless ``do_sample`` is false.

    Raises:
        ConfigurationError: a setting is not known, or cannot be.
    """
    known = (*_SETTINGS, *family.reading_settings)
    if unknown := next((name for name in settings if name not in known), None):
        raise ConfigurationError(
            f"'{unknown}' is no decoding setting of this model{hint(unknown, known)}; there are {', '.join(known)}"
        )
    wanted = {**_USUAL, **settings}
    reading = {**family.reading, **{name: wanted.pop(name) for name in family.reading_settings if name in wanted}}
    stop = wanted.pop("stop", ())
    if settings.get("do_sample") is None:
        wanted["do_sample"] = bool(wanted.get("temperature"))
    if not wanted["do_sample"] or wanted.get("temperature") == 0:
        wanted["do_sample"] = False
        for name in _OF_SAMPLING:
            wanted.pop(name, None)
    pattern = wanted.pop("answer_after", None)
    return Decoding(
        generation=wanted,
        reading=reading,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        answer_after=None if pattern is None else _compiled(pattern),
    )


def generation_config(decoding: Decoding, stop_ids: list[int], pad_id: int, audio_id: int | None) -> Any:
    """Return transformers' ``GenerationConfig``.

    Args:
        decoding: the settings.
        stop_ids: the tokens that end an answer.
        pad_id: the token that fills up a batch.
        audio_id: the token that stands for sound in a question, or None. It is no part of an answer, and a model that
            wrote it would look for sound where there is none.

    Raises:
        ConfigurationError: a setting is out of its range.
    """
    import transformers

    try:
        return transformers.GenerationConfig(
            **decoding.generation,
            eos_token_id=stop_ids,
            pad_token_id=pad_id,
            suppress_tokens=None if audio_id is None or audio_id in stop_ids else [audio_id],
        )
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the decoding settings cannot be: {first_line(error)}") from error


def _compiled(pattern: Any) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (TypeError, re.error) as error:
        raise ConfigurationError(f"answer_after: {pattern!r} is no regular expression ({error})") from error
