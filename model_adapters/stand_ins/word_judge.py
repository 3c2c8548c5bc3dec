"""A judge without a language model: it counts which words of the reference stand in the answer.

A stand-in, so that the machinery of judged benchmarks can be shown and tested on any machine. It understands nothing:
it accepts an answer that denies the reference in its own words, and rejects the best paraphrase. No benchmark is judged
like this, and its figures are comparable with none.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit import normalizer
from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.types import Failure, Request, Response

_VERSION = 1
# A Chinese character is a word, and so is what is written together in other scripts.
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True)
class _Form:
    """A way in which a benchmark asks its judge: where reference and answer stand, and how a share is put."""

    reference: re.Pattern[str]
    answer: re.Pattern[str]
    reply: Callable[[float], str]


def _between(start: str, end: str) -> re.Pattern[str]:
    return re.compile(rf"{start}(.*?){end}", re.DOTALL)


def _either(yes: str, no: str) -> Callable[[float], str]:
    """For questions of right or wrong: right is an answer with all words of the reference."""
    return lambda share: yes if share == 1 else no


# By words that no other benchmark's question has.
_FORMS: Mapping[str, _Form] = {
    "The OFFICIAL ANSWER: ": _Form(  # Big Bench Audio
        _between("The OFFICIAL ANSWER: ", "\n\nBEGIN CANDIDATE ANSWER"),
        _between("CANDIDATE ANSWER TO ASSESS\n", "\nEND CANDIDATE ANSWER"),
        _either("CORRECT", "INCORRECT"),
    ),
    "文本1: ": _Form(  # StepEval-Audio-Paralinguistic
        _between("文本1: ", r"\n\s*文本2: "), _between("文本2: ", r"\n\s*\n"), _either("yes", "no")
    ),
    'output a single "Yes" or "No"': _Form(  # URO-Bench, right or wrong
        _between(r"### \[Reference\]", "\n\n"), _between(r"### \[Response\]", r"### \["), _either("Yes", "No")
    ),
    "### [Reference]": _Form(  # URO-Bench, marks from 1 to 5
        _between(r"### \[Reference\]", "\n\n"),
        _between(r"### \[Response\]", r"### \["),
        lambda share: str(1 + round(4 * share)),
    ),
}


class WordJudge(ModelAdapter):
    """Replies to a benchmark's judge question by the share of the reference's words that the answer has.

    Yes, or correct, is an answer with all of them; marks go from 1 for none to 5 for all. Figures are compared as
    numbers, and English spellings as one. A question without a reference answer gets an error.
    """

    capabilities = Capabilities(sample_rate=None, batch_size=256, audio_input=False)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """The reply to each question, as often as replies are wanted."""
        return [_respond(request) for request in requests]

    def fingerprint(self) -> Mapping[str, Any]:
        """The version of its rule."""
        return {"adapter": "word_judge", "version": _VERSION}


def _respond(request: Request) -> Response:
    question = "\n".join(part for part in request.messages[-1].content if isinstance(part, str))
    form = next((form for marker, form in _FORMS.items() if marker in question), None)
    if form is None:
        return Response(
            failure=Failure("refused", "the word judge can only answer questions that give it a reference answer")
        )
    wanted = _words(form.reference.findall(question))
    found = _words(form.answer.findall(question))
    reply = form.reply(len(wanted & found) / len(wanted) if wanted else 0.0)
    return Response(reply, replies=(reply,) * request.replies if request.replies > 1 else ())


def _words(texts: Sequence[str]) -> set[str]:
    normalize = normalizer("en")
    return {word for text in texts for word in _WORD.findall(normalize(text))}
