"""Japanese, scored in characters: kanji against kana and numerals in different scripts stay different."""

import unicodedata

from evalkit.text.basic import whisper_basic
from evalkit.text.scheme import Scheme
from evalkit.text.units import characters, words

_IGNORED_CATEGORIES = "PSZ"  # punctuation, symbols, separators


def normalize_as_characters(text: str) -> str:
    """Fold full and half width and case; drop punctuation, symbols and white space; keep voicing marks."""
    text = unicodedata.normalize("NFKC", text).lower()
    return characters("".join([c for c in text if unicodedata.category(c)[0] not in _IGNORED_CATEGORIES]))


def split_letters(text: str) -> str:
    """Whisper's basic normaliser with a space between all letters, as the Whisper paper scores Japanese."""
    return whisper_basic(text, split_letters=True).strip()


SCHEMES = {
    "default": Scheme("default", "ja", 1, "character", normalize_as_characters, characters),
    "whisper": Scheme("whisper", "ja", 1, "character", split_letters, words),
    "raw": Scheme("raw", "ja", 1, "character", str, characters),
}
