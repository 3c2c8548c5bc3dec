"""How wide text is in a terminal."""

import unicodedata


def display_width(text: str) -> int:
    """Columns that the text takes: two for a Chinese character, none for a combining mark."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
