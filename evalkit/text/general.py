"""The default of every language without a module of its own: what is one word to its readers is one word.

Whisper's basic normaliser turns each combining mark into a space, so that हिन्दी or a pointed Hebrew word falls apart
into letters, and it knows no letter that Unicode holds in two ways. Here marks stay with their letters, optional points
are deleted where a script can be written with and without them, and the forms of one letter become one, language by
language; the choices are listed in docs/normalisation.md. What stands in ``[…]`` and ``<…>`` goes, as for Whisper;
words in parentheses stay, for they are read aloud.
"""

import re
import unicodedata
from functools import partial

from evalkit.text.basic import whisper_basic, whisper_letters
from evalkit.text.scheme import Scheme, Unit
from evalkit.text.units import characters, words
from evalkit.text.unspoken import remove_unspoken

# Scripts without spaces between words, in characters. Whisper counts Khmer and Tibetan in words all the same.
_IN_CHARACTERS = frozenset({"bo", "km", "lo", "my", "th"})
_IN_CHARACTERS_FOR_WHISPER = frozenset({"lo", "my", "th"})

_DOTLESS_I = frozenset({"az", "tr"})
_SPACED = "PSZ"  # categories that part words: punctuation, symbols, separators
_APOSTROPHES = "'’‘ʼʻʹ`´＇"
# Languages that spell a sound with an apostrophe: between letters it is a letter of the word.
_APOSTROPHE_IS_A_LETTER = frozenset({"be", "br", "haw", "uk", "uz"})
_LETTER_APOSTROPHE = re.compile(rf"(?<=[^\W\d_])[{_APOSTROPHES}](?=[^\W\d_])")
_ANY_APOSTROPHE = re.compile(f"[{_APOSTROPHES}]")

_REMARK = re.compile(r"\[[^\[\]]*+\]|<[^<>]*+>")

# Before anything else, as they hold joiners: the old spellings of what has become one character.
_SEQUENCES: dict[str, dict[str, str]] = {
    "bn": {"ত্\u200d": "ৎ"},
    "as": {"ত্\u200d": "ৎ"},
    "ml": {"ണ്\u200d": "ൺ", "ന്\u200d": "ൻ", "ര്\u200d": "ർ", "ല്\u200d": "ൽ", "ള്\u200d": "ൾ", "ക്\u200d": "ൿ"},
}
_ARABIC_POINTS = "\u0640" + "".join(map(chr, (*range(0x64B, 0x653), *range(0x656, 0x660), 0x670, *range(0x6D6, 0x6EE))))
_HEBREW_POINTS = "".join(map(chr, (*range(0x591, 0x5BE), 0x5BF, 0x5C1, 0x5C2, 0x5C4, 0x5C5, 0x5C7)))
_STRESS = "\u0300\u0301"
_PERSIAN = {"ي": "ی", "ى": "ی", "ك": "ک"}
_DIGRAPHS = {"װ": "וו", "ױ": "וי", "ײ": "יי"}
# After compatibility composition: forms of one letter, and optional points, which nothing replaces.
_FORMS: dict[str, dict[str, str]] = {
    "bg": dict.fromkeys(_STRESS, ""),
    "ckb": _PERSIAN,
    "fa": _PERSIAN | dict.fromkeys(_ARABIC_POINTS, ""),
    "fr": {"œ": "oe", "æ": "ae"},
    "he": _DIGRAPHS | dict.fromkeys(_HEBREW_POINTS, ""),
    "mk": dict.fromkeys(_STRESS, ""),
    "ps": {"ك": "ک"} | dict.fromkeys(_ARABIC_POINTS, ""),
    "ro": {"ş": "ș", "ţ": "ț"},
    "ru": {"ё": "е"} | dict.fromkeys(_STRESS, ""),
    "sd": dict.fromkeys(_ARABIC_POINTS, ""),
    "th": {"เเ": "แ"},
    "uk": dict.fromkeys(_STRESS, ""),
    "ur": _PERSIAN | {"ه": "ہ"} | dict.fromkeys(_ARABIC_POINTS, ""),
    "yi": _DIGRAPHS,
}
# Compatibility decomposition leaves the ring of Thai and Lao am behind the tone mark, hand-typed text before it.
_AM_IS_ONE_VOWEL = frozenset({"lo", "th"})
_AM = re.compile("([\u0e4d\u0ecd])([\u0e48-\u0e4b\u0ec8-\u0ecb])(?=[\u0e32\u0eb2])")
# The quotation mark inside a Hebrew abbreviation and the stroke after a Hebrew letter.
_GERSHAYIM = re.compile("(?<=[א-ת])[\"״”“'׳’‘]{1,2}(?=[א-ת])|(?<=[א-ת])[׳'’](?!\\w)")


class _Table(dict[int, str]):
    """A table for ``str.translate``: punctuation and symbols to spaces, digits of all scripts to ASCII."""

    def __missing__(self, code_point: int) -> str:
        character = chr(code_point)
        if unicodedata.category(character) == "Nd":
            self[code_point] = str(unicodedata.digit(character))
        else:
            self[code_point] = " " if unicodedata.category(character)[0] in _SPACED else character
        return self[code_point]


_TABLE = _Table()


def normalize_words(text: str, language: str) -> str:
    """Return the words of a text in lower case, parted by single spaces, in one spelling of each letter."""
    for old, new in _SEQUENCES.get(language, {}).items():
        text = text.replace(old, new)
    text = unicodedata.normalize("NFKC", _REMARK.sub(" ", remove_unspoken(text)))
    if language in _DOTLESS_I:
        text = text.replace("I", "ı").replace("İ", "i")
    text = unicodedata.normalize("NFKC", text.lower())
    if language == "he":
        text = _GERSHAYIM.sub("", text)
    apostrophe, replacement = (
        (_LETTER_APOSTROPHE, "ʼ") if language in _APOSTROPHE_IS_A_LETTER else (_ANY_APOSTROPHE, " ")
    )
    text = apostrophe.sub(replacement, text)
    # Parted again at the end, as a point that stood alone leaves nothing.
    return " ".join(_one_form_a_letter(" ".join(text.translate(_TABLE).split()), language).split())


def normalize_characters(text: str, language: str) -> str:
    """Return what ``normalize_words`` gives without its spaces."""
    return _one_form_a_letter(characters(normalize_words(text, language)), language)


def _one_form_a_letter(text: str, language: str) -> str:
    for old, new in _FORMS.get(language, {}).items():
        text = text.replace(old, new)
    if language in _AM_IS_ONE_VOWEL:
        text = _AM.sub(r"\2\1", text)
    return unicodedata.normalize("NFKC", text)


def schemes(language: str) -> dict[str, Scheme]:
    """Return the schemes of a language that has no module of its own."""
    in_characters = language in _IN_CHARACTERS
    normalize = partial(normalize_characters if in_characters else normalize_words, language=language)
    unit: Unit = "character" if in_characters else "word"
    units = characters if in_characters else words
    default = Scheme("default", language, 2, unit, normalize, units)
    raw = Scheme("raw", language, 1, unit, str, units)
    if language in _IN_CHARACTERS_FOR_WHISPER:
        whisper = Scheme("whisper", language, 1, "character", whisper_letters, words)
    else:
        whisper = Scheme("whisper", language, 1, "word", _keep_words, words)
    return {"default": default, "whisper": whisper, "raw": raw}


def _keep_words(text: str) -> str:
    return whisper_basic(text).strip()
