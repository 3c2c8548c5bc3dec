"""Is a run whole? Every call answered once, every recording there, figures that recompute, files of one run.

Nothing is asked and the run folder is not written to: scores are made anew in a temporary folder.
"""

import filecmp
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evalkit.adapter import SERVER_SAYS
from evalkit.errors import StoreError
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.aggregates import definitions_from, with_aggregates
from evalkit.results.fields import Fields
from evalkit.results.folder import PROVENANCE, json_text, read_json, recorded_models
from evalkit.results.metrics_file import FILE_NAME, RunResult, has_begun, read_run, without_results
from evalkit.results.scores import FILE_NAME as SCORES
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import ModelIdentity, TaskResult
from evalkit.run.audit_calls import CallsAudit, audit_calls
from evalkit.run.audit_records import Finding
from evalkit.run.chunks import StoredTask
from evalkit.run.processes import processes_for
from evalkit.run.scoring import TaskScorer
from evalkit.run.stored import read_stored_config, stored_statistics, stored_tasks
from evalkit.task import Task
from evalkit.version import __version__

_CONFIG = "config.yaml"
_NOTHING = object()
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found out about a run.

    Attributes:
        folder: of the run.
        findings: what is not as it must be; none of a run that is whole.
        tasks: how many have results.
        samples: of these tasks, how many were ``scored``, ``failed`` and ``skipped``.
        calls: how many calls the chains of the samples have.
        recordings: how many recordings of answers they name.
    """

    folder: Path
    findings: tuple[Finding, ...]
    tasks: int = 0
    samples: Mapping[str, int] = field(default_factory=dict)
    calls: int = 0
    recordings: int = 0


def audit_run(folder: Path, allow: Sequence[str] = ()) -> Audit:
    """Examine a run.

    Args:
        folder: of the run.
        allow: packages of the user's own whose task classes may be made.

    Raises:
        StoreError: the folder is not that of a run.
        ConfigurationError: a task's class is of a package that is not allowed.
        EvalkitError: one of the processes that audit many samples was ended from outside.
    """
    if not has_begun(folder):
        raise StoreError(without_results(folder))
    if not (folder / FILE_NAME).is_file():
        return Audit(folder, (Finding(FILE_NAME, None, "is not there: the run has no results yet"),))
    findings: list[Finding] = []
    try:
        run = read_run(folder)
    except StoreError as error:
        return Audit(folder, (Finding.of_error(folder, FILE_NAME, error),))
    findings += [Finding(FILE_NAME, None, f"task {name} has no result yet") for name in run.unfinished]
    findings += _of_provenance(folder, run)
    try:
        config = read_stored_config(folder)
        settings = stored_statistics(config, folder)
        tasks = {task.name: task for task in stored_tasks(config, run.tasks, allow)}
        definitions = definitions_from(config.get("aggregates"))
    except StoreError as error:
        return Audit(folder, (*findings, Finding.of_error(folder, _CONFIG, error)))
    audits, again = {}, {}
    with TemporaryDirectory() as made:
        for name, before in run.tasks.items():
            if name not in tasks:
                findings.append(Finding(_CONFIG, None, f"does not have the task {name}, which the run has results of"))
                continue
            stored = StoredTask(folder / name, config, tuple(allow))
            audit, result = _audit_task(stored, tasks[name], before, settings, Path(made))
            audits[name] = audit
            if result is not None:
                again[name] = result
    findings += [each for audit in audits.values() for each in audit.findings]
    findings += _other_samples(folder, audits)
    recomputed = replace(run, tasks={**run.tasks, **again})
    if len(again) == len(run.tasks) and not run.unfinished:  # otherwise a run has no averages, or other ones
        recomputed = with_aggregates(recomputed, definitions, settings)
    findings += _differing_figures(folder, recomputed)
    return Audit(
        folder,
        tuple(findings),
        tasks=len(run.tasks),
        samples=dict(sum((audit.samples for audit in audits.values()), Counter())),
        calls=sum(audit.calls for audit in audits.values()),
        recordings=sum(audit.recordings for audit in audits.values()),
    )


def _of_provenance(folder: Path, run: RunResult) -> Iterator[Finding]:
    """Yield where the results are not of the models and the data that the provenance tells of."""
    try:
        content = read_json(folder / PROVENANCE)
        models, data = recorded_models(content), Fields(PROVENANCE, content).mappings("data")
    except StoreError as error:
        yield Finding.of_error(folder, PROVENANCE, error)
        return
    for name, task in run.tasks.items():
        for role, identity in task.models.items():
            own = {key: value for key, value in models.get(role, {}).items() if key != SERVER_SAYS}
            if ModelIdentity.of(identity.title, own) != identity:
                yield Finding(PROVENANCE, None, f"its {role} is not the one that task {name} was measured with")
        asked = data.get(name, {}).get("samples")
        if asked != task.samples.total:
            there = f"task {name} has results of {task.samples.total} samples, and {asked} were asked for last"
            yield Finding(FILE_NAME, None, there)


def _other_samples(folder: Path, audits: Mapping[str, CallsAudit]) -> Iterator[Finding]:
    """Yield the tasks whose scores are of other ids or references than those of the data set that was asked about."""
    try:
        data = Fields(PROVENANCE, read_json(folder / PROVENANCE)).mappings("data")
    except StoreError:
        return  # was found before
    for name, audit in audits.items():
        recorded = data.get(name, {})
        if recorded.get("samples") == audit.fingerprint.samples and audit.fingerprint.texts_differ_from(recorded):
            yield Finding(
                f"{name}/{SCORES}", None, "has other ids or references than the data set that was asked about"
            )


def _audit_task(
    stored: StoredTask, task: Task, before: TaskResult, settings: BootstrapSettings, made: Path
) -> tuple[CallsAudit, TaskResult | None]:
    """Examine a task, and return what it is measured as now; None if it cannot be scored again."""
    audit = CallsAudit()
    try:
        scores = ScoresFile(stored.folder, before.digest)
        into = made / task.name
        with TaskScorer(task, into, settings, models=before.models, partial=before.partial) as scorer:
            audit = audit_calls(stored, task, scores, scorer, processes_for(before.samples.total))
            if not audit.complete:
                return audit, None
            result = scorer.finish()
        audit.findings += _differing_rows(task.name, scores, ScoresFile(into, result.digest))
    except StoreError as error:
        audit.findings.append(Finding.of_error(stored.folder.parent, f"{task.name}/{SCORES}", error))
        return audit, None
    return audit, result


def _differing_rows(task: str, scores: ScoresFile, again: ScoresFile) -> Iterator[Finding]:
    if filecmp.cmp(scores.path, again.path, shallow=False):
        return
    # Another version of the library may write the same rows as other bytes.
    for row, now in zip(scores.rows(), again.rows(), strict=True):
        if changed := [name for name in {**row, **now} if row.get(name) != now.get(name)]:
            yield Finding(f"{task}/{scores.path.name}", row["id"], f"does not recompute: {', '.join(changed)}")


def _differing_figures(folder: Path, again: RunResult) -> Iterator[Finding]:
    path = folder / FILE_NAME
    if path.read_bytes() == json_text(again.to_json()).encode("utf-8", "replace"):
        return
    by = "" if again.evalkit == __version__ else f" (scored by evalkit {again.evalkit}, and this is {__version__})"
    differences = list(_differences(read_json(path), again.to_json()))
    for where, there, now in differences:
        yield Finding(FILE_NAME, None, f"{where} is {_short(there)}, and recomputes to {_short(now)}{by}")
    if not differences:
        yield Finding(FILE_NAME, None, "has the right values, and is not written as evalkit writes them")


def _differences(there: Any, now: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the places where two JSON values differ, with what stands there; ``_NOTHING`` where nothing does."""
    if isinstance(there, dict) and isinstance(now, dict):
        for key in {**there, **now}:
            yield from _differences(there.get(key, _NOTHING), now.get(key, _NOTHING), f"{where}.{key}".lstrip("."))
    elif there != now:
        yield where, there, now


def _short(value: Any) -> str:
    if value is _NOTHING:
        return "not there"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
