"""What is checked before any model is asked: roles that nobody fills, data sets that cannot be read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.cascade import STAGES
from evalkit.datasets import Fingerprint
from evalkit.datasets.fingerprint import OrderedFingerprint
from evalkit.datasets.recordings_place import RecordingsFinder, RecordingsPlace
from evalkit.errors import ConfigurationError, DataError
from evalkit.results.clusters import drawn_field
from evalkit.run.plan import Plan
from evalkit.run.rehearsal import STAND_IN, rehearsed
from evalkit.run.selection import SelectedSamples
from evalkit.task import Task
from evalkit.types import Request

_REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class CheckedTask:
    """A task that can be carried out.

    Attributes:
        task: the benchmark.
        samples: that are taken of it.
        count: how many they are.
        fingerprint: of the data set, as far as it is taken.
        partial: whether they are known to be only a part of a data set whose size is not known.
        recordings: where they lie.
        requests: by role, what the first sample leads to if all goes well, one for all of the same decoding settings.
        whole: of a shard, the samples that all shards take together; None of a run without shards.
    """

    task: Task
    samples: SelectedSamples
    count: int
    fingerprint: Fingerprint
    partial: bool
    recordings: RecordingsPlace
    requests: Mapping[str, Sequence[Request]] = field(default_factory=dict)
    whole: OrderedFingerprint | None = None


@dataclass(frozen=True, slots=True)
class Preflight:
    """What there is to do.

    Attributes:
        tasks: that can be carried out, in order.
        left_out: the others, with the reason.
    """

    tasks: tuple[CheckedTask, ...]
    left_out: Mapping[str, str]


def check(plan: Plan) -> Preflight:
    """Read every data set through once and see that every role is filled, before any model is loaded.

    A broken row is found now, not after an hour. Tasks that the plan allows to be left out are.

    Raises:
        ConfigurationError: a task needs a model that was not chosen, or its samples cannot be clustered as asked for.
        DataError: a data set cannot be read or is empty, or no task is left.
    """
    left_out: dict[str, str] = {}
    tasks: list[CheckedTask] = []
    for task in plan.tasks:
        if reason := missing_role(plan, task):
            if not plan.skip_missing_roles:
                raise ConfigurationError(f"task {task.name}: {reason}")
            left_out[task.name] = reason
    for task in plan.tasks:
        if task.name in left_out:
            continue
        checked = _check_data(plan, task)
        if isinstance(checked, str):
            left_out[task.name] = checked
        else:
            tasks.append(checked)
    if not tasks:
        shown = [f"{name}: {reason}" for name, reason in left_out.items()][:_REASONS_SHOWN]
        more = f"; and {len(left_out) - len(shown)} more tasks" if len(left_out) > len(shown) else ""
        raise DataError(f"no task of this run can be carried out: {'; '.join(shown)}{more}")
    return Preflight(tuple(tasks), left_out)


def missing_role(plan: Plan, task: Task) -> str | None:
    """Return what is to be said of a role of a task that no model was chosen for; None if all are filled."""
    for role in (*task.roles, *_stages(task)):
        if role not in plan.models:
            return f"it needs a model in the role '{role}'; choose one with model@{role}=NAME"
    return None


def _stages(task: Task) -> Iterable[str]:
    """Return the stages of a cascade that a task's samples are put to, as far as the first one shows."""
    if task.cascade is None:
        return ()
    try:
        sample = next(iter(task.samples()), STAND_IN) if task.data_at_hand else STAND_IN
    except DataError:
        return ()  # whoever reads the data set through says what is wrong
    return [role for role in rehearsed(task, sample).loads if role in STAGES]


def _check_data(plan: Plan, task: Task) -> CheckedTask | str:
    """Return the task with what its data set holds, or why it is left out."""
    if plan.skip_remote_data and not task.data_at_hand:
        return "its data set is not on this machine"
    fingerprint, recordings = Fingerprint(), RecordingsFinder()
    samples, shard = SelectedSamples(task, plan.selection), plan.selection.shard
    whole = None if shard is None else OrderedFingerprint()
    seen = 0
    clusters: dict[str, str] = {}
    groups: dict[str, str] = {}
    requests: Mapping[str, Sequence[Request]] = {}
    try:
        for place, sample in enumerate(samples.of_all_shards()):
            seen += 1
            if place == 0:
                requests = {role: [*each.values()] for role, each in rehearsed(task, sample).requests.items()}
            if shard is None or shard.takes(place):
                fingerprint.add(sample)
                recordings.add(sample)
            if whole is not None:
                whole.add(sample)
            clusters.update(sample.clusters)
            groups.update(sample.groups)
    except DataError as error:
        if seen == 0 and plan.skip_missing_data:
            return str(error)
        raise DataError(f"task {task.name}: {error}") from error
    if seen == 0:
        raise DataError(f"task {task.name}: its data set has no samples")
    try:
        drawn_field(plan.bootstrap.cluster, clusters, groups)
    except ConfigurationError as error:
        raise ConfigurationError(f"task {task.name}: {error}") from error
    partial = plan.selection.partial and task.expected_samples is None
    return CheckedTask(task, samples, fingerprint.samples, fingerprint, partial, recordings.place, requests, whole)
