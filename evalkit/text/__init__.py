"""Text normalisation: named, versioned ways to prepare and count text in a language."""

from evalkit.text.languages import LANGUAGE_NAMES, LANGUAGES, resolve_language
from evalkit.text.registry import get_scheme, normalizer, scheme_names
from evalkit.text.scheme import Scheme

__all__ = [
    "LANGUAGES",
    "LANGUAGE_NAMES",
    "Scheme",
    "get_scheme",
    "normalizer",
    "resolve_language",
    "scheme_names",
]
