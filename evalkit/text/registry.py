"""Finds the normalisation scheme of a language by name."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module

from evalkit.errors import ConfigurationError
from evalkit.text.basic import whisper_basic
from evalkit.text.scheme import Scheme
from evalkit.text.units import characters, words

_OWN_MODULE = {"en": "english", "zh": "chinese", "yue": "cantonese", "ja": "japanese", "ar": "arabic"}
# The other languages that Whisper knows, scored as it scores them.
_SPACED = (
    "af am as az ba be bg bn bo br bs ca cs cy da de el es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it"
    " jw ka kk km kn ko la lb ln lt lv mg mi mk ml mn mr ms mt ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so"
    " sq sr su sv sw ta te tg tk tl tr tt uk ur uz vi yi yo"
)
_UNSPACED = ("lo", "my", "th")
LANGUAGES = frozenset({*_OWN_MODULE, *_SPACED.split(), *_UNSPACED})
"""Codes of the languages that can be normalised."""

_SYNONYMS = {"cmn": "zh", "zh_hk": "yue"}  # FLEURS writes cmn_hans_cn, Common Voice zh-HK for Cantonese


def normalizer(language: str, scheme: str = "default") -> Callable[[str], str]:
    """The function from raw to normalised text of a scheme (see :func:`get_scheme`).

    >>> normalizer("en")("Mr. Jones paid twenty dollars.")
    'mister jones paid $20'
    """
    return get_scheme(language, scheme).normalize


def get_scheme(language: str, scheme: str = "default") -> Scheme:
    """How texts of a language are normalised and counted.

    Args:
        language: ISO 639 code such as ``en``, ``zh`` (Mandarin) or ``yue`` (Cantonese). A script or region may
            follow, as in ``en_us`` or ``zh-CN``; it is ignored but for ``zh-HK``, which is Cantonese.
        scheme: ``default``, ``raw``, or whose numbers to reproduce: ``whisper``, ``qwen2_audio``, ``kimi_audio``.
            Not every language has them all.

    Raises:
        ConfigurationError: if there is no such language, or no such scheme for it.
    """
    code = _language_code(language)
    schemes = _schemes(code)
    if scheme not in schemes:
        raise ConfigurationError(
            f"no normalisation scheme {scheme!r} for language {code!r}{_hint(scheme, schemes)};"
            f" available: {', '.join(schemes)}"
        )
    return schemes[scheme]


def scheme_names(language: str) -> list[str]:
    """The schemes of a language, ``default`` first; one that is the default by another name is left out.

    Raises:
        ConfigurationError: if there is no such language.
    """
    schemes = _schemes(_language_code(language))
    default = schemes["default"]
    return ["default", *(name for name, scheme in schemes.items() if name != "default" and scheme != default)]


def _language_code(language: str) -> str:
    tag = language.lower().replace("-", "_")
    primary = tag.partition("_")[0]
    code = _SYNONYMS.get(tag) or _SYNONYMS.get(primary, primary)
    if code not in LANGUAGES:
        raise ConfigurationError(
            f"no normalisation for language {language!r}{_hint(code, LANGUAGES)};"
            " use an ISO 639 code, such as en, zh (Mandarin), yue (Cantonese), ja, ar or de"
        )
    return code


def _schemes(code: str) -> Mapping[str, Scheme]:
    if code in _OWN_MODULE:
        schemes: dict[str, Scheme] = import_module(f"evalkit.text.{_OWN_MODULE[code]}").SCHEMES
        return schemes
    if code in _UNSPACED:
        whisper = Scheme("whisper", code, 1, "character", _split_letters, words)
        raw = Scheme("raw", code, 1, "character", str, characters)
    else:
        whisper = Scheme("whisper", code, 1, "word", _keep_words, words)
        raw = Scheme("raw", code, 1, "word", str, words)
    return {"default": whisper, "whisper": whisper, "raw": raw}


def _keep_words(text: str) -> str:
    return whisper_basic(text).strip()


def _split_letters(text: str) -> str:
    return whisper_basic(text, split_letters=True).strip()


def _hint(name: str, known: Mapping[str, Scheme] | frozenset[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
