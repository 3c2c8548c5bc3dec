"""Finds the normalisation scheme of a language by name."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.text import general, sinitic
from evalkit.text.languages import resolve_language
from evalkit.text.scheme import Scheme

_OWN_MODULE = {"en": "english", "zh": "chinese", "yue": "cantonese", "ja": "japanese", "ar": "arabic"}
_SINITIC = frozenset({"nan", "wuu"})


def normalizer(language: str, scheme: str = "default") -> Callable[[str], str]:
    """Return the function from raw to normalised text of a scheme (see ``get_scheme``).

    >>> normalizer("en")("Mr. Jones paid twenty dollars.")
    'mister jones paid $20'
    """
    return get_scheme(language, scheme).normalize


def get_scheme(language: str, scheme: str = "default") -> Scheme:
    """Return how texts of a language are normalised and counted.

    Args:
        language: any code or name of it that :func:`~evalkit.text.languages.resolve_language` knows, such as ``en``,
            ``zh-CN``, ``yue`` or ``Japanese``.
        scheme: ``default``, ``raw``, or whose numbers to reproduce: ``whisper``, ``qwen2_audio``, ``kimi_audio``.
            Not every language has them all.

    Raises:
        ConfigurationError: there is no such language, or no such scheme for it.
    """
    code = resolve_language(language)
    schemes = _schemes(code)
    if scheme not in schemes:
        raise ConfigurationError(
            f"no normalisation scheme {scheme!r} for language {code!r}{hint(scheme, schemes)}"
            f" (there are {', '.join(schemes)})"
        )
    return schemes[scheme]


def scheme_names(language: str) -> list[str]:
    """Return the schemes of a language, ``default`` first; one that is the default by another name is left out.

    Raises:
        ConfigurationError: there is no such language.
    """
    schemes = _schemes(resolve_language(language))
    default = schemes["default"]
    return ["default", *(name for name, scheme in schemes.items() if name != "default" and scheme != default)]


@cache
def _schemes(code: str) -> Mapping[str, Scheme]:
    if code in _OWN_MODULE:
        schemes: dict[str, Scheme] = import_module(f"evalkit.text.{_OWN_MODULE[code]}").SCHEMES
        return schemes
    return sinitic.schemes(code) if code in _SINITIC else general.schemes(code)
