"""Keeping secrets out of everything that is written: configurations, fingerprints, messages and answers."""

import base64
import binascii
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evalkit.types import Response

REMOVED = "(removed)"

# A shorter one is a placeholder such as "EMPTY", and cutting it out would cut ordinary words out of answers.
_SHORTEST_SECRET = 6
# A shorter one is not looked for in parts, in pieces or in base64, where it could be words.
_SHORTEST_CODED = 16
_INVISIBLE = "[ \u200b-\u200f\u2060\ufeff]?"

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:(?:api|access|account|app|auth|private|secret|session|shared|signing|subscription)_?keys?|token|jwt"
    r"|secrets?|pass(?:word|wd|phrase)|pwd|auth|authorization|bearer|credentials?|cookies?)$"
)
_NAMED_FREELY = re.compile(r"(?:^|_)(?:headers|env_vars)$")  # may hold a secret under any name
_NAMED_WORD = re.compile(r"(?:--?([A-Za-z][\w-]*)(?:=|\s+)|\b([A-Za-z_]\w*)=)(\S+)")
_WORD_ENDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")

_URL_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s@]+(?=@)")
_URL_PARAMETER = re.compile(
    r"([?&](?:[a-z0-9_-]*[-_])?(?:key|apikey|token|secret|password|auth|credential|sig|signature)=)[^&#\s]+",
    re.IGNORECASE,
)
# What follows these names of schemes may be an ordinary word, as in "Basic understanding": no digit, and not long.
_BEARER = re.compile(r"\b(Bearer)\s+(?=[^\s\d]*\d|\S{24})[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_BASIC = re.compile(r"\b(Basic)\s+([A-Za-z0-9+/]{4,}={0,2})", re.IGNORECASE)


def without_secrets(value: Any, secrets: Iterable[str] = ()) -> Any:
    """Return a copy of JSON-like values that may be written down.

    What stands under a name such as ``api_key``, ``x-api-key``, ``auth`` or ``cookie``, every value of a mapping of
    headers or of environment variables (``env_vars``), credentials within URLs, and the known secrets wherever they
    stand are replaced by a mark.

    Args:
        value: a configuration, a fingerprint, or a part of one.
        secrets: known ones, such as ``known_secrets`` gives them.
    """
    return _filtered(value, _cutter(secrets))


def known_secrets(config: Any) -> tuple[str, ...]:
    """Return the keys that a configuration names by ``api_key_variable`` and ``api_key_file``, as far as they exist.

    Also those that stand in a command of its own, ``launch``.
    """
    found: set[str] = set()
    if isinstance(config, Mapping):
        for name, value in config.items():
            if name == "api_key_variable" and isinstance(value, str):
                found.add(os.environ.get(value, "").strip())
            elif name == "api_key_file" and isinstance(value, str):
                found.add(_content(value))
            elif name == "launch" and isinstance(value, str):
                found.update(secrets_of_command(value))
            else:
                found.update(known_secrets(value))
    elif isinstance(config, list | tuple):
        found.update(secret for part in config for secret in known_secrets(part))
    return tuple(sorted(found - {""}))


def secrets_of_command(command: str) -> tuple[str, ...]:
    """Return what a command gives to options and variables whose names say that it is secret, as ``--api-key``."""
    named = ((match[1] or match[2], match[3]) for match in _NAMED_WORD.finditer(command))
    return tuple(value.strip("'\"") for name, value in named if _is_secret(name))


def secrets_of_environment() -> tuple[str, ...]:
    """Return the values of this process's environment variables whose names say that they are secret."""
    folders = ("PWD", "OLDPWD")  # which are no passwords
    return tuple(value.strip() for name, value in os.environ.items() if _is_secret(name) and name not in folders)


def redacted(response: Response, redact: Callable[[str], str]) -> Response:
    """Return a response none of whose fields repeats what must stay secret; the very same one where none does.

    Log probabilities are left out where the answer holds a secret: they spell it in pieces.

    Args:
        response: good or failed.
        redact: gives a text without the secret; see ``ServedModelAdapter.redact``.
    """
    cleaned = response.with_texts(redact)
    if response.logprobs:
        spelt = "".join(str(entry.get("token", "")) for entry in response.logprobs)
        spells = cleaned.text != response.text or redact(spelt) != spelt
        logprobs = () if spells else tuple(_filtered(entry, redact, names=False) for entry in response.logprobs)
        cleaned = replace(cleaned, logprobs=logprobs)
    unchanged = cleaned == response and cleaned.answered_by == response.answered_by
    return response if unchanged else cleaned


def redacted_text(text: str, secrets: Iterable[str]) -> str:
    """Return a text without the secrets."""
    pattern = _pattern(secrets)
    return text if pattern is None else _cut_by(pattern)(text)


def _filtered(value: Any, cut: Callable[[str], str], *, names: bool = True) -> Any:
    """Cut secrets out of every text in JSON-like values; with ``names``, also what stands under a telling name."""
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, list | tuple):
        return [_filtered(part, cut, names=names) for part in value]
    if not isinstance(value, Mapping):
        return value
    filtered = {}
    for key, part in value.items():
        if names and _is_secret(str(key)) and not (part is None or isinstance(part, bool)):
            kept: Any = REMOVED
        elif names and _NAMED_FREELY.search(_in_words(str(key))) and isinstance(part, Mapping):
            kept = {cut(str(name)): REMOVED for name in part}
        else:
            kept = _filtered(part, cut, names=names)
        filtered[cut(key) if isinstance(key, str) else key] = kept
    return filtered


