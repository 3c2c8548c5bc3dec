"""Cuts normalised text into the units that an error rate counts."""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh


def words(text: str) -> list[str]:
    """Return the words, as separated by white space."""
    return text.split()


def characters(text: str) -> str:
    """Return every character that is not white space (a string is the sequence of its characters)."""
    return "".join(text.split())


def mixed_tokens(text: str) -> list[str]:
    """Cut a text as sacreBLEU's ``zh`` tokenizer does: a Chinese character each, other scripts by word.

    ASCII punctuation is split off the words it touches. The ranges that count as Chinese are sacreBLEU's,
    the same in 1.5.1 (which Kimi-Audio-Evalkit pins) and in 2.6.0: they leave the rare characters beyond
    U+FFFF inside the word beside them.
    """
    tokens: str = _chinese_tokenizer()(text)
    return tokens.split()


def without_punctuation(tokens: Iterable[str]) -> list[str]:
    """Return the tokens that hold at least one character outside the Unicode punctuation categories (``P*``)."""
    return [token for token in tokens if any(unicodedata.category(character)[0] != "P" for character in token)]


@lru_cache(maxsize=1)
def _chinese_tokenizer() -> "TokenizerZh":
    from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

    return TokenizerZh()
