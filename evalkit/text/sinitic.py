"""Wu and Min Nan as they are written in Chinese characters, scored in characters after conversion to simplified ones.

Corpora write these languages in the characters of Mandarin or in those that sound alike (侬 and 我 stay apart), and
models answer in simplified or traditional ones. Mandarin's readings of numbers and its rules for 儿 and 嗯 are not
theirs, so digits and particles are left as they are written. Min Nan in Latin letters is counted in letters.
"""

from evalkit.text.basic import whisper_basic, whisper_letters
from evalkit.text.chinese_spellings import simplify
from evalkit.text.scheme import Scheme
from evalkit.text.units import characters, words
from evalkit.text.unspoken import remove_unspoken


def normalize_as_characters(text: str) -> str:
    """Give simplified characters after Whisper's basic normaliser, without tags and white space."""
    return characters(simplify(whisper_basic(remove_unspoken(text))))


def schemes(language: str) -> dict[str, Scheme]:
    """Return the schemes of a language that is written in Chinese characters and has no module of its own."""
    return {
        "default": Scheme("default", language, 1, "character", normalize_as_characters, characters),
        "whisper": Scheme("whisper", language, 1, "character", whisper_letters, words),
        "raw": Scheme("raw", language, 1, "character", str, characters),
    }
