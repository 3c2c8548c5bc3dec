"""Words of a transcription task: what is taken for what, how well each is recognised, and which kinds are not."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from evalkit.results.task_result import TaskResult
from reports.render.markup import Markup, data_table, element, join
from reports.samples.scored import ScoredSample
from reports.views.view import View, note, section, share

_SHOWN = 15
_RARE = 2
_NUMBER = re.compile(r"\d|[零〇一二三四五六七八九十百千万萬亿億]")
_TOKEN = re.compile(r"[^\W\d_][\w'’-]*")


class Words(View):
    """Counts of every unit of the references, and of every confusion."""

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result)
        self.seen: Counter[str] = Counter()
        self.right: Counter[str] = Counter()
        self._substituted: Counter[tuple[str, str]] = Counter()
        self._deleted: Counter[str] = Counter()
        self._inserted: Counter[str] = Counter()
        self._capitalised: set[str] = set()
        self._lower_case: set[str] = set()

    def add(self, sample: ScoredSample) -> None:
        """Take in one transcription that counts."""
        if self.result.metric.function != "corpus_error_rate" or sample.status == "skipped":
            return
        for operation, reference, hypothesis in sample.steps:
            if reference is not None:
                self.seen[reference] += 1
            if operation == "equal":
                self.right[str(reference)] += 1
            elif operation == "substitution":
                self._substituted[str(reference), str(hypothesis)] += 1
            elif operation == "deletion":
                self._deleted[str(reference)] += 1
            else:
                self._inserted[str(hypothesis)] += 1
        for text in sample.references:
            self._note_case(text)

    def _note_case(self, text: str) -> None:
        if text.isupper() or text.islower():
            return
        tokens = [(match[0], match.start()) for match in _TOKEN.finditer(text)]
        for token, start in tokens:
            if token[0].islower():
                self._lower_case.add(token.lower())
            elif token[0].isupper() and not _begins_sentence(text, start) and len(token) > 1:
                self._capitalised.add(token.lower())

    @classmethod
    def render(cls, views: Sequence[Self], runs: Sequence[str]) -> Markup:
        """Return tables of errors, kinds of words, and words gained and lost."""
        if not any(view.seen or view._inserted for view in views):
            return Markup("")
        tables = [
            _commonest("Substitutions", ("Said", "Recognised"), [view._substituted for view in views], runs),
            _commonest("Deletions", ("Said",), [view._deleted for view in views], runs),
            _commonest("Insertions", ("Recognised",), [view._inserted for view in views], runs),
        ]
        changes = [
            _gained_and_lost(views[0], view, runs[0], run) for view, run in zip(views[1:], runs[1:], strict=True)
        ]
        vocabulary = element(
            "details",
            element("summary", f"Every word of the references ({len(_vocabulary(views)):,})"),
            element("div", class_="vocabulary"),
        )
        return join(
            section("The commonest errors", element("div", *filter(None, tables), class_="beside")),
            section("Kinds of words", _kinds(views, runs)),
            *changes,
            section("Words", vocabulary),
        )

    @classmethod
    def vocabulary(cls, views: Sequence[Self]) -> list[list[Any]]:
        """Return every word with how often it was said and, for each run, how often it was recognised."""
        return [[word, count, *(view.right[word] for view in views)] for word, count in _vocabulary(views).items()]


def _vocabulary(views: Sequence[Words]) -> Counter[str]:
    seen: Counter[str] = Counter()
    for view in views:
        seen |= view.seen
    return seen


def _commonest(name: str, head: tuple[str, ...], counts: Sequence[Counter[Any]], runs: Sequence[str]) -> Markup:
    total: Counter[Any] = sum(counts, Counter())
    rows = []
    for item, _ in total.most_common(_SHOWN):
        texts = item if isinstance(item, tuple) else (item,)
        rows.append((*texts, *(f"{count[item]:,}" for count in counts)))
    if not rows:
        return Markup("")
    wholes = ", ".join(f"{count.total():,}" for count in counts)
    return data_table(f"{name} ({wholes})", (*head, *runs), rows, texts=len(head))


def _kinds(views: Sequence[Words], runs: Sequence[str]) -> Markup:
    seen = _vocabulary(views)
    capitalised = {word for view in views for word in view._capitalised}
    names = capitalised - {word for view in views for word in view._lower_case}
    kinds = {
        "all": set(seen),
        "numbers": {word for word in seen if _NUMBER.search(word)},
        "names": {word for word in seen if word.removesuffix("'s").removesuffix("’s") in names},
        f"rare words, said at most {_RARE} times": {word for word, count in seen.items() if count <= _RARE},
    }
    rows = []
    for kind, words in kinds.items():
        if words:
            said = max(sum(view.seen[word] for word in words) for view in views)
            cells = [
                share(sum(view.right[word] for word in words), sum(view.seen[word] for word in words)) for view in views
            ]
            rows.append((kind, f"{len(words):,}", f"{said:,}", *cells))
    explained = note(
        "Recognised words of those said; insertions do not count here. Names are words that references write with a "
        "capital inside sentences" + ("." if names else ", of which these references have none.")
    )
    return join(data_table("Share of words recognised", ("", "Words", "Said", *runs), rows), explained)


def _gained_and_lost(base: Words, new: Words, base_name: str, new_name: str) -> Markup:
    changes = {word: new.right[word] - base.right[word] for word in base.seen if new.seen[word] == base.seen[word]}
    ordered = sorted(changes, key=lambda word: (-changes[word], word))
    gained = [word for word in ordered if changes[word] > 0][:_SHOWN]
    lost = [word for word in reversed(ordered) if changes[word] < 0][:_SHOWN]

    def table(caption: str, words: Sequence[str]) -> Markup:
        rows: list[tuple[str, ...]] = [
            (word, f"{base.seen[word]:,}", f"{base.right[word]:,}", f"{new.right[word]:,}") for word in words
        ]
        return data_table(caption, ("Word", "Said", base_name, new_name), rows) if rows else Markup("")

    tables = [table("Gained: recognised more often", gained), table("Lost: recognised less often", lost)]
    beside = element("div", *filter(None, tables), class_="beside") if any(tables) else ""
    return section(f"Words gained and lost, {new_name} against {base_name}", beside)


def _begins_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \"'“”‘’(«¿¡-–—")
    return not before or before[-1] in ".!?…:"
