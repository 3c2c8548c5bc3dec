"""A judge without a language model: it counts which words of the reference stand in the answer.

A stand-in, so that the machinery of judged benchmarks can be shown and tested on any machine. It understands nothing:
it accepts an answer that denies the reference in its own words, and rejects the best paraphrase. No benchmark is judged
like this, and its figures are comparable with none.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit import normalizer
from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.types import Failure, Request, Response

_VERSION = 1
_RIGHT_OR_WRONG = 2  # verdicts
# A Chinese character is a word, and so is what is written together in other scripts.
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")


class WordJudge(ModelAdapter):
    """Replies to a judge's question by the share of the reference's words that the answer has.

    It reads the request's ``assessment`` and not the question. Right is an answer with all words of the reference;
    marks go from the worst for none to the best for all. Figures are compared as numbers, and English spellings as
    one. A question without a reference answer fails.
    """

    capabilities = Capabilities(sample_rate=None, batch_size=256, audio_input=False)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Reply to each question, as often as replies are wanted."""
        return [_respond(request) for request in requests]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the version of its rule."""
        return {"adapter": "word_judge", "version": _VERSION}


def _respond(request: Request) -> Response:
    assessment = request.assessment
    if assessment is None:
        return Response(
            failure=Failure("refused", "the word judge can only answer questions that give it a reference answer")
        )
    wanted, found = _words(assessment.references), _words(assessment.answers)
    share = len(wanted & found) / len(wanted) if wanted else 0.0
    verdicts = assessment.verdicts
    steps = int(share) if len(verdicts) == _RIGHT_OR_WRONG else round(share * (len(verdicts) - 1))
    reply = verdicts[steps]
    return Response(reply, replies=(reply,) * request.replies if request.replies > 1 else ())


def _words(texts: Sequence[str]) -> set[str]:
    normalize = normalizer("en")
    return {word for text in texts for word in _WORD.findall(normalize(text))}
