"""Texts as they are searched: without case and marks, in one form of each letter."""

import unicodedata


def folded(text: str) -> str:
    """Return a text in which the pages search, who fold what is searched for in the same way.

    >>> folded("Ça va, ＡＢＣ?")
    'ca va, abc?'
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(each for each in decomposed if not unicodedata.category(each).startswith("M")).lower()
