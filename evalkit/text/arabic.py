"""Arabic, scored in words separated by white space.

Whisper's basic normaliser turns every vowel sign into a space, so that a vowelled reference falls apart into
letters. The default deletes the signs (and with them the hamza and madda of alef, waw and ya) instead, after what
nobody says or sees, and writes the Persian forms of kaf and ya as the Arabic ones; it unifies neither other spellings
(ta marbuta, alef maqsura, tatweel) nor Arabic-Indic with Western digits.
"""

from evalkit.text.basic import whisper_basic
from evalkit.text.scheme import Scheme
from evalkit.text.special_tokens import remove_special_tokens
from evalkit.text.units import without_punctuation, words
from evalkit.text.unspoken import remove_unspoken

_LETTERS = str.maketrans({"ک": "ك", "ی": "ي"})


def normalize_without_vowel_signs(text: str) -> str:
    """Give what Whisper's basic normaliser leaves of speech, with combining marks deleted."""
    return whisper_basic(remove_unspoken(text), remove_diacritics=True).translate(_LETTERS).strip()


def normalize_like_whisper(text: str) -> str:
    """Give what Whisper's basic normaliser gives."""
    return whisper_basic(text).strip()


def normalize_like_kimi_audio(text: str) -> str:
    """Give what Kimi-Audio-Evalkit counts: the words that Whisper's basic normaliser leaves."""
    return " ".join(without_punctuation(words(whisper_basic(remove_special_tokens(text))))).lower()


SCHEMES = {
    "default": Scheme("default", "ar", 2, "word", normalize_without_vowel_signs, words),
    "whisper": Scheme("whisper", "ar", 1, "word", normalize_like_whisper, words),
    "kimi_audio": Scheme("kimi_audio", "ar", 1, "word", normalize_like_kimi_audio, words),
    "raw": Scheme("raw", "ar", 1, "word", str, words),
}
