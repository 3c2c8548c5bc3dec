r"""Reading what a judge decided: yes or no, correct or incorrect, or a mark.

Judges are asked for a bare word or number, and today's write ``Yes.``, ``**yes**``, ``Final answer: yes``, a JSON
object, a code fence, a tag, or their reasons first. All that is taken. What is unclear is not guessed at but refused
(None), so that the judge is asked again: a sentence that only begins with the word, both words, another word.

>>> [read_verdict(reply) for reply in ("**Yes.**", "Reasons.\nVerdict: no", '{"verdict": "correct"}', "yes or no")]
[1.0, 0.0, 1.0, None]
>>> [read_mark(reply, 1, 5) for reply in ("4", "Score: 4/5", "**4.5**", "6", "-4")]
[4.0, 4.0, 4.5, None, None]
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from evalkit.thought import without_thought

_MARKS = {"yes": 1.0, "correct": 1.0, "no": 0.0, "incorrect": 0.0}

# What may stand before a verdict, in any number: "The final answer is:", \boxed{…}.
_LABELS = (
    "the|my|final|overall|answer|verdict|judge?ment|assessment|evaluation|result|conclusion|decision|label|output|response"
    "|reply|score|rating|mark|grade|points|is|boxed|text"
)
_CHINESE_LABELS = "最终|我的|答案|判断|结论|结果|回答|评分|得分|分数|是|为"
_BEFORE = rf"[\W_]*(?P<label>(?:(?:{_LABELS})[\W_]+|(?:{_CHINESE_LABELS})[\W_]*)*)"
_VERDICT = re.compile(rf"{_BEFORE}(?P<value>yes|no|correct|incorrect)[\W_]*", re.IGNORECASE)
_MARK = re.compile(
    rf"{_BEFORE}(?<![-−.,\d])(?P<value>\d{{1,9}}(?:\.\d{{1,9}})?)"
    r"\s*(?:(?:/|out of)\s*(?P<best>\d{1,9})|points?|分)?[\W_]*",
    re.IGNORECASE,
)
_LONGEST_LINE = 200  # that can be a verdict
_TAG = re.compile(r"</?[A-Za-z_]{1,20}>")
_FENCE = re.compile(r"```\w*")
_DECIDING_KEYS = frozenset(
    "verdict answer final_answer judgement judgment result conclusion decision label output correct is_correct score"
    " rating mark grade".split()
)


def read_verdict(reply: str) -> float | None:
    """Return 1 for yes or correct, 0 for no or incorrect, None for a reply that is not clearly one of these.

    The last line decides; the lines before it are reasons. A bare word at the end must not contradict an earlier one.
    """
    return _decided(reply, _verdict)


def read_mark(reply: str, lowest: float, best: float) -> float | None:
    """Return the mark that a reply gives, or None if it gives none between the lowest and the best one."""

    def mark(line: str) -> tuple[float, bool] | None:
        match = _MARK.fullmatch(line)
        if match is None or (match["best"] and float(match["best"]) != best):
            return None
        value = float(match["value"])
        return (value, bool(match["label"])) if lowest <= value <= best else None

    return _decided(reply, mark)


def _verdict(line: str) -> tuple[float, bool] | None:
    match = _VERDICT.fullmatch(line)
    return (_MARKS[match["value"].lower()], bool(match["label"])) if match else None


def _decided(reply: str, read: Callable[[str], tuple[float, bool] | None]) -> float | None:
    """Return what the last line says by ``read``, which returns a line's value and whether a label stands before it."""
    said = unicodedata.normalize("NFKC", without_thought(reply)).strip()
    if (record := next(_json_objects(said), None)) is not None:
        return _decided_by_object(record, read)
    lines = [line for line in _FENCE.sub("", _TAG.sub("", said)).splitlines() if line.strip()]
    decisions = [read(line) if len(line) <= _LONGEST_LINE else None for line in lines]
    if not decisions or decisions[-1] is None:
        return None
    value, labelled = decisions[-1]
    return value if labelled or all(each is None or each[0] == value for each in decisions) else None


def _decided_by_object(record: dict[str, Any], read: Callable[[str], tuple[float, bool] | None]) -> float | None:
    values = [value for key, value in record.items() if key.strip().lower().replace(" ", "_") in _DECIDING_KEYS]
    words = ["yes" if value is True else "no" if value is False else str(value) for value in values]
    decisions = [read(word) for word in words]
    found = {decision[0] for decision in decisions if decision is not None}
    return found.pop() if len(found) == 1 and None not in decisions else None


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON object that a reply ends with, in a fence or not, with or without reasons before it."""
    body = text.removesuffix("```").rstrip()
    if not body.endswith("}"):
        return
    for start in (body.find("{"), body.rfind("\n{") + 1):
        try:
            value = json.loads(body[start:])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value
