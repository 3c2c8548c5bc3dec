"""evalkit's own normaliser for Mandarin: what is said alike is written alike, and nothing else is changed."""

import re
import unicodedata

from evalkit.text.chinese_read_aloud import read_aloud
from evalkit.text.chinese_spellings import simplify, unify_spellings
from evalkit.text.unspoken import remove_unspoken

# Text in which nothing has to be folded or read aloud; the detour for the rest costs several times as much.
_PLAIN = re.compile("[一-鿿A-Za-z \n，。！？、；：…“”‘’《》]*")
_READ_ALOUD = re.compile("[0-9+=×÷]")
# What runs into the number before it once compatibility forms are resolved: 1½ is not 11/2, 10² not 102, ①② not 12.
_FRACTION_OF_ONE_CHARACTER = re.compile("(?<=[0-9０-９])(?=[¼-¾⅐-⅞])")
_POWER = re.compile("(?<=[0-9０-９])[²³]")
_POWER_WORD = {"²": "的平方", "³": "的立方"}
_NUMBER_IN_CIRCLE = re.compile("[①-⒛⓪-⓿❶-➓]")
_UNSPOKEN = re.compile(r"[\W_]+")


def normalize_mandarin(text: str) -> str:
    """Normalise Mandarin, with words of other scripts in it, to the characters of what is said.

    Full-width forms, letter case and traditional characters are folded, numbers are written as they are read,
    erhua and hesitations are dropped, variants of one word are unified, punctuation, symbols and white space
    removed. The rules and their reasons are in docs/normalisation_chinese.md.
    """
    if _PLAIN.fullmatch(text):
        text = simplify(text.lower())
    else:
        text = _hold_apart(remove_unspoken(text))
        text = simplify(unicodedata.normalize("NFKC", text).lower())
        if _READ_ALOUD.search(text):
            text = read_aloud(text)
    return unify_spellings(_UNSPOKEN.sub("", text))


def _hold_apart(text: str) -> str:
    text = _FRACTION_OF_ONE_CHARACTER.sub("又", text)
    text = _POWER.sub(lambda power: _POWER_WORD[power[0]], text)
    return _NUMBER_IN_CIRCLE.sub(r"，\g<0>，", text)
