"""Untrusted text on its way to a terminal or a text file: what is not seen there is spelled out."""

import re
import unicodedata

# Controls (an escape sequence begins with one), marks that turn the direction of writing, separators of lines that are
# none in a text file, tags, and half characters, which no file in UTF-8 can hold.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_KEPT_BREAKS = re.compile(r"(\n)")


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return a text that models, servers or data wrote with every control and direction mark spelled out, as ``\x1b``.

    Args:
        text: whatever it holds.
        lines: keep line breaks.
    """
    if text.isprintable():
        return text
    if lines:
        return "".join(part if part == "\n" else printable(part) for part in _KEPT_BREAKS.split(text))
    return _UNSAFE.sub(lambda match: _spelled(match[0]), text)


def display_width(text: str) -> int:
    """Return how many columns of a terminal the text takes: two for a Chinese character, none for a combining mark."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def folded(text: str, width: int, *, indent: int = 0) -> list[str]:
    """Break a text into lines of a terminal, at spaces where there are any.

    Args:
        text: of one line.
        width: columns that no line exceeds.
        indent: by how much lines after the first are indented.
    """
    lines, line = [], ""
    for word in text.split():
        if line.strip() and display_width(line) + 1 + display_width(word) <= width:
            line += f" {word}"
            continue
        if line.strip():
            lines.append(line)
            line = " " * indent
        for character in word:
            if display_width(line + character) > width:
                lines.append(line)
                line = " " * indent
            line += character
    return [*lines, line] if line.strip() else lines


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
