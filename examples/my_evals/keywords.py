"""A task of one's own: which of the words that matter does a model hear?"""

import re
from collections.abc import Sequence
from typing import Unpack

from evalkit.chain import Chain, Score
from evalkit.errors import ConfigurationError
from evalkit.metrics.mean import mean_metric
from evalkit.task import CommonSettings, DatasetTask
from evalkit.types import Call, Sample


class KeywordRecall(DatasetTask):
    """Have recordings written down, and count the keywords of each reference that were heard.

    Args:
        keywords: the words that matter, in any case.
        **common: see ``DatasetTask``; samples have one recording and one reference.

    Raises:
        ConfigurationError: there are no keywords.
    """

    details = ("heard", "missed")

    def __init__(self, *, keywords: Sequence[str], **common: Unpack[CommonSettings]) -> None:
        super().__init__(**common)
        if not keywords:
            raise ConfigurationError(f"task {self.name}: keywords is empty; name at least one")
        self._keywords = frozenset(word.lower() for word in keywords)
        self._prompt = self._prompts.of("asr")  # the kind of question; prompt profiles say how to put it
        self.metrics = {
            "recall": mean_metric(
                "Keyword recall", statistics=("heard", "spoken"), recipe={"keywords": ",".join(sorted(self._keywords))}
            )
        }

    def chain(self, sample: Sample) -> Chain:
        """Ask what is said in the recording."""
        response = yield Call("model", self._prompt.request(sample.audio, language=sample.language))
        return self._score(sample, response.text)

    def unanswered(self, sample: Sample) -> Score:
        """Score no answer as one in which nothing was heard."""
        return self._score(sample, "")

    def _score(self, sample: Sample, text: str) -> Score:
        spoken, heard = _words(sample.references[0]) & self._keywords, _words(text)
        found = spoken & heard
        details = {"heard": " ".join(sorted(found)), "missed": " ".join(sorted(spoken - found))}
        return Score({"recall": (len(found), len(spoken))}, details)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z']+", text.lower()))
