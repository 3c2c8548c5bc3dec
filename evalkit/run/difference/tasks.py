"""One task of two runs: its figures, what differs, and what each cause explains of each figure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evalkit.errors import ConfigurationError, EvalkitError
from evalkit.metrics.metric import difference_in_unit
from evalkit.results.task_result import MetricResult, TaskResult
from evalkit.run.difference.attribution import Keys, Scored, Step, attributed
from evalkit.run.difference.causes import CauseKey, Change, Figure
from evalkit.run.difference.drafts import Drafts
from evalkit.run.difference.evidence import Evidence
from evalkit.run.difference.opened import OpenedRun
from evalkit.run.difference.rescored import rescored, task_of
from evalkit.run.difference.settings import ChangedSetting

_SCORING: Keys = frozenset({CauseKey("scoring")})
_EVALKIT: Keys = frozenset({CauseKey("evalkit")})


@dataclass(frozen=True, slots=True)
class ExplainedFigure:
    """A figure with the steps that lead from its base value to its new one.

    Attributes:
        figure: the two values.
        steps: empty where they could not be found; the figure's remark then says why.
    """

    figure: Figure
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class ExplainedTask:
    """A task of both runs.

    Attributes:
        figures: those by which runs are compared, by their keys in both runs; the headline first.
        recomputed: whether its answers could be scored again where that was called for; None where it was not.
    """

    figures: Sequence[ExplainedFigure]
    recomputed: bool | None


def explained_task(
    evidence: Evidence,
    runs: tuple[OpenedRun, OpenedRun],
    settings: Sequence[ChangedSetting],
    drafts: Drafts,
    *,
    other_evalkit: bool,
    allow: Sequence[str],
) -> ExplainedTask:
    """Find out what each cause explains of a task's figures.

    Args:
        evidence: what the runs recorded of it.
        runs: the base run and the new one.
        settings: in which they differ.
        drafts: takes what is found.
        other_evalkit: whether the runs were made or scored by different versions of evalkit.
        allow: packages of the user's own whose task classes may be made.
    """
    results = evidence.results
    changes = _scoring_changes(evidence, settings, drafts)
    if changes:
        drafts.note(CauseKey("scoring"), changes=changes, task=evidence.name)
    scored, reason = _as_stored(evidence), ""
    wanted = other_evalkit or changes or "references" in evidence.own or "facts" in evidence.own
    wanted = bool(wanted) or _alike_but_scored_otherwise(evidence, scored)
    if wanted:
        scored, reason = _scored(evidence, runs, allow, scoring=bool(changes))
    if reason and changes:
        sentence = f"What it explains in {results[0].title} cannot be told apart from the answers: {reason}."
        drafts.note(CauseKey("scoring"), sentence=sentence)
    elif reason and _alike_but_scored_otherwise(evidence, scored):
        sentence = f"{results[0].title}: answers that are alike have other scores, and cannot be scored now: {reason}."
        drafts.note(CauseKey("unexplained"), sentence=sentence, task=evidence.name)
    figures = [_explained(evidence, pair, scored) for pair in _pairs(results)]
    return ExplainedTask(figures, not reason if wanted else None)


def _scoring_changes(evidence: Evidence, settings: Sequence[ChangedSetting], drafts: Drafts) -> list[Change]:
    """Return what is set otherwise for scoring a task, and in what the recipes of its figures differ."""
    recipes = dict.fromkeys(change for pair in _pairs(evidence.results) for change in _recipe_changes(evidence, pair))
    own = [each.change for each in settings if each.matter == "scoring" and each.owner in ("", evidence.name)]
    # A version that knows a setting leaves it, most often, at what was done before there was the setting.
    new_settings = [change for change in own if None in (change.base, change.new) and not recipes]
    for change in new_settings:
        drafts.harmless(change, "one of the versions does not have the setting, and the recipes are the same")
    return [*(change for change in own if change not in new_settings), *recipes]


def _alike_but_scored_otherwise(evidence: Evidence, scored: Scored) -> bool:
    """Return whether answers that are alike have other scores, as where the code of a task was changed."""
    alike = [row for row, group in enumerate(scored.groups) if not group]
    return any(
        scored.base[base].shape != scored.new[new].shape
        or bool((scored.base[base][alike] != scored.new[new][alike]).any())
        for base, new in _pairs(evidence.results)
    )


def value_difference(base: float | None, new: float | None) -> float | None:
    """Return new minus base, or None where one of them is undefined."""
    return None if base is None or new is None else difference_in_unit(new, base)


def _pairs(results: tuple[TaskResult, TaskResult]) -> list[tuple[str, str]]:
    """Return the keys of each figure in both runs: of the headline and what runs are compared by."""
    base, new = results
    keys = dict.fromkeys((base.headline, new.headline, *base.compared, *new.compared))
    shared = [(key, key) for key in keys if key in base.metrics and key in new.metrics]
    return shared or [(base.headline, new.headline)]


def _recipe_changes(evidence: Evidence, pair: tuple[str, str]) -> Iterator[Change]:
    """Yield in what the recipes of a figure differ, apart from the models that took part."""
    results = evidence.results
    recipes = [result.metrics[key].recipe for result, key in zip(results, pair, strict=True)]
    roles = {*results[0].models, *results[1].models}
    for field in dict.fromkeys((*recipes[0], *recipes[1])):
        values = [recipe.get(field) for recipe in recipes]
        if values[0] != values[1] and field not in roles:
            yield Change(field, *values)


def _as_stored(evidence: Evidence, joint: Keys = frozenset()) -> Scored:
    """Return the statistics as the runs have them; where answers differ, causes that could not be told apart join."""
    base, new = (
        {key: values[places] for key, values in side.statistics.items()}
        for side, places in zip(evidence.samples, evidence.places, strict=True)
    )
    joined = {group: joint | group for group in set(evidence.groups)}
    return Scored(base, new, evidence.shared, [joined[group] for group in evidence.groups])


def _scored(
    evidence: Evidence, runs: tuple[OpenedRun, OpenedRun], allow: Sequence[str], *, scoring: bool
) -> tuple[Scored, str]:
    """Score the recorded answers of both runs again, under each change; or say why it cannot be done."""
    data: Keys = frozenset(CauseKey(own) for own in ("references", "facts") if own in evidence.own)
    base, new = 0, 1
    try:
        base_task, new_task = (task_of(run, evidence.name, allow) for run in runs)
        stages = [(_EVALKIT, rescored(base_task, evidence.answered_samples(base, by=base)))]
        if data:
            stages.append((data, rescored(base_task, evidence.answered_samples(new, by=base))))
        new_as_base = None
        if scoring:
            stages.append((_SCORING, rescored(new_task, evidence.answered_samples(new, by=base))))
            new_as_base = rescored(base_task, evidence.answered_samples(new, by=new))
        new_now = rescored(new_task, evidence.answered_samples(new, by=new))
    except EvalkitError as error:
        return _as_stored(evidence, data | (_SCORING if scoring else frozenset())), str(error)
    stored = _as_stored(evidence)
    return Scored(stored.base, stored.new, stored.shared, stored.groups, stages, new_now, new_as_base), ""


def _explained(evidence: Evidence, pair: tuple[str, str], scored: Scored) -> ExplainedFigure:
    base, new = (result.metrics[key] for result, key in zip(evidence.results, pair, strict=True))
    totals = tuple(side.statistics[key].sum(axis=0) for side, key in zip(evidence.samples, pair, strict=True))
    only_in_one = tuple(map(len, evidence.only_in_one))
    steps: Sequence[Step] = ()
    remark = ""
    try:
        if not evidence.shared:
            raise ValueError("no sample counts in both runs")
        steps = attributed(base, new, pair, (totals[0], totals[1]), scored, (only_in_one[0], only_in_one[1]))
    except (ConfigurationError, ValueError) as error:
        remark = f"what explains it cannot be computed: {error}"
    return ExplainedFigure(_figure(evidence, pair[1], base, new, remark), steps)


def _figure(evidence: Evidence, key: str, base: MetricResult, new: MetricResult, remark: str) -> Figure:
    return Figure(
        name=evidence.name,
        metric=key,
        title=evidence.results[0].title,
        label=base.name if base.name == new.name else f"{base.name}, now {new.name}",
        unit=new.unit,
        decimals=new.decimals,
        base=base.value,
        new=new.value,
        difference=value_difference(base.value, new.value),
        shared=evidence.shared,
        differing=evidence.differing,
        remark=remark,
    )
