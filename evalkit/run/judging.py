"""Asking another judge about answers that a run holds: nobody else is asked, and nothing of the model is loaded.

What comes of it is a run of its own beside the first. It holds copies of what the model under test and every other role
answered, and so is scored again, reported and continued like any run.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from evalkit.cascade import STAGES
from evalkit.datasets import Fingerprint
from evalkit.datasets.recordings_place import RecordingsPlace
from evalkit.errors import ConfigurationError
from evalkit.inference.endpoint import ModelFacts, ModelSpec
from evalkit.inference.replay import StoredCapabilities
from evalkit.redaction import known_secrets, without_secrets
from evalkit.results.aggregates import definitions_from
from evalkit.results.copying import copy_responses
from evalkit.results.fields import Fields
from evalkit.results.folder import PROVENANCE, RunFolder, read_json, recorded_models
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import TaskResult
from evalkit.run.composition import MODEL_TO_LOOK_WITH, compose_run
from evalkit.run.evaluate import Evaluation, evaluate
from evalkit.run.explanation import in_our_words
from evalkit.run.generation import decoding_settings
from evalkit.run.plan import Plan, plan_of_tasks, refuse_missing
from evalkit.run.preflight import CheckedTask, Preflight
from evalkit.run.selection import SelectedSamples, Selection
from evalkit.run.stored import read_stored_config, stored_tasks
from evalkit.task import Task
from evalkit.types import Sample

_CHOICE = re.compile(r"model@(\w+)=(.+)", re.DOTALL)
# What else may be set; all that decides what is asked, and of whom, is the first run's.
_SETTINGS = (
    "name", "runs", "fresh", "limit", "fraction", "spread", "seed", "max_failures", "budget", "cache", "statistics",
    "executor",
)  # fmt: skip
_KEPT_OF_COMPOSITION = ("max_failures", "budget", "cache", "statistics", "executor")


@dataclass(frozen=True, slots=True)
class JudgedAgain:
    """A run whose answers were put to other judges.

    Attributes:
        before: the run that has the answers, with its own judges.
        evaluation: what came of the other judges.
        roles: whose models are others.
    """

    before: RunResult
    evaluation: Evaluation
    roles: tuple[str, ...]


def judge_again(
    path: str | Path, words: Sequence[str], config_dirs: Sequence[str | Path] = (), allow: Sequence[str] = ()
) -> JudgedAgain:
    """Have the answers of a run judged by other models, or continue where an earlier attempt stopped.

    Args:
        path: folder of the run that has the answers.
        words: ``model@judge=NAME``, or another role that is not the model's, and settings of it such as
            ``judge.generation.temperature=0``; also ``name=``, ``limit=``, ``budget.*`` and the like.
        config_dirs: folders with further configurations.
        allow: packages of the user's own whose task classes may be made.

    Raises:
        EvalkitError: something cannot be as asked, or stops the run; every reply got so far is kept.
    """
    path = Path(path)
    before = read_run(path)
    choices = _chosen(words)
    with in_our_words():
        plan = _plan(path, before, choices, words, config_dirs, allow)
        source = RunFolder(path)  # nobody writes to it meanwhile, and it holds no links
        try:
            _copy_answers(path, plan)
        finally:
            source.close()
        checked = [_checked(path, before.tasks[task.name], task, plan.selection) for task in plan.tasks]
        evaluation = evaluate(replace(plan, fresh=False), preflight=Preflight(tuple(checked), {}))
    return JudgedAgain(before, evaluation, tuple(choices))


def _chosen(words: Sequence[str]) -> dict[str, str]:
    """Return what is chosen for which roles."""
    choices = {match[1]: match[2] for word in words if (match := _CHOICE.fullmatch(word.lstrip("+")))}
    if not choices:
        raise ConfigurationError("who is to judge? Choose a model with model@judge=NAME")
    if "model" in choices:
        raise ConfigurationError("model@model: the answers of the model under test stand; choose another role's model")
    for word in words:
        key = word.lstrip("+~").partition("=")[0].partition(".")[0]
        if key not in (*_SETTINGS, *choices) and not key.startswith("model@"):
            raise ConfigurationError(
                f"'{word}' cannot be set here, where {' and '.join(choices)} alone are asked; settings of tasks are "
                "changed with `evalkit score`"
            )
    return choices


def _plan(
    path: Path,
    before: RunResult,
    choices: Mapping[str, str],
    words: Sequence[str],
    config_dirs: Sequence[str | Path],
    allow: Sequence[str],
) -> Plan:
    stored = read_stored_config(path)
    place = path if path.name not in ("", "..") else path.resolve()
    name = "-".join([place.name, *(f"{role}-{choice}" for role, choice in choices.items())])
    usual = [f"runs={place.parent}", f"name={name}"]
    usual += [f"statistics.{key}={value}" for key, value in (stored.get("statistics") or {}).items()]
    composed = compose_run([f"model={MODEL_TO_LOOK_WITH}", *usual, *words], config_dirs).config
    refuse_missing(composed)
    resolved: Any = OmegaConf.to_container(composed, resolve=True)
    config = {**stored, **{key: resolved[key] for key in (*_KEPT_OF_COMPOSITION, *choices)}}
    made = stored_tasks(config, before.tasks, allow)
    tasks = [task for task in made if set(task.roles) & set(choices)]
    if not tasks:
        raise ConfigurationError(f"{path}: no task of this run asks a model in the role {' or '.join(choices)}")
    names = [task.name for task in tasks]
    config |= {"tasks": {name: stored["tasks"][name] for name in names}, "answers_of": before.name}
    config["name"] = str(resolved["name"])
    replayed = _replayed(path, before, tasks, choices)
    plan = plan_of_tasks(composed, {"model": before.model_name}, tasks)
    _refuse_itself(path, plan)
    specs = {role: _spec(role, before, stored) for role in ("model", *replayed)}
    return replace(
        plan,
        models={**specs, **{role: plan.models[role] for role in choices}},
        replayed=replayed,
        config=without_secrets(config, known_secrets(resolved)),
        aggregates=definitions_from(stored.get("aggregates")),
    )


def _refuse_itself(path: Path, plan: Plan) -> None:
    if plan.folder.resolve() == path.resolve():
        raise ConfigurationError(f"{path}: holds the answers themselves; give the other judge's run another name=")


def _replayed(path: Path, before: RunResult, tasks: Sequence[Task], choices: Iterable[str]) -> dict[str, ModelFacts]:
    """Return what the models were that are not asked again, by role."""
    wanted = {role for task in tasks for role in (*task.roles, *STAGES)} - set(choices)
    refused: dict[str, dict[tuple[str, str], str]] = {}
    for task in tasks:
        result = before.tasks[task.name]
        for sample, status, reason in ScoresFile(path / task.name, result.digest).samples():
            if status == "skipped" and reason is not None:
                role, _, why = reason.message.removeprefix("the ").partition(" ")
                refused.setdefault(role, {})[task.name, sample.id] = why
    return {
        role: ModelFacts(StoredCapabilities(refused=refused.get(role, {})), fingerprint)
        for role, fingerprint in recorded_models(read_json(path / PROVENANCE)).items()
        if role in wanted
    }


def _spec(role: str, before: RunResult, stored: Mapping[str, Any]) -> ModelSpec:
    """Describe a model that is not asked: by its title, and the decoding settings that are part of its fingerprint."""
    node = stored.get(role)
    titles = [task.models[role].title for task in before.tasks.values() if role in task.models]
    title = before.model if role == "model" else next(iter(titles), role)
    return ModelSpec(role, title, {}, decoding_settings(node) if isinstance(node, dict) else {})


def _copy_answers(path: Path, plan: Plan) -> None:
    folder = RunFolder(plan.folder)
    try:
        if plan.fresh:
            folder.set_aside()
        for task in plan.tasks:
            copy_responses(path / task.name, plan.folder / task.name, plan.replayed)
    finally:
        folder.close()


@dataclass(frozen=True, slots=True)
class _StoredSamples:
    """The samples of a task as they are kept with its scores."""

    scores: ScoresFile

    def samples(self) -> Iterable[Sample]:
        """Return them, in the order of the data set."""
        return (sample for sample, _, _ in self.scores.samples())


def _checked(path: Path, before: TaskResult, task: Task, selection: Selection) -> CheckedTask:
    samples = SelectedSamples(_StoredSamples(ScoresFile(path / task.name, before.digest)), selection)
    fingerprint = Fingerprint()
    for sample in samples:
        fingerprint.add(sample)
    partial = before.partial or (selection.partial and task.expected_samples is None)
    recorded = Fields(PROVENANCE, read_json(path / PROVENANCE)).mappings("data").get(task.name, {})
    return CheckedTask(task, samples, fingerprint.samples, fingerprint, partial, RecordingsPlace.from_json(recorded))
