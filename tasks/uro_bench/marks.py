"""What a judge's reply, a repetition or a spoken emotion is worth, by the benchmark's own rules.

Followed is github.com/Ruiqi-Yan/URO-Bench, commit 9e74bc0: metrics/mark_gpt.py, mark_gemini.py, mark_wer.py and
mark_emotion.py.
"""

import json
import math

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
    """Return 1 for exactly ``Yes``, 0 for anything else, `` yes.`` included."""
    return float(reply == "Yes")


def says_nothing(text: str) -> bool:
    """Return whether an answer in writing stands for silence: such a one is worth 0 unasked, in modes of one round."""
    return text in ("", " ")


def repetition(rate: float) -> tuple[float, float, float]:
    """Return one repetition's statistics from its error rate: whether it is one, its rate if so, and one sample."""
    is_one = rate <= _MOST_ERRORS
    return (1.0, rate, 1.0) if is_one else (0.0, 0.0, 1.0)


def emotion_score(probability: float, rate: float) -> float:
    """Return, as a fraction, how probable the wanted emotion is, less what was said wrongly."""
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
