"""``evalkit complete LINE``: what may stand at the end of a command line, for the shells' completion at the TAB key."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from evalkit.cli.catalogue import Folders, option_names, primary_content, read_options
from evalkit.cli.main import COMMANDS
from evalkit.errors import EvalkitError

_WORDS = {
    "list": ("models", "tasks", "suites", "published", "runs"),
    "data": ("prepare", "verify"),
    "plot": ("radar", "forest", "against", "snr", "error_types", "running", "schemes"),
    "completion": ("bash", "zsh", "fish"),
}
_OPTIONS = {
    "": ("--help", "--version", "--debug", "--config-dir"),
    "run": ("--help", "--multirun", "--cfg", "--info", "--config-dir", "--debug"),
    "plan": ("--help", "--probe", "--json", "--config-dir"),
    "reproduce": (
        *("--help", "--from", "--published", "--published-table", "--within", "--output", "--dry-run", "--probe"),
        "--config-dir",
    ),
    "data": ("--help", "--archive", "--decode", "--download", "--config-dir"),
    "status": ("--help", "--json", "--watch"),
    "audit": ("--help", "--json", "--allow"),
    "diff": ("--help", "--markdown", "--json", "--allow"),
    "show": ("--help", "--base", "--config-dir"),
    "report": (
        *("--help", "--published", "--rows", "--layout", "--terminal", "--plots", "--model-card", "--output"),
        *("--audio", "--audio-format"),
    ),
    "view": ("--help", "--port", "--no-browser"),
    "plot": (
        "--help",
        "--output",
        "--task",
        "--metric",
        "--by",
        "--published",
        "--layout",
        "--level",
        "--minimum",
        "--seed",
    ),
    "leaderboard": ("--help", "--task", "--model", "--since", "--sort", "--step", "--output"),
    "log": ("--help", "--to", "--project", "--uri", "--report"),
    "compare": (
        "--help",
        "--minimum",
        "--fail-on",
        "--only",
        "--cluster",
        "--correction",
        "--test",
        "--level",
        "--samples",
        "--resamples",
        "--seed",
        "--markdown",
        "--json",
        "--junit",
        "--allow",
    ),
    "merge": ("--help", "--allow"),
    "sensitivity": ("--help", "--task", "--markdown", "--json", "--allow"),
    "repeats": ("--help", "--json"),
    "judge": ("--help", "--samples", "--markdown", "--json", "--allow", "--config-dir"),
    "wer": ("--help", "--language", "--scheme", "--alignment", "--ids", "--level"),
    "export": ("--help", "--format", "--task", "--as-written", "--output"),
    "doctor": ("--help", "--data-root", "--probe", "--config-dir"),
    "chat": ("--help", "--config-dir"),
}
_TAKE_OVERRIDES = ("run", "plan", "reproduce", "show", "judge", "data", "doctor", "chat")
_LISTS = ("task", "suite")
_VALUES = {
    "alignment": ("levenshtein", "sclite"),
    "spread": ("true", "false"),
    "missing_data": ("error", "skip", "skip_remote"),
    "missing_roles": ("error", "skip"),
    "write": ("true", "false"),
}


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Print each word that the last one of the line can become; a word that goes on ends with ``=`` or ``.``."""
    line = arguments[0] if arguments else ""
    try:
        print(*candidates(line, folders), sep="\n")
    except EvalkitError:
        return 0  # nobody wants an error in the middle of typing
    return 0


def candidates(line: str, folders: Folders = ()) -> list[str]:
    """Return what the last word of a command line can become.

    Args:
        line: from the command's name to the cursor; it ends with a space where a new word begins.
        folders: further folders of configurations; those that the line names are added.
    """
    words = _split(line)[1:]
    *before, last = words or [""]
    folders = [*folders, *_folders_in(before)]
    before = [word for word in before if not word.startswith("-")]
    name = next((word for word in before if word in COMMANDS), "")
    if last.startswith("-"):
        found: Iterable[str] = _OPTIONS.get(name, ("--help",))
    elif not name:
        found = COMMANDS
    else:
        found = _WORDS.get(name, ()) if not any(word in _WORDS.get(name, ()) for word in before) else ()
        if name in _TAKE_OVERRIDES:
            found = dict.fromkeys([*found, *_overrides(name, before, last, folders)])
    return [word for word in found if word.startswith(last)]


def _split(line: str) -> list[str]:
    for closing in ("", "'", '"'):
        try:
            words = shlex.split(line + closing)
        except ValueError:
            continue
        return words + [""] * (line[-1:].isspace() and not closing)
    return line.split()


def _folders_in(words: Sequence[str]) -> Iterator[str]:
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("--config-dir="):
            yield word.partition("=")[2]
        elif word == "--config-dir" and following:
            yield following


def _overrides(command: str, before: Sequence[str], last: str, folders: Folders) -> Iterator[str]:
    key, sign, value = last.partition("=")
    if sign:
        for option in _values(key, folders):
            yield f"{key}={option}"
        if key in _LISTS and value.startswith("["):
            begun = value.rpartition(",")[0] + "," if "," in value else "["
            yield from (f"{key}={begun}{option}" for option in option_names(key, folders))
        return
    if command == "chat":
        yield from _keys(primary_content(folders, "chat"), "")
    run = primary_content(folders)
    groups = [next(iter(each)) for each in run["defaults"] if isinstance(each, Mapping)]
    roles = [group.partition("@")[2] or group for group in groups if group.partition("@")[0] == "model"]
    yield from (f"{group}=" for group in groups if not group.startswith("override "))
    yield from _keys({key: inner for key, inner in run.items() if key not in ("defaults", "hydra", "tasks")}, "")
    yield from (f"{role}." for role in roles if not last.startswith(f"{role}."))
    if (role := last.partition(".")[0]) in roles and "." in last:
        chosen = _chosen(before, "model" if role == "model" else f"model@{role}")
        for model in read_options("model", folders):
            if model.name in chosen:
                yield from _keys({key: inner for key, inner in model.content.items() if key != "defaults"}, f"{role}.")
    for task in _chosen(before, "task"):
        yield f"tasks.{task}."


def _values(key: str, folders: Folders) -> Sequence[str]:
    group = key.lstrip("+").partition("@")[0]
    if group in ("model", "suite", "task", "executor", "prompts"):
        return option_names(group, folders)
    return _VALUES.get(key, ())


def _keys(content: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _keys(value, f"{prefix}{key}.")
        elif not str(key).startswith("_"):
            yield f"{prefix}{key}="


def _chosen(words: Sequence[str], group: str) -> list[str]:
    values = [word.partition("=")[2] for word in words if word.partition("=")[0] == group]
    return values[-1].strip("[]").split(",") if values else []
