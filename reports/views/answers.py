"""Answers to questions: which option was chosen, what the judge said, how long conversations and answers are."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from evalkit.results.task_result import TaskResult
from reports.render.markup import Markup, bar, data_table, join
from reports.samples.scored import ScoredSample
from reports.views.view import View, in_words, note, section, share

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OTHER = "none of the options"
_VERDICTS = ("verdict", "judgement", "parameters_accepted")
_MOST_VERDICTS = 12
_MOST_TIMES = 100_000


class Choices(View):
    """Where the right option stands among the others, and where the chosen one does."""

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result)
        self._right: Counter[str] = Counter()
        self._hit: Counter[str] = Counter()
        self._chosen: Counter[str] = Counter()

    def add(self, sample: ScoredSample) -> None:
        """Take in one question with options."""
        choices = sample.metadata.get("choices")
        if not isinstance(choices, list) or sample.status == "skipped" or not sample.references:
            return
        options = [_plain(str(choice)) for choice in choices][: len(_LETTERS)]
        place = _place(sample.references[0], options)
        self._right[place] += 1
        self._hit[place] += not sample.wrong
        answer = next((sample.details[name] for name in sample.details if name.endswith("answer")), sample.answer)
        self._chosen[place if not sample.wrong else _place(answer, options)] += 1

    @classmethod
    def render(cls, views: Sequence[Self], runs: Sequence[str]) -> Markup:
        """Return a table by position of the option."""
        if not any(view._right for view in views):
            return Markup("")
        rows = []
        for place in [*_LETTERS, _OTHER]:
            if any(view._right[place] or view._chosen[place] for view in views):
                cells: list[str] = []
                for view in views:
                    cells += [share(view._hit[place], view._right[place]), f"{view._chosen[place]:,}"]
                rows.append((place, f"{max(view._right[place] for view in views):,}", *cells))
        heads = [title for run in runs for title in (f"accuracy, {run}", f"chosen, {run}")]
        table = data_table("By position of the option", ("Option", "Right here", *heads), rows)
        return section(
            "Options", table, note("A model that prefers a position chooses it more often than it is right.")
        )


class Verdicts(View):
    """What judges said of the answers."""

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result)
        self._verdicts: Counter[str] = Counter()
        self._empty = 0

    def add(self, sample: ScoredSample) -> None:
        """Take in one answer that was judged, or could not be."""
        name = next((name for name in _VERDICTS if name in sample.details), None)
        if name is None or sample.status == "skipped":
            return
        verdict = sample.details[name].strip()
        if len(self._verdicts) < 1_000:
            self._verdicts[verdict[:80]] += bool(verdict)
        self._empty += not verdict

    @classmethod
    def render(cls, views: Sequence[Self], runs: Sequence[str]) -> Markup:
        """Return how often each verdict was given."""
        total: Counter[str] = sum((view._verdicts for view in views), Counter())
        rows: list[tuple[str, ...]] = []
        for verdict, _ in total.most_common(_MOST_VERDICTS):
            cells = [
                join(bar(view._verdicts[verdict] / (view._verdicts.total() or 1)), f" {view._verdicts[verdict]:,}")
                for view in views
            ]
            rows.append((verdict, *cells))
        if not rows:
            return Markup("")
        if any(view._empty for view in views):
            rows.append(("without a verdict", *(f"{view._empty:,}" for view in views)))
        judges = dict.fromkeys(view.result.models["judge"].title for view in views if "judge" in view.result.models)
        said = f"Verdicts of {', '.join(judges)}" if judges else "Verdicts"
        return section("Verdicts", data_table(f"{said}, samples", ("Verdict", *runs), rows))


class Rounds(View):
    """Conversations by their number of rounds."""

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result)
        self._scores: dict[int, list[float]] = {}

    def add(self, sample: ScoredSample) -> None:
        """Take in one conversation."""
        rounds = sum(response["role"] == "model" for response in sample.responses)
        value = sample.values.get(self.result.headline)
        if value is not None and rounds:
            total = self._scores.setdefault(rounds, [0.0, 0])
            total[0] += value
            total[1] += 1

    @classmethod
    def render(cls, views: Sequence[Self], runs: Sequence[str]) -> Markup:
        """Return the mean score by number of rounds, where some conversation has several."""
        numbers = sorted({number for view in views for number in view._scores})
        if not numbers or numbers[-1] == 1:
            return Markup("")
        rows = []
        for number in numbers:
            cells: list[str] = []
            for view in views:
                total, count = view._scores.get(number, (0.0, 0))
                cells += [f"{count:,.0f}", in_words(total / count if count else None, view.result.metric)]
            rows.append((f"{number}", *cells))
        heads = [title for run in runs for title in (f"conversations, {run}", f"mean, {run}")]
        return section("Rounds", data_table("By number of rounds", ("Rounds", *heads), rows))


class ToolCalls(View):
    """Which tool was wanted, and which one was called."""

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result)
        self._called: Counter[tuple[str, str]] = Counter()
        self._wanted: Counter[str] = Counter()

    def add(self, sample: ScoredSample) -> None:
        """Take in one conversation with tools."""
        tool = sample.metadata.get("tool")
        if "calls" not in sample.details or not isinstance(tool, str) or sample.status == "skipped":
            return
        wanted = tool if sample.metadata.get("positive") else f"not {tool}"
        self._wanted[wanted] += 1
        for name in _called(sample.responses) or ["no call"]:
            self._called[wanted, name] += 1

    @classmethod
    def render(cls, views: Sequence[Self], runs: Sequence[str]) -> Markup:
        """Return a table of wanted against called."""
        pairs = sorted({pair for view in views for pair in view._called})
        rows = [
            (
                wanted,
                called,
                f"{max(view._wanted[wanted] for view in views):,}",
                *(f"{view._called[wanted, called]:,}" for view in views),
            )
            for wanted, called in pairs
        ]
        if not rows:
            return Markup("")
        table = data_table("What was wanted and what was called", ("Wanted", "Called", "Samples", *runs), rows, texts=2)
        return section("Tool calls", table)


class Speech(View):
    """Spoken answers: how many said something, how long they are, and how soon they could be heard."""

    def __init__(self, result: TaskResult) -> None:
        super().__init__(result)
        self._answers = self._spoken = 0
        self._first: list[float] = []

    def add(self, sample: ScoredSample) -> None:
        """Take in the answers of one sample."""
        for position, response in enumerate(sample.responses):
            if response["role"] != "model":
                continue
            self._answers += 1
            self._spoken += bool(response.get("speech"))
            first = sample.calls[position].response.first_sound if position < len(sample.calls) else None
            if first is not None and len(self._first) < _MOST_TIMES:
                self._first.append(first)

    @classmethod
    def render(cls, views: Sequence[Self], runs: Sequence[str]) -> Markup:
        """Return what is known of the speech, where there is some."""
        if not any(view._spoken for view in views):
            return Markup("")
        rows: list[tuple[str, ...]] = [
            ("answers", *(f"{view._answers:,}" for view in views)),
            ("with sound", *(f"{view._spoken:,} ({share(view._spoken, view._answers)})" for view in views)),
        ]
        if any(view._first for view in views):
            rows.append(("first sound, median", *(_median(view._first) for view in views)))
        return section("Speech", data_table("Spoken answers", ("", *runs), rows))


def _median(values: Sequence[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.2f} s" if values else "–"


def _called(responses: Sequence[Any]) -> list[str]:
    return [call["name"] or "malformed" for each in responses for call in each.get("tool_calls") or ()]


def _place(text: str, options: Sequence[str]) -> str:
    plain = _plain(text)
    if plain in options:
        return _LETTERS[options.index(plain)]
    held = [position for position, option in enumerate(options) if option and option in plain]
    return _LETTERS[held[0]] if len(held) == 1 else _OTHER


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .()\"'")
