"""Small repairs of transcripts as corpora write them."""

import re

# White space that does not stand between two letters or digits of a script written with spaces.
_NEEDLESS_SPACE = re.compile(r"(?<![0-9A-Za-zÀ-ɏ])\s+|\s+(?![0-9A-Za-zÀ-ɏ])")


def join_characters(text: str) -> str:
    """Close up Chinese or Japanese text that is written with spaces between words.

    Spaces between Latin words stay.

    >>> join_characters("我 喜欢 hip hop 音乐")
    '我喜欢hip hop音乐'
    """
    return _NEEDLESS_SPACE.sub("", text)