def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(_in_words(name)) is not None


def _in_words(name: str) -> str:
    return "_".join(word for word in _WORD_ENDS.split(name) if word).lower()


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds any of the secrets, the longest first; None if there are none."""
    worth = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
    forms = [form for secret in worth for form in _forms(secret)]
    return re.compile("|".join(forms), re.IGNORECASE) if forms else None


def _forms(secret: str) -> Iterator[str]:
    """Yield patterns of the ways in which servers and gateways repeat a secret, the fullest first."""
    yield re.escape(secret)
    yield from map(re.escape, _escaped(secret))
    if len(secret) >= _SHORTEST_CODED:
        yield _INVISIBLE.join(map(re.escape, secret))
        yield re.escape(secret[:-4])  # as where its end is starred
        yield from map(re.escape, _in_base64(secret))


def _escaped(secret: str) -> list[str]:
    codes = secret.encode("utf-8", "replace")
    return [
        "".join(f"\\u{ord(character):04x}" for character in secret),
        "".join(f"%{code:02x}" for code in codes),
        quote(secret, safe=""),
        codes.hex(),
    ]


def _in_base64(secret: str) -> Iterator[str]:
    """Yield what base64 makes of a secret wherever it stands in a longer text, without what its neighbours change."""
    codes = secret.encode("utf-8", "replace")
    for before, changed in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(codes)) // 3 * 3
        coded = base64.b64encode((bytes(before) + codes)[:whole]).decode()[changed:]
        yield coded
        yield coded.replace("+", "-").replace("/", "_")


def _cut_by(pattern: re.Pattern[str]) -> Callable[[str], str]:
    return lambda text: pattern.sub("(key removed)", text)


def _cutter(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return what cuts the known secrets, and what is a secret by its looks, out of a text of a configuration."""
    pattern = _pattern(secrets)

    def cut(text: str) -> str:
        if pattern is not None:
            text = pattern.sub(REMOVED, text)
        text = _URL_CREDENTIALS.sub(REMOVED, text)
        text = _URL_PARAMETER.sub(rf"\1{REMOVED}", text)
        text = _BEARER.sub(rf"\1 {REMOVED}", text)
        return _BASIC.sub(_without_credentials, text)

    return cut


def _without_credentials(match: re.Match[str]) -> str:
    """Replace what follows the word Basic if it is a name and a password, parted by a colon, in base64."""
    try:
        credentials = base64.b64decode(match[2], validate=True)
    except binascii.Error:
        return match[0]
    return f"{match[1]} {REMOVED}" if b":" in credentials else match[0]


def _content(file: str) -> str:
    try:
        return Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""  # whoever needs the key says what is wrong with its file
