"""What to do about it: close matches for mistyped words, and the command that installs what is missing."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError

DISTRIBUTION = "speech-evalkit"
"""What the index of packages calls evalkit; the plain name is another project's there."""


def hint(word: str, known: Iterable[str]) -> str:
    """Return ``, did you mean 'x'?`` for the known word nearest to a mistyped one, whatever its case; else nothing."""
    by_lower_case = {str(each).lower(): each for each in known}
    matches = get_close_matches(word.lower(), by_lower_case, n=1)
    return f", did you mean '{by_lower_case[matches[0]]}'?" if matches else ""


def check_choice(setting: str, value: Any, known: Collection[str]) -> None:
    """Refuse a setting that is none of the words that it may be.

    Args:
        setting: what to call it, such as ``task demo: answer_mode``.
        value: as given.
        known: the words that it may be.

    Raises:
        ConfigurationError: the value is none of them.
    """
    if value not in known:
        raise ConfigurationError(f"{setting} is {value!r}; it must be {' or '.join(known)}{hint(str(value), known)}")


def import_advice(error: Exception, target: str) -> str:
    """Return ``; install …`` where a class cannot be had because its package is not there, else nothing.

    Args:
        error: that the import of the class raised.
        target: the dotted name of the class.
    """
    package = target.partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and error.name == package:
        return f"; install {package}, or put the folder that holds it into PYTHONPATH"
    return ""


def install_command(extra: str) -> str:
    """Return the command that installs an optional part of this evalkit, from where this one was installed."""
    home = Path(__file__).resolve().parent.parent
    if (home / "pyproject.toml").is_file():
        return f"pip install -e '{home}[{extra}]'"
    return f"pip install '{DISTRIBUTION}[{extra}]'"
