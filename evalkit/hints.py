"""What to do about it: close matches for mistyped names, and the command that installs what is missing."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

DISTRIBUTION = "speech-evalkit"
"""What the index of packages calls evalkit; the plain name is another project's there."""


def hint(word: str, known: Iterable[str]) -> str:
    """``, did you mean 'x'?`` for the known word nearest to a mistyped one, else nothing."""
    matches = get_close_matches(word, list(known), n=1)
    return f", did you mean '{matches[0]}'?" if matches else ""


def install_command(extra: str) -> str:
    """Return the command that installs an optional part of this evalkit, from where this one was installed."""
    home = Path(__file__).resolve().parent.parent
    if (home / "pyproject.toml").is_file():
        return f"pip install -e '{home}[{extra}]'"
    return f"pip install '{DISTRIBUTION}[{extra}]'"
