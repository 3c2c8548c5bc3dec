"""Close matches for mistyped names."""

from collections.abc import Iterable
from difflib import get_close_matches


def hint(word: str, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the known word nearest to a mistyped one, else nothing."""
    matches = get_close_matches(word, list(known), n=1)
    return f", did you mean '{matches[0]}'?" if matches else ""
