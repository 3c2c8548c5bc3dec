"""The benchmark's own questions to its judges, which lie beside this file, letter by letter as it asks them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class JudgePrompts:
    """The questions to the judges.

    Attributes:
        version: the commit of the benchmark that has them.
        system: the system message to the judge that reads; the one that hears gets none.
        by_name: the templates, by mode; conversations have one for each number of rounds.
    """

    version: str
    system: str
    by_name: Mapping[str, str]


@cache
def load_judge_prompts() -> JudgePrompts:
    """The prompts of the data file."""
    content = json.loads(Path(__file__).with_name("judge_prompts.json").read_text(encoding="utf-8"))
    return JudgePrompts(content["version"], content["system"], content["prompts"])


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The template with its fields replaced at one go.

    The original replaces them one after the other, the question first, so that a question or an answer that holds the
    letters of a later field, such as ``{reference}``, has them replaced too. Here a text stays as it is.

    >>> filled("Q: {question} A: {answer}", {"question": "{answer}?", "answer": "yes"})
    'Q: {answer}? A: yes'
    """
    pattern = "|".join(re.escape("{" + name + "}") for name in fields)
    return re.sub(pattern, lambda match: fields[match[0][1:-1]], template)
