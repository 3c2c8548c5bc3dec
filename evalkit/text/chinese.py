"""The schemes for Chinese: raw, Whisper's, the peers' and evalkit's own."""

from evalkit.text.basic import whisper_basic
from evalkit.text.chinese_cn_tn import cn_tn
from evalkit.text.chinese_default import normalize_mandarin
from evalkit.text.scheme import Scheme
from evalkit.text.special_tokens import remove_special_tokens
from evalkit.text.units import characters, mixed_tokens, without_punctuation, words


def _cn_tn_of_speech(text: str) -> str:
    # The peers delete all white space of Chinese before they normalise, so that "N B A" is "NBA".
    return cn_tn("".join(remove_special_tokens(text).split()))


def normalize_like_whisper(text: str) -> str:
    """Give Whisper's basic normalisation with every character apart, as its paper scores Chinese."""
    return whisper_basic(text, split_letters=True)


def normalize_like_kimi_audio(text: str) -> str:
    """Give the tokens that Kimi-Audio-Evalkit counts, joined by spaces: a Chinese character or a word each."""
    return " ".join(without_punctuation(mixed_tokens(_cn_tn_of_speech(text)))).lower()


def normalize_like_qwen2_audio(text: str) -> str:
    """Give the characters that Qwen2-Audio and lmms-eval count, without white space."""
    return "".join(without_punctuation(words(_cn_tn_of_speech(text)))).lower()


SCHEMES: dict[str, Scheme] = {
    "default": Scheme("default", "zh", 2, "character", normalize_mandarin, characters),
    "whisper": Scheme("whisper", "zh", 1, "character", normalize_like_whisper, words),
    "qwen2_audio": Scheme("qwen2_audio", "zh", 1, "character", normalize_like_qwen2_audio, characters),
    "kimi_audio": Scheme("kimi_audio", "zh", 1, "token", normalize_like_kimi_audio, words),
    "raw": Scheme("raw", "zh", 1, "character", characters, characters),
}
