"""Untrusted text in Markdown: one line that makes no table column, link, image, heading or HTML."""

import re

from evalkit.printable import printable

# An underscore between letters is no emphasis; brackets are no link unless a target follows them. What looks like the
# address of a page or of a person would be made a link without any brackets.
_SPECIAL = re.compile(
    r"[\\`*|~$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])|:(?=//)|(?<=www)\.|(?<=\w)@(?=\w)", re.IGNORECASE
)
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def escaped(text: str) -> str:
    """Return the text as Markdown shows it unchanged, in one line."""
    return _SPECIAL.sub(r"\\\g<0>", printable(" ".join(text.split())).translate(_ENTITIES))


def clipped(text: str, most: int = 400) -> str:
    """Return the beginning of a text that is too long to be shown, with a word about the rest."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
