"""Word and character error rates as the benchmark computes them.

They are rates of one pair of texts, of which means are taken, and in scores the answer stands where the truth should,
so that the rate is divided by the answer's length (metrics/mark_wer.py of github.com/Ruiqi-Yan/URO-Bench, 9e74bc0).
"""

import string
import warnings
from collections.abc import Sequence

from evalkit.metrics.error_rate import count_errors
from evalkit.text import get_scheme

SCHEME = "uro_bench.v1"

# Chinese punctuation as the zhon library 2.1.1 lists it; the ideographic space is among it.
_CHINESE_PUNCTUATION = (
    "＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､\u3000、〃〈〉《》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿"
    "–—‘’‛“”„‟…‧﹏﹑﹔·．！？｡。"
)
_PUNCTUATION = str.maketrans("", "", _CHINESE_PUNCTUATION + string.punctuation)


def error_rate_of_pair(truth: str, text: str, language: str) -> float:
    """Return edits over the truth's length, in words for ``en`` and in characters for ``zh``; 1 without a truth.

    Spaces within Chinese text count as characters. The rate can exceed 1 where the truth is the shorter text.
    """
    units = _characters if language == "zh" else _words
    counted = units(truth)
    if not counted:
        return 1.0
    substitutions, deletions, insertions, length = count_errors(counted, units(text))
    return (substitutions + deletions + insertions) / length


def _words(text: str) -> Sequence[str]:
    scheme = get_scheme("en", "whisper")
    return scheme.units(scheme.normalize(text.strip().lower()))


def _characters(text: str) -> Sequence[str]:
    import cn2an

    text = text.translate(_PUNCTUATION).replace("  ", " ").strip().lower()
    with warnings.catch_warnings():
        # Of numbers longer than it can read, which it leaves as they are.
        warnings.simplefilter("ignore")
        return list(cn2an.transform(text, "an2cn").strip())
