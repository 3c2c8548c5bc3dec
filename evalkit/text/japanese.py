"""Japanese, scored in characters: kanji against kana and numerals in different scripts stay different.

So do old and new forms of kanji (國 and 国): names are told apart by them (齋藤, 斎藤). Unicode's compatibility forms
of one character become one, as do full and half width and both ways to write a voicing mark.
"""

import unicodedata

from evalkit.text.basic import whisper_letters
from evalkit.text.scheme import Scheme
from evalkit.text.units import characters, words
from evalkit.text.unspoken import remove_unspoken

_VOICING = str.maketrans({"\u309b": "\u3099", "\u309c": "\u309a"})
# Punctuation, symbols, separators, and marks that enclose what they follow, as in the keycap 1️⃣.
_DROPPED = frozenset({"Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zl", "Zp", "Zs", "Me"})


def normalize_as_characters(text: str) -> str:
    """Fold full and half width and case; drop tags, punctuation, symbols and white space; keep voicing marks."""
    text = unicodedata.normalize("NFKC", remove_unspoken(text).translate(_VOICING)).lower()
    text = characters("".join([c for c in text if unicodedata.category(c) not in _DROPPED]))
    return unicodedata.normalize("NFKC", text)


SCHEMES = {
    "default": Scheme("default", "ja", 2, "character", normalize_as_characters, characters),
    "whisper": Scheme("whisper", "ja", 1, "character", whisper_letters, words),
    "raw": Scheme("raw", "ja", 1, "character", str, characters),
}
