"""Which languages a Whisper checkpoint can be asked to transcribe, and under which of its language tokens.

Cantonese got a token of its own in large-v3; no checkpoint has one for Wu or Min Nan. The smaller checkpoints do
transcribe such speech, under the token for Chinese, so they are asked that way and scored on what they write: an
error rate that is high says more than a skipped sample.
"""

from collections.abc import Iterable

from evalkit.errors import ConfigurationError
from evalkit.text import resolve_language

_WRITTEN_AS_CHINESE = frozenset({"nan", "wuu", "yue"})


def understood_languages(tokens: Iterable[str]) -> frozenset[str]:
    """Return the language codes a checkpoint with these language tokens can be asked in."""
    known = frozenset(tokens)
    return known | _WRITTEN_AS_CHINESE if "zh" in known else known


def language_token(language: str | None, tokens: Iterable[str]) -> str | None:
    """Return the token under which to transcribe a language; None, which lets the model detect it, for None.

    Args:
        language: any code or name of it, as a data set has it.
        tokens: codes of the languages that the checkpoint has a token for.
    """
    if language is None:
        return None
    try:
        code = resolve_language(language)
    except ConfigurationError:
        return language  # which the model refuses by name
    return "zh" if code in _WRITTEN_AS_CHINESE.difference(tokens) else code
