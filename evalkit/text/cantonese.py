"""Cantonese, scored in characters (the Kimi-Audio scheme: in tokens) after conversion to simplified characters.

References come in traditional characters while models answer in either, so both sides are converted. The peers
convert with zhconv (GPL); OpenCC (Apache 2.0) gives the same on everything but rare variants such as 妳 and 牠,
which it keeps, and on names that zhconv translates for readers on the mainland (三藩市 to 旧金山). Words of
Cantonese alone (咗, 喺, 嘢) are not merged with their Mandarin look-alikes (左, 系, 野).

The default writes 著 as 着 where it is the same word (佢著住件衫; not 著名), and leaves digits as they are: Cantonese
has readings of its own for prices, times and measures (五蚊, 九點半, 個半), which no rule here knows.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from evalkit.text.basic import whisper_basic
from evalkit.text.chinese_spellings import unify_zhe
from evalkit.text.scheme import Scheme
from evalkit.text.special_tokens import remove_special_tokens
from evalkit.text.units import characters, mixed_tokens, without_punctuation, words
from evalkit.text.unspoken import remove_unspoken

if TYPE_CHECKING:
    from opencc import OpenCC


def normalize_as_characters(text: str) -> str:
    """Give simplified characters after Whisper's basic normaliser, without tags and white space."""
    return unify_zhe(characters(whisper_basic(_simplified(remove_unspoken(text)))))


def normalize_like_qwen2_audio(text: str) -> str:
    """Give the characters that Qwen2-Audio and lmms-eval count."""
    text = whisper_basic(_simplified(remove_special_tokens(text)))
    return "".join(without_punctuation(words(text))).lower()


def normalize_like_kimi_audio(text: str) -> str:
    """Give the tokens that Kimi-Audio-Evalkit counts, joined by spaces: a Chinese character or a word each."""
    text = whisper_basic(_simplified(remove_special_tokens(text)))
    return " ".join(without_punctuation(mixed_tokens(text))).lower()


def _simplified(text: str) -> str:
    # A lone surrogate is no character and cannot be encoded for OpenCC.
    simplified: str = _converter().convert(text.encode("utf-8", "ignore").decode())
    return simplified


@lru_cache(maxsize=1)
def _converter() -> "OpenCC":
    from opencc import OpenCC

    return OpenCC("hk2s")


SCHEMES = {
    "default": Scheme("default", "yue", 2, "character", normalize_as_characters, characters),
    "qwen2_audio": Scheme("qwen2_audio", "yue", 1, "character", normalize_like_qwen2_audio, characters),
    "kimi_audio": Scheme("kimi_audio", "yue", 1, "token", normalize_like_kimi_audio, words),
    "raw": Scheme("raw", "yue", 1, "character", str, characters),
}
