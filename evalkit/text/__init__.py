"""Text normalisation: named, versioned ways to prepare and count text in a language."""

from evalkit.text.registry import LANGUAGES, get_scheme, normalizer, scheme_names
from evalkit.text.scheme import Scheme

__all__ = ["LANGUAGES", "Scheme", "get_scheme", "normalizer", "scheme_names"]
