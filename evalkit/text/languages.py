"""Finds the language that a code or a name means, however a data set, a server or a person writes it.

The languages are those of Whisper and of FLEURS, and Wu and Min Nan, which corpora of Chinese hold. The codes are
Whisper's where it has one: ISO 639-1 except for ``jw`` (Javanese, now ``jv``), ``tl`` (Filipino, also ``fil``) and
``yue``. The other codes and names are in ``languages.tsv``.
"""

import re
from functools import cache, lru_cache
from importlib.resources import files

from evalkit.errors import ConfigurationError
from evalkit.hints import hint

# What follows a code of Chinese and makes it Cantonese: the language itself, or where Cantonese is what is spoken.
_CANTONESE = frozenset({"yue", "cantonese", "hk", "mo", "hong", "macao", "macau"})
_MANDARIN = frozenset({"cmn", "mandarin", "putonghua"})
# Other languages that are written as varieties of Chinese (zh-wuu, "Chinese (Min Nan)"), and those no scheme is for.
_OTHER_CHINESE = {**dict.fromkeys(("wu", "wuu", "shanghainese"), "wuu"), **dict.fromkeys(("nan", "hokkien"), "nan")}
_WITHOUT_A_SCHEME = frozenset(
    {"cdo", "cjy", "cpx", "czh", "czo", "gan", "hak", "hakka", "hsn", "lzh", "min", "mnp", "xiang"}
)


@lru_cache(maxsize=1024)
def resolve_language(language: str) -> str:
    """Return the code of a language that is given by any of its codes or names.

    Args:
        language: an ISO 639 code of two or three letters (``en``, ``cmn``, ``jpn``), such a code with script, region
            and extensions in any case and with ``-`` or ``_`` (``zh-Hant-HK``, ``en_us``, ``cmn_hans_cn``), or a name
            (``English``, ``Mandarin Chinese``, ``Chinese (Hong Kong)``). Chinese of Hong Kong or Macao is Cantonese
            unless it says that it is Mandarin; other script and region are ignored.

    Returns:
        A member of ``LANGUAGES``.

    Raises:
        ConfigurationError: no such language is known; the message names the nearest, or all that are.

    Examples:
        >>> [resolve_language(tag) for tag in ("pt-BR", "yue_hant_hk", "zh-HK", "Mandarin Chinese", "jpn")]
        ['pt', 'yue', 'yue', 'zh', 'ja']
    """
    subtags = _plain(re.split("[.@]", language, maxsplit=1)[0]).split("-")
    known = _codes()
    for length in range(len(subtags), 0, -1):
        code = known.get("-".join(subtags[:length]))
        if code is None:
            continue
        if code != "zh":
            return code
        if not _MANDARIN.isdisjoint(subtags):
            return "zh"
        if variety := next((_OTHER_CHINESE[subtag] for subtag in subtags if subtag in _OTHER_CHINESE), None):
            return variety
        if not _WITHOUT_A_SCHEME.isdisjoint(subtags):
            break
        return "zh" if _CANTONESE.isdisjoint(subtags) else "yue"
    raise ConfigurationError(
        f"no normalisation for language {language!r}{hint(_plain(language), known)} (use an ISO 639 code or an English"
        f" name, such as zh or Mandarin, yue or Cantonese; there are {', '.join(sorted(LANGUAGES))})"
    )


def _plain(name: str) -> str:
    """Return one spelling of a code or name: lower case, words parted by single hyphens."""
    return "-".join(re.findall(r"[^\s_,()-]+", name.lower()))


def _rows() -> list[list[str]]:
    table = files("evalkit.text").joinpath("languages.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in table.splitlines() if not line.startswith("#")]


@cache
def _codes() -> dict[str, str]:
    """Return the code of every code and name, in the spelling of ``_plain``."""
    return {_plain(word): code for code, *names in _rows() for word in (code, *", ".join(names).split(", ")) if word}


LANGUAGE_NAMES = {code: name for code, name, _ in _rows()}
"""The English name of every language that can be normalised, by its code."""

LANGUAGES = frozenset(LANGUAGE_NAMES)
"""Codes of the languages that can be normalised."""
