"""What a judge's reply, a repetition or a spoken emotion is worth, by the benchmark's own rules.

Followed is github.com/Ruiqi-Yan/URO-Bench, commit 9e74bc0: metrics/mark_gpt.py, mark_gemini.py, mark_wer.py and
mark_emotion.py.
"""

import json
import math
from typing import Any

import numpy.typing as npt

BEST_MARK = 5
_MOST_ERRORS = 0.5  # of a repetition that still counts as one


def read_mark(reply: str) -> float | None:
    """Return the mark that a reply is, or None where the original would crash.

    Read as Python's ``int`` reads: white space around, a sign and full-width digits are fine; ``4.`` and ``4/5`` are
    not. Marks outside 1 to 5 are taken as they are.
    """
    try:
        return float(int(reply))
    except (ValueError, OverflowError):
        return None


def read_yes(reply: str) -> float:
    """1 for exactly ``Yes``, 0 for anything else, `` yes.`` included."""
    return float(reply == "Yes")


def says_nothing(text: str) -> bool:
    """Whether an answer in writing stands for silence: such a one is worth 0 unasked, in modes of one round."""
    return text in ("", " ")


def mark_share(totals: npt.NDArray[Any]) -> float:
    """Return the mean mark as a fraction of the best, from the sum of marks and their number."""
    return float(totals[0] / totals[1]) / BEST_MARK if totals[1] else math.nan


def repetition(rate: float) -> tuple[float, float, float]:
    """Statistics of one repetition from its error rate: whether it is one, its rate if so, and one sample."""
    is_one = rate <= _MOST_ERRORS
    return (1.0, rate, 1.0) if is_one else (0.0, 0.0, 1.0)


def repetition_score(totals: npt.NDArray[Any]) -> float:
    """Return the share of repetitions times one minus their mean error rate, from summed statistics."""
    repeated, rates, samples = totals
    return float((repeated - rates) / samples) if samples else math.nan


def repetition_share(totals: npt.NDArray[Any]) -> float:
    """Return the share of answers that repeat, from summed statistics."""
    repeated, _, samples = totals
    return float(repeated / samples) if samples else math.nan


def repetition_error_rate(totals: npt.NDArray[Any]) -> float:
    """Return the mean error rate of the answers that repeat, 0 without any, from summed statistics."""
    repeated, rates, _ = totals
    return float(rates / repeated) if repeated else 0.0


def emotion_score(probability: float, rate: float) -> float:
    """Return a fraction: how probable the wanted emotion is, less what was said wrongly."""
    return probability * (1 - min(rate, 1.0))


def read_probability(reply: str, emotion: str) -> float | None:
    """Return the probability of an emotion in a classifier's reply, or None if it cannot be read.

    The reply is a JSON object of probabilities by label. Labels may be written as emotion2vec writes them, in Chinese
    and English (``开心/happy``), and unknown emotions as ``<unk>``.

    >>> read_probability('{"开心/happy": 0.75, "<unk>": 0.25}', "happy")
    0.75
    """
    try:
        probabilities = json.loads(reply)
    except (ValueError, RecursionError):
        return None
    if not isinstance(probabilities, dict):
        return None
    by_label = {_plain(label): value for label, value in probabilities.items()}
    value = by_label.get(_plain(emotion))
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)


def read_opinion_score(reply: str) -> float | None:
    """Return the mean opinion score that a predictor's reply is, or None if it is no finite number."""
    try:
        score = float(reply)
    except ValueError:
        return None
    return score if math.isfinite(score) else None


def _plain(label: str) -> str:
    plain = label.rpartition("/")[2].strip().lower()
    return "unknown" if plain == "<unk>" else plain
