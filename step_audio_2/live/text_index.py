"""Texts found by their words, with BM25."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

# Han, kana: written without spaces, so that pairs of characters stand for words. Other letters and digits: words.
_CHARACTERS = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_RUNS = re.compile(rf"[{_CHARACTERS}]+|[^\W_{_CHARACTERS}]+")
_IS_CHARACTER = re.compile(rf"[{_CHARACTERS}]")


class TextIndex:
    """Finds those of a list of texts that share most with a question.

    Args:
        texts: to be found.

    Raises:
        ImportError: bm25s is not installed.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s

        tokens = [terms(text) for text in texts]
        self._known = {term for row in tokens for term in row}
        self._index = bm25s.BM25()
        if self._known:
            self._index.index(tokens, show_progress=False)

    def search(self, query: str, count: int) -> list[int]:
        """Return the places of the texts that fit best, the best first; none that shares nothing with the query."""
        asked = [term for term in terms(query) if term in self._known]
        if not asked:
            return []
        scores = self._index.get_scores(asked)
        best = np.argsort(-scores, kind="stable")[:count]
        return [int(place) for place in best if scores[place] > 0]


def terms(text: str) -> list[str]:
    """Cut a text into what is looked up: words, and pairs of Chinese or Japanese characters.

    >>> terms("Shanghai的天气")
    ['shanghai', '的天', '天气']
    """
    found: list[str] = []
    for run in _RUNS.findall(unicodedata.normalize("NFKC", text).casefold()):
        is_pairs = _IS_CHARACTER.match(run) and len(run) > 1
        found += [run[place : place + 2] for place in range(len(run) - 1)] if is_pairs else [run]
    return found
