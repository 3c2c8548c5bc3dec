"""What people write after ``evalkit run``, made into Hydra's grammar: names and paths are taken as they stand."""

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException

from evalkit.run.settings import OPEN_MAPPINGS

# Settings that are names or paths, so that 2024_11_21 is no number and "Step (v2)" no function call.
_TEXT_SETTINGS = re.compile(
    r"\+{0,2}(?:name|runs|data_root|cache\.folder"
    r"|[\w.@-]+\.(?:title|path|root|model|base_url|deployment|server|voice|token2wav|api_key_file|api_key_variable|python|launch))"
)
# Every model in a role has these, whether its configuration names them or not.
_OF_EVERY_MODEL = re.compile(r"[\w@-]+\.(?:python|launch|batch_deadline)")
_OPEN = re.compile(rf"(?:prompt_kinds|[\w.@-]+\.(?:{'|'.join(OPEN_MAPPINGS)}))\.[\w.-]+")
# Groups of which nothing needs to be chosen; Hydra's grammar has no null for a group, and takes a choice away instead.
_OPTIONAL_GROUPS = re.compile(r"suite|task|model@\w+")
_SWEEP = re.compile(r",|^(?:choice|range|glob|interval|shuffle|sort|tag)\(")


def grammatical(words: Sequence[str], *, sweep: bool = False) -> list[str]:
    """Write each word in Hydra's grammar, as what was meant where that is plain.

    Args:
        words: such as ``name=模型 1`` or ``model.generation.top_k=3``.
        sweep: whether commas and functions list several values, as with ``--multirun``.
    """
    return [_grammatical(word, sweep) for word in words]


def _grammatical(word: str, sweep: bool) -> str:
    key, sign, value = word.partition("=")
    if not sign or word.startswith("~"):
        return word
    if value == "null" and _OPTIONAL_GROUPS.fullmatch(key):
        return f"~{key}"
    if _OPEN.fullmatch(key) or _OF_EVERY_MODEL.fullmatch(key):
        key = f"++{key}"
    as_it_stands = f"{key}={value}"
    if value[:1] in ("'", '"') or value in ("", "null") or (sweep and _SWEEP.search(value)):
        return as_it_stands
    if _TEXT_SETTINGS.fullmatch(key):
        return f"{key}={quoted(value)}"
    if value[:1] not in ("[", "{") and not _parses(as_it_stands):
        return f"{key}={quoted(value)}"
    return as_it_stands


def quoted(text: str) -> str:
    """Return a text in the quotes of Hydra's grammar, in which it stands for itself."""
    # Only backslashes before a quote, and those at the end, mean anything there.
    inner = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + (match[2] and "\\'"), text)
    return f"'{inner}'"


def parsed(words: Sequence[str]) -> list[Override]:
    """Parse words of Hydra's grammar.

    Raises:
        HydraException: one of them cannot be read.
    """
    return OverridesParser.create().parse_overrides(list(words))


def with_role_added(words: Sequence[str], role: str) -> list[str]:
    """Return the words with a choice for a role made an addition, as for a role that nothing lists."""
    return [f"+{word}" if word.startswith(f"{role}=") else word for word in words]


def added_roles(words: Sequence[str], listed: Sequence[str]) -> list[str]:
    """Return the words with every choice for a role that ``listed`` does not hold made an addition."""
    for word in words:
        key = word.partition("=")[0]
        if key.startswith(("model@", "executor@")) and key not in listed:
            words = with_role_added(words, key)
    return list(words)


def swept_keys(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the keys that a sweep varies, and those that it keeps."""
    swept: list[str] = []
    kept: list[str] = []
    for override in parsed(words):
        if override.type != OverrideType.DEL:
            (swept if override.is_sweep_override() else kept).append(override.get_key_element().lstrip("+"))
    return swept, kept


def _parses(word: str) -> bool:
    try:
        parsed([word])
    except HydraException:
        return False
    return True
