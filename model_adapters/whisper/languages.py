"""Which languages a Whisper checkpoint can be asked to transcribe, and under which of its language tokens.

Cantonese got a token of its own in large-v3; no checkpoint has one for Wu or Min Nan. The smaller checkpoints do
transcribe such speech, under the token for Chinese, so they are asked that way and scored on what they write: an
error rate that is high says more than a skipped sample.
"""

from collections.abc import Iterable

_WRITTEN_AS_CHINESE = frozenset({"nan", "wuu", "yue"})


def understood_languages(tokens: Iterable[str]) -> frozenset[str]:
    """Return the language codes a checkpoint with these language tokens can be asked in."""
    known = frozenset(tokens)
    return known | _WRITTEN_AS_CHINESE if "zh" in known else known


def language_token(language: str | None, tokens: Iterable[str]) -> str | None:
    """Return the token under which to transcribe a language; None, which lets the model detect it, for None."""
    return "zh" if language in _WRITTEN_AS_CHINESE.difference(tokens) else language
