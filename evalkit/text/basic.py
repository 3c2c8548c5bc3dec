"""The language-independent normaliser of the Whisper paper (appendix C), used for every language but English.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022. The outputs are those of
``BasicTextNormalizer`` in openai-whisper 20250625; the work per character is done by ``str.translate`` with
tables that fill themselves as characters are met.
"""

import re
import unicodedata

import regex

_ANGLE_OR_SQUARE_BRACKETS = re.compile(r"[<\[][^>\]]*[>\]]")
_PARENTHESES = re.compile(r"\([^)]+\)")
_GRAPHEME = regex.compile(r"\X")
_WHITE_SPACE = re.compile(r"\s+")

# Letters that compatibility decomposition leaves whole although a reader sees a plain letter with a mark.
_UNDECOMPOSED = {
    "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "ß": "ss", "ẞ": "SS", "đ": "d", "Đ": "D",
    "ð": "d", "Ð": "D", "þ": "th", "Þ": "th", "ł": "l", "Ł": "L",
}  # fmt: skip


class SymbolTable(dict[int, str]):
    """A table for ``str.translate`` that turns marks, symbols and punctuation into spaces.

    Args:
        keep: characters left as they are whatever their category.
        remove_diacritics: delete combining marks (category Mn) instead of spacing them, and write ``ø`` as ``o``.
    """

    def __init__(self, *, keep: str = "", remove_diacritics: bool = False) -> None:
        super().__init__((ord(character), character) for character in keep)
        self._remove_diacritics = remove_diacritics

    def __missing__(self, code_point: int) -> str:
        character = chr(code_point)
        category = unicodedata.category(character)
        if self._remove_diacritics and (character in _UNDECOMPOSED or category == "Mn"):
            replacement = _UNDECOMPOSED.get(character, "")
        else:
            replacement = " " if category[0] in "MSP" else character
        self[code_point] = replacement
        return replacement


_SPACED_MARKS = SymbolTable()
_DELETED_MARKS = SymbolTable(remove_diacritics=True)


def remove_bracketed(text: str) -> str:
    """Delete ``<…>`` and ``[…]``, then ``(…)``, with what they enclose: transcribers' remarks, not speech.

    Nothing is sought behind the last closing bracket, where each opening one would be followed to the end of the text.
    """
    if "<" in text or "[" in text:
        closed = max(text.rfind(">"), text.rfind("]")) + 1
        text = _ANGLE_OR_SQUARE_BRACKETS.sub("", text[:closed]) + text[closed:]
    if "(" in text:
        closed = text.rfind(")") + 1
        text = _PARENTHESES.sub("", text[:closed]) + text[closed:]
    return text


def whisper_basic(text: str, *, remove_diacritics: bool = False, split_letters: bool = False) -> str:
    """Normalise as Whisper does for languages other than English.

    Lower case; bracketed remarks deleted; marks, symbols and punctuation turned into spaces; white space
    collapsed. A space at either end is kept as one space, as the original does.

    Args:
        text: any text.
        remove_diacritics: delete combining marks after NFKD instead of spacing them after NFKC, so that a
            vowelled Arabic word stays one word.
        split_letters: put a space between all grapheme clusters, so that words become characters: for
            languages written without spaces.
    """
    text = remove_bracketed(text.lower())
    if remove_diacritics:
        text = unicodedata.normalize("NFKD", text).translate(_DELETED_MARKS)
    else:
        text = unicodedata.normalize("NFKC", text).translate(_SPACED_MARKS)
    text = text.lower()
    if split_letters:
        text = " ".join(_GRAPHEME.findall(text))
    return _WHITE_SPACE.sub(" ", text)


def whisper_letters(text: str) -> str:
    """Give Whisper's basic normalisation with a space between all letters, for languages written without spaces."""
    return whisper_basic(text, split_letters=True).strip()
