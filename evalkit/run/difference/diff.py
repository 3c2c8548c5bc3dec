"""Why do the figures of two runs differ? Answered from what their folders hold, before anyone looks at the models.

A figure differs because other samples count, because answers are scored otherwise, or because they are others; and
answers are others because something else was asked, or because somebody else was asked, or by chance. All of this is
recorded, and most of it can be computed: the same answers are scored in the other way, and of each sample the first
call is found that was put or answered otherwise. Nothing is asked, no folder is written to, and nothing that a folder
names is carried out but the tasks of evalkit (``evalkit.run.stored``).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from evalkit.errors import ConfigurationError
from evalkit.results.metrics_file import RunResult
from evalkit.run.difference.averages import explained_average
from evalkit.run.difference.causes import CauseKey, Change, RunDifference
from evalkit.run.difference.drafts import Drafts
from evalkit.run.difference.evidence import Evidence, gathered
from evalkit.run.difference.findings import note_consequences, note_models, note_settings, note_task
from evalkit.run.difference.opened import OpenedRun, opened, within
from evalkit.run.difference.settings import changed_settings
from evalkit.run.difference.suspects import suspects
from evalkit.run.difference.tasks import ExplainedFigure, ExplainedTask, explained_task


def diff_runs(base: RunResult | str | Path, new: RunResult | str | Path, *, allow: Sequence[str] = ()) -> RunDifference:
    """Find out why the figures of two runs differ.

    Args:
        base: the run to compare with, or its folder.
        new: the other run, or its folder.
        allow: packages of the user's own whose task classes may be made, to score their answers in the other way.

    Raises:
        StoreError: a folder is not that of a run, or is damaged.
        ConfigurationError: the two have no task in common.
    """
    runs = opened(base), opened(new)
    names = [name for name in runs[0].result.tasks if name in runs[1].result.tasks]
    if not names:
        raise ConfigurationError(
            f"{runs[0].result.name} and {runs[1].result.name} have no task in common: the one has "
            f"{_listed(runs[0])}, the other {_listed(runs[1])}"
        )
    settings = changed_settings(runs[0].config, runs[1].config, names)
    suspected = suspects(*runs, settings, names)
    evalkit = _evalkit_changes(*runs)
    drafts = Drafts()
    gathered_tasks, tasks = [], {}
    for name in names:
        evidence = gathered(name, *runs, suspected)
        note_task(evidence, drafts)
        tasks[name] = explained_task(evidence, runs, settings, drafts, other_evalkit=bool(evalkit), allow=allow)
        evidence.release()
        gathered_tasks.append(evidence)
    figures = [figure for task in tasks.values() for figure in task.figures]
    figures += _averages(*runs, tasks, drafts)
    for each in figures:
        drafts.explain(each.figure.name, each.figure.metric, each.steps)
    note_models(suspected, gathered_tasks, drafts)
    note_settings(settings, gathered_tasks, drafts)
    note_consequences(gathered_tasks, drafts)
    _note_evalkit(evalkit, tasks, drafts)
    return RunDifference(
        base=runs[0].result.name,
        new=runs[1].result.name,
        figures=tuple(each.figure for each in figures),
        causes=drafts.causes(),
        harmless=drafts.all_harmless(),
        remarks=(*_remarks(runs, gathered_tasks, 0), *_remarks(runs, gathered_tasks, 1)),
    )


def _averages(
    base: OpenedRun, new: OpenedRun, tasks: Mapping[str, ExplainedTask], drafts: Drafts
) -> list[ExplainedFigure]:
    headlines = {name: task.figures[0] for name, task in tasks.items()}
    return [
        explained_average(average, new.result.aggregates[name], headlines, drafts)
        for name, average in base.result.aggregates.items()
        if name in new.result.aggregates
    ]


def _evalkit_changes(base: OpenedRun, new: OpenedRun) -> list[Change]:
    commits = [within(run.session, "software").get("commit") for run in (base, new)]
    changes = [Change("evalkit", base.result.evalkit, new.result.evalkit)]
    if all(commits):
        changes.append(Change("commit", *map(str, commits)))
    return [change for change in changes if change.base != change.new]


def _note_evalkit(changes: Sequence[Change], tasks: Mapping[str, ExplainedTask], drafts: Drafts) -> None:
    key = CauseKey("evalkit")
    if key in drafts:
        sentence = "Scored now, the recorded answers are not worth what they were when the runs were scored."
        drafts.note(key, changes=changes, sentence=sentence)
    elif all(task.recomputed for task in tasks.values()):
        for change in changes:
            drafts.harmless(change, "scored now, the recorded answers of both runs are worth what they were")
    elif changes:
        drafts.note(key, changes=changes, sentence="It was not possible to score all recorded answers again with it.")


def _remarks(runs: tuple[OpenedRun, OpenedRun], tasks: Sequence[Evidence], side: int) -> list[str]:
    """Return what has to be said of one of the runs."""
    run, other = runs[side], runs[1 - side]
    name = run.result.name
    remarks = []
    if run.result.unfinished:
        remarks.append(f"{name} is not finished: without {', '.join(run.result.unfinished)}")
    alone = [task for task in run.result.tasks if task not in other.result.tasks]
    if alone:
        remarks.append(f"only {name} has {', '.join(alone)}, which is left aside")
    if not within(run.session, "software"):
        remarks.append(f"{name} has no record of its software and its machine")
    for evidence in tasks:
        if evidence.unrecorded[side]:
            of = f"{evidence.unrecorded[side]:,} samples of {evidence.name}"
            remarks.append(f"{name} has no whole record of what was asked about {of}")
    return remarks


def _listed(run: OpenedRun) -> str:
    return ", ".join(run.result.tasks) or "none"
