"""From what a model writes to what a voice is to say: words without Markdown, tags and pictures."""

from collections.abc import Iterable
from typing import Any

import regex

from evalkit.text.unspoken import remove_unspoken

_PICTURE = regex.compile(r"\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|\u20e3")
_SPACES = regex.compile(r"[^\S\n]+")
# Between Chinese characters CommonMark leaves some marks of bold type unread, such as in **是。**好.
_MARKS_LEFT = regex.compile(r"\*\*|(?<!\w)__|__(?!\w)")
_LINE_BREAKS = ("softbreak", "hardbreak")
_VERBATIM = ("fence", "code_block")


def speakable(text: str) -> str:
    r"""Return the words of a text in Markdown, a line for each paragraph, item, heading or cell.

    The numbers of lists stay, as they may be the answer; links keep their words alone, code is said as it stands.

    >>> speakable("# Answer\n\nIt is **42** [1](https://a.b) 😀")
    'Answer\nIt is 42 1'
    """
    from markdown_it import MarkdownIt

    # Without HTML: in Markdown, a block of it is left out, words and all.
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    lines: list[str] = []
    number = ""
    for token in parser.parse(text):
        if token.type == "list_item_open" and token.info:
            number = f"{token.info}{token.markup} "
        elif token.type == "list_item_close" and number:
            lines.append(number)  # an item without words, as a reply such as "42." is read
            number = ""
        elif token.type == "inline" or token.type in _VERBATIM:
            words = token.content if token.type in _VERBATIM else _words(token.children or ())
            lines.append(number + words)
            number = ""
    said = _PICTURE.sub(" ", remove_unspoken(_MARKS_LEFT.sub("", "\n".join(lines))))
    return "\n".join(line for each in said.splitlines() if (line := _SPACES.sub(" ", each).strip()))


def _words(tokens: Iterable[Any]) -> str:
    return "".join(" " if token.type in _LINE_BREAKS else token.content for token in tokens)
