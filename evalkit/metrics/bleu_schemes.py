"""What is done to a text before BLEU counts its n-grams: named ways, for scores depend on it as on nothing else.

Papers score translations as they are written (``raw``). The other schemes are there to reproduce scores that were made
otherwise, and for the transcripts of spoken translations, whose punctuation is the recogniser's and not the speaker's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.text import get_scheme
from evalkit.text.basic import whisper_basic
from evalkit.text.chinese_cn_tn import cn_tn
from evalkit.text.english import whisper_english
from evalkit.text.special_tokens import remove_special_tokens
from evalkit.text.units import mixed_tokens, without_punctuation

_VERSION = 1
# sacreBLEU's own choices, and its Chinese tokenizer for Cantonese too, which it has no choice for.
_TOKENIZERS = {"zh": "zh", "yue": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}


def _like_lmms_english(text: str) -> str:
    return " ".join(without_punctuation(whisper_english(remove_special_tokens(text)).split())).lower()


def _like_lmms_chinese(text: str) -> str:
    # Unlike its error rate, the original's BLEU keeps the white space between Latin words.
    return " ".join(without_punctuation(mixed_tokens(cn_tn(remove_special_tokens(text))))).lower()


_OF_ANY_LANGUAGE: Mapping[str, Callable[[str], str]] = {
    "raw": str,
    "lowercase": str,  # sacreBLEU does it, and says so in its signature
    "whisper": whisper_basic,
    "whisper_basic": whisper_basic,
}
_OF_ONE_LANGUAGE: Mapping[str, Mapping[str, Callable[[str], str]]] = {
    "en": {"whisper": whisper_english, "lmms": _like_lmms_english},
    "zh": {"lmms": _like_lmms_chinese},
}


@dataclass(frozen=True, slots=True)
class BleuScheme:
    """One named, versioned way to prepare texts of one language for BLEU.

    Attributes:
        name: ``raw``, ``lowercase``, or whose texts it reproduces.
        language: code of the target language.
        tokenizer: sacreBLEU's name of its tokenizer.
        normalize: from a text as it was written to the text that sacreBLEU is given.
        version: raised whenever the output of ``normalize`` changes.
    """

    name: str
    language: str
    tokenizer: str
    normalize: Callable[[str], str]
    version: int = _VERSION

    @property
    def label(self) -> str:
        """The scheme as recipes name it."""
        return f"{self.name}-{self.language}.v{self.version}"

    @property
    def scorer(self) -> Any:
        """A ``sacrebleu.metrics.BLEU`` with these settings, its others being sacreBLEU's own."""
        return _scorer(self.tokenizer, self.name == "lowercase")

    @property
    def signature(self) -> str:
        """The signature of sacreBLEU."""
        return str(self.scorer.get_signature())


def get_bleu_scheme(target_language: str, scheme: str = "raw", tokenizer: str | None = None) -> BleuScheme:
    """Return how translations into a language are prepared for BLEU.

    Args:
        target_language: code of the language translated into, as ``evalkit.text.get_scheme`` takes it.
        scheme: ``raw``: the text as it is. ``lowercase``: sacreBLEU's own lower case. ``whisper``: the Whisper
            normaliser, English or basic. ``whisper_basic``: the basic one for English too. ``lmms`` (English,
            Chinese): as lmms-eval scores CoVoST 2, lower case without punctuation, Chinese numbers written out.
        tokenizer: one of sacreBLEU's; by default the one that it chooses for the language, and single characters for
            languages written without spaces for which it has none.

    Raises:
        ConfigurationError: there is no such language, scheme or tokenizer, or what the tokenizer needs is not
            installed.
    """
    written = get_scheme(target_language, "raw")
    schemes = _schemes(written.language)
    if scheme not in schemes:
        raise ConfigurationError(
            f"no BLEU scheme {scheme!r} for language {written.language!r}{hint(scheme, schemes)} "
            f"(there are {', '.join(schemes)})"
        )
    chosen = tokenizer or _TOKENIZERS.get(written.language) or ("char" if written.unit == "character" else "13a")
    made = BleuScheme(scheme, written.language, chosen, schemes[scheme])
    _ = made.scorer  # so that what is missing shows now, and not at the first sample
    return made


def bleu_scheme_names(target_language: str) -> list[str]:
    """Return the schemes of a language, ``raw`` first; one that does the same as an earlier one is left out.

    Raises:
        ConfigurationError: there is no such language.
    """
    found: dict[tuple[Callable[[str], str], bool], str] = {}
    for name, normalize in _schemes(get_scheme(target_language, "raw").language).items():
        found.setdefault((normalize, name == "lowercase"), name)
    return list(found.values())


def _schemes(language: str) -> Mapping[str, Callable[[str], str]]:
    return {**_OF_ANY_LANGUAGE, **_OF_ONE_LANGUAGE.get(language, {})}


@lru_cache(maxsize=16)
def _scorer(tokenizer: str, lowercase: bool) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    if tokenizer not in BLEU.TOKENIZERS:
        raise ConfigurationError(
            f"sacreBLEU has no tokenizer {tokenizer!r}{hint(tokenizer, BLEU.TOKENIZERS)} "
            f"(there are {', '.join(BLEU.TOKENIZERS)})"
        )
    try:
        scorer = BLEU(tokenize=tokenizer, lowercase=lowercase)
    except (ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"sacreBLEU's tokenizer {tokenizer!r} cannot be used: {reason}") from error
    scorer.corpus_score([""], [[""]])  # it knows its signature once it has seen how many references there are
    return scorer
