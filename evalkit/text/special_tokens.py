"""The first step of the Qwen2-Audio, lmms-eval and Kimi-Audio-Evalkit scorers, in every language."""

import re

_SPECIAL_TOKEN = re.compile(r"<\|.*?\|>")
_WHITE_SPACE = re.compile(r"\s+")
_SPACE_BEFORE_PUNCTUATION = re.compile(r" ([!,.?;:])")


def remove_special_tokens(text: str) -> str:
    """Turn every model tag such as ``<|en|>`` into a space and tidy the white space.

    Runs of white space become one space, a space before ``! , . ? ; :`` goes, and so do leading spaces.
    Chinese scorers go on to delete all white space; that is left to them.
    """
    if "<|" in text:
        text = "\n".join([_without_special_tokens(line) for line in text.split("\n")])
    text = _WHITE_SPACE.sub(" ", text)
    return _SPACE_BEFORE_PUNCTUATION.sub(r"\1", text).lstrip(" ")


def _without_special_tokens(line: str) -> str:
    # A tag ends in its line. Behind the last end of one, each beginning would be followed to the end of the line.
    closed = line.rfind("|>") + 2
    return _SPECIAL_TOKEN.sub(" ", line[:closed]) + line[closed:]
