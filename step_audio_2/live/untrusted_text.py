"""Texts that models, tools, users and files wrote, made such that a tokenizer, a file and a terminal can take them."""

import re

# Controls but line breaks (an escape sequence begins with one), and marks that turn the direction of writing.
_UNSAFE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def whole(text: str) -> str:
    r"""Return a text with every lone half of a surrogate pair replaced, which no tokenizer takes, nor a file in UTF-8.

    >>> whole("\ud83d\ude00 \ud83d")
    '😀 �'
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def printable(text: str) -> str:
    r"""Return a text with every control and direction mark spelled out, for a terminal that would obey it.

    >>> printable("\x1b[2J")
    '\\x1b[2J'
    """
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), whole(text))
