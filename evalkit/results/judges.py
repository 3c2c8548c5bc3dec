"""Two judges on the same answers: how far they agree, what the figures are under each, and where they part.

Agreement is over the samples that both judged: answers that no judge was asked about, such as silence, and those whose
verdict could not be read by one of the two say nothing of it. It is the share of equal scores, and Cohen's kappa, which
takes away what would agree by chance (Cohen 1960); of marks with quadratic weights, by which a judge that is one mark
off disagrees less than one that is three off (Cohen 1968). The figures are over all samples, as they are quoted.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from evalkit.metrics.agreement import cohens_kappa
from evalkit.metrics.functions import get_metric_function
from evalkit.metrics.metric import in_unit, rounded
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.differences import interval_in_unit, measured_difference
from evalkit.results.markdown import clipped, escaped
from evalkit.results.metrics_file import RunResult
from evalkit.results.recorded_calls import RecordedCall, RecordedCalls
from evalkit.results.scores import ScoredSamples, ScoresFile
from evalkit.results.task_result import TaskResult
from evalkit.results.wording import difference_text, figure_text

_PROMPT = "judge_prompt"  # in the recipe of a figure that depends on a judge
_BINARY = {0.0, 1.0}
_MOST_SCORES = 40  # of which there is a kappa: it is of verdicts and marks, not of rates


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A sample that two judges score differently.

    Attributes:
        sample_id: the sample.
        question: that was put to the second judge; text alone.
        references: the right answers.
        answer: what the model under test answered.
        base_score: what the answer is worth to the first judge, in the unit of the metric.
        new_score: what it is worth to the second.
        base_replies: of the first judge, as it wrote them.
        new_replies: of the second.
    """

    sample_id: str
    question: str
    references: tuple[str, ...]
    answer: str
    base_score: float
    new_score: float
    base_replies: tuple[str, ...]
    new_replies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two judges agree on the answers of one task; figures are in the unit that is printed.

    Attributes:
        task: its name.
        title: its title.
        role: the judges'.
        judges: the titles of the first and the second.
        metric: the metric's name.
        unit: printed behind its values; empty for points.
        decimals: with how many its values are printed.
        level: of the intervals.
        judged: how many samples both judged.
        unjudged: how many one of the two judged alone, or replied to with what cannot be read.
        agreed: the share of equal scores among those that both judged; None if there are none.
        kappa: Cohen's; None where it is undefined, as where both judges give all answers the same score, or where
            scores are of too many kinds.
        kappa_interval: of kappa; None where none can be given.
        weights: of kappa: ``none`` for verdicts, ``quadratic`` for marks.
        base: the figure under the first judge, over the samples of both runs; None where it is undefined.
        new: the figure under the second.
        difference: new minus base.
        interval: of the difference; None where none can be given.
        disagreements: the samples that they score differently, those furthest apart first.
    """

    task: str
    title: str
    role: str
    judges: tuple[str, str]
    metric: str
    unit: str
    decimals: int
    level: float
    judged: int
    unjudged: int
    agreed: float | None
    kappa: float | None
    kappa_interval: tuple[float, float] | None
    weights: str
    base: float | None
    new: float | None
    difference: float | None
    interval: tuple[float, float] | None
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True, slots=True)
class JudgesCompared:
    """Two judges on the same answers, task by task.

    Attributes:
        base: name of the run with the first judge.
        new: name of the run with the second.
        agreements: one for each figure that depends on them.
        remarks: what else has to be said.
    """

    base: str
    new: str
    agreements: tuple[Agreement, ...]
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)

    def to_markdown(self, samples: int | None = None) -> str:
        """Return a Markdown table, followed by what the judges part over.

        Args:
            samples: at most so many of each figure; None for all.
        """
        return "\n".join(_lines(self, samples))


def compare_judges(base: RunResult, new: RunResult, role: str, settings: BootstrapSettings) -> JudgesCompared:
    """Compare two judges of the same answers, by the results of two runs.

    Args:
        base: the run with the first judge; read from its folder.
        new: that with the second.
        role: that they play.
        settings: how intervals are made.

    Raises:
        StoreError: the scores or the replies of a run cannot be read.
    """
    tasks = [(base.tasks[name], new.tasks[name]) for name in new.tasks if name in base.tasks]
    judged = [pair for pair in tasks if role in pair[0].models and role in pair[1].models]
    agreements = [
        _Pair((base, new), pair, role).agreement(key, settings) for pair in judged for key in _judged_metrics(*pair)
    ]
    same = [new.title for old, new in judged if old.models[role].fingerprint == new.models[role].fingerprint]
    remarks = [f"{title}: the same {role} twice, so that what differs is its own spread" for title in same]
    remarks += [
        f"{task.title}: no answer was put to a {role} in both runs" for task, _ in tasks if role not in task.models
    ]
    return JudgesCompared(base.name, new.name, tuple(agreements), tuple(remarks))


def _judged_metrics(base: TaskResult, new: TaskResult) -> list[str]:
    """Return the metrics that depend on a judge: those that name its prompt, else all by which runs are compared."""
    both = [key for key in base.compared if key in new.metrics]
    return [key for key in both if _PROMPT in base.metrics[key].recipe] or both


class _Pair:
    """One task in two runs with other judges."""

    def __init__(self, runs: tuple[RunResult, RunResult], tasks: tuple[TaskResult, TaskResult], role: str) -> None:
        self._tasks = tasks
        self._role = role
        self._folders = tuple(_folder(run, task) for run, task in zip(runs, tasks, strict=True))
        self._files = [ScoresFile(path, task.digest) for path, task in zip(self._folders, tasks, strict=True)]
        asked = [_asked(file, role) for file in self._files]
        self._verdicts = [{id_ for id_, sound in each.items() if sound} for each in asked]
        self._asked = set(asked[0]) | set(asked[1])

    def agreement(self, key: str, settings: BootstrapSettings) -> Agreement:
        """Compare the judges by one metric."""
        metrics = [task.metrics[key] for task in self._tasks]
        base, new = (
            file.scored_samples(key, tuple(metric.statistics), task.resampled)
            for file, metric, task in zip(self._files, metrics, self._tasks, strict=True)
        )
        rows = _shared_rows(base, new)
        if not rows:
            raise StoreError(f"{self._tasks[0].name}: no sample counts in both runs; judge more of them")
        counted = [row for row in rows if self._both_judged(base.ids[row[0]])]
        function = get_metric_function(metrics[0].function)
        scores = [(function(base.statistics[old]), function(new.statistics[row])) for old, row in counted]
        counted = [row for row, pair in zip(counted, scores, strict=True) if not any(map(math.isnan, pair))]
        scores = [pair for pair in scores if not any(map(math.isnan, pair))]
        first, second = [pair[0] for pair in scores], [pair[1] for pair in scores]
        weights = "none" if {*first, *second} <= _BINARY else "quadratic"
        kappa, kappa_interval = _kappa(first, second, weights, _clusters(base, [row for row, _ in counted]), settings)
        figures = measured_difference(
            base.statistics[[row for row, _ in rows]],
            new.statistics[[row for _, row in rows]],
            metrics[0].function,
            metrics[0].scale,
            _clusters(base, [row for row, _ in rows]),
            settings,
        )
        parted = [
            (row, pair) for row, pair in zip(counted, scores, strict=True) if not math.isclose(*pair, abs_tol=1e-9)
        ]
        return Agreement(
            task=self._tasks[0].name,
            title=self._tasks[0].title,
            role=self._role,
            judges=(self._tasks[0].models[self._role].title, self._tasks[1].models[self._role].title),
            metric=metrics[0].name,
            unit=metrics[0].unit,
            decimals=metrics[0].decimals,
            level=settings.level,
            judged=len(scores),
            unjudged=len(self._asked & {base.ids[row] for row, _ in rows}) - len(scores),
            agreed=1 - len(parted) / len(scores) if scores else None,
            kappa=kappa,
            kappa_interval=kappa_interval,
            weights=weights,
            base=figures.base,
            new=figures.new,
            difference=figures.difference,
            interval=figures.interval,
            disagreements=self._disagreements(parted, base, metrics[0].scale),
        )

    def _both_judged(self, sample_id: str) -> bool:
        return all(sample_id in verdicts for verdicts in self._verdicts)

    def _disagreements(
        self, parted: Sequence[tuple[tuple[int, int], tuple[float, float]]], base: ScoredSamples, scale: float
    ) -> tuple[Disagreement, ...]:
        ids = {base.ids[row] for (row, _), _ in parted}
        old, new = (_last_calls(*each, self._role, ids) for each in zip(self._folders, self._files, strict=True))
        far_first = sorted(parted, key=lambda each: (-abs(each[1][0] - each[1][1]), base.ids[each[0][0]]))
        return tuple(
            Disagreement(
                sample_id=base.ids[row],
                question=_question(new[base.ids[row]].asked if base.ids[row] in new else {}),
                references=tuple(base.references[row]),
                answer=base.answers[row],
                base_score=in_unit(first, scale),
                new_score=in_unit(second, scale),
                base_replies=_replies(old.get(base.ids[row])),
                new_replies=_replies(new.get(base.ids[row])),
            )
            for (row, _), (first, second) in far_first
        )


def _last_calls(folder: Path, file: ScoresFile, role: str, ids: Collection[str]) -> dict[str, RecordedCall]:
    """Return the last good call to a role about each of these samples."""
    if not ids:
        return {}
    found: dict[str, RecordedCall] = {}
    with RecordedCalls(folder) as calls:
        for row in file.rows(["id", "responses"]):
            if row["id"] in ids:
                good = [call for call in calls.of(row["id"], row["responses"]) if not call.response.failed]
                if asked := [call for call in good if call.role == role]:
                    found[row["id"]] = asked[-1]
    return found


def _replies(call: RecordedCall | None) -> tuple[str, ...]:
    return () if call is None else call.response.replies or (call.response.text,)


def _folder(run: RunResult, task: TaskResult) -> Path:
    if run.folder is None:
        raise StoreError(f"{run.name}: is not read from a folder, and has no replies")
    return run.folder / task.name


def _asked(file: ScoresFile, role: str) -> dict[str, bool]:
    """Return the samples that the role was asked about, and whether a verdict came of it."""
    return {
        row["id"]: row["status"] == "scored"
        for row in file.rows(["id", "status", "responses"])
        if any(each["role"] == role for each in row["responses"])
    }


def _shared_rows(base: ScoredSamples, new: ScoredSamples) -> list[tuple[int, int]]:
    """Return the rows of the samples that count in both runs."""
    rows = {id_: row for row, id_ in enumerate(new.ids)}
    return [(row, rows[id_]) for row, id_ in enumerate(base.ids) if id_ in rows]


def _kappa(
    first: Sequence[float], second: Sequence[float], weights: str, clusters: Any, settings: BootstrapSettings
) -> tuple[float | None, tuple[float, float] | None]:
    if not 0 < len({*first, *second}) <= _MOST_SCORES:
        return None, None
    found = cohens_kappa(
        first,
        second,
        weights=None if weights == "none" else "quadratic",
        clusters=clusters,
        level=settings.level,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    return None if math.isnan(found.value) else found.value, interval_in_unit(found.interval, 1)


def _clusters(samples: ScoredSamples, rows: Sequence[int]) -> Sequence[str] | None:
    """Return what the samples of these rows are clustered by; None if they are independent."""
    return None if samples.clusters is None else [samples.clusters[row] for row in rows]


def _question(asked: Mapping[str, Any]) -> str:
    """Return the words of the last turn that a judge was asked with."""
    messages = asked.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    content = last.get("content") if isinstance(last, dict) else ()
    parts = content if isinstance(content, list) else []
    return "\n".join(part for part in parts if isinstance(part, str))


def _lines(compared: JudgesCompared, samples: int | None) -> Iterator[str]:
    yield f"# The judges of {escaped(compared.new)} and of {escaped(compared.base)}"
    if compared.agreements:
        level = f"{100 * compared.agreements[0].level:g} %"
        yield ""
        yield (
            f"| Task | Metric | First judge | Second judge | Difference [{level}] | Judged by both | Equal | "
            f"Kappa [{level}] |"
        )
        yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
        yield from (f"| {' | '.join(_row(each))} |" for each in compared.agreements)
        yield ""
        yield (
            "Figures are over all samples; agreement is over those that both judges gave a verdict on. Kappa is "
            "Cohen's, of marks with quadratic weights."
        )
    for remark in compared.remarks:
        yield from ("", f"{escaped(remark)}.")
    for each in compared.agreements:
        if each.disagreements and samples != 0:
            yield from _disagreement_lines(each, samples)


def _row(each: Agreement) -> list[str]:
    metric = f"{each.metric} ({each.unit})" if each.unit else each.metric
    kappa = "undefined" if each.kappa is None else figure_text(each.kappa, each.kappa_interval, 2)
    judged = f"{each.judged:,}" + (f" ({each.unjudged:,} more by one)" if each.unjudged else "")
    figures = (
        f"{'undefined' if value is None else rounded(value, each.decimals)} ({escaped(judge)})"
        for value, judge in zip((each.base, each.new), each.judges, strict=True)
    )
    return [
        escaped(each.title),
        escaped(metric),
        *figures,
        "" if each.difference is None else difference_text(each.difference, each.interval, each.decimals),
        judged,
        "" if each.agreed is None else f"{rounded(100 * each.agreed, 1)} %",
        kappa,
    ]


def _disagreement_lines(each: Agreement, samples: int | None) -> Iterator[str]:
    shown = each.disagreements[:samples]
    count = (
        f"{len(shown):,} of {len(each.disagreements):,}" if len(shown) < len(each.disagreements) else f"{len(shown):,}"
    )
    yield from ("", f"## {escaped(each.title)}, {escaped(each.metric)}: what the judges part over ({count})", "")
    yield "| Sample | Reference | Answer | First judge | Second judge | Question to the second |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for parted in shown:
        replies = [
            f"{rounded(score, each.decimals)}: {' / '.join(texts)}"
            for score, texts in (
                (parted.base_score, parted.base_replies),
                (parted.new_score, parted.new_replies),
            )
        ]
        texts = (parted.sample_id, " / ".join(parted.references), parted.answer, *replies, parted.question)
        yield f"| {' | '.join(escaped(clipped(text)) for text in texts)} |"
