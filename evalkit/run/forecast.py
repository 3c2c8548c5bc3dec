"""What a plan will take before it is carried out: samples, hours of audio, calls to each role, what is stored already.

Data sets that lie on this machine are read through; of those that do not, what is known of them is taken. What a
sample would ask is seen by following the chains of some of them, evenly spread, with answers that stand in for a
model's (``evalkit.run.rehearsal``). No model is loaded or asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from evalkit.chain import ChainRun
from evalkit.errors import DataError
from evalkit.inference.replay import Responses, begin, replay
from evalkit.results.responses import ResponseStore
from evalkit.run.plan import Plan
from evalkit.run.preflight import missing_role
from evalkit.run.rehearsal import STAND_IN, Load, Rehearsal, rehearsed, seconds_of
from evalkit.run.selection import SelectedSamples, Selection
from evalkit.task import Task
from evalkit.types import Call, Response, Sample

_REHEARSED = 64

_Item = TypeVar("_Item")

State = Literal["at hand", "not here", "cannot run"]


@dataclass(frozen=True, slots=True)
class TaskForecast:
    """What a task will take.

    Attributes:
        name: of the task.
        title: what people call it.
        state: whether its data set is ``at hand``, is ``not here`` and would have to be fetched, or it ``cannot run``.
        reason: why, where it is not at hand.
        samples: how many are taken; None if that is not known.
        audio_seconds: of the recordings of all samples; None if that is not known.
        audio_known_by: ``stated`` in the data set; ``headers`` of some recordings; ``facts`` known of the data set.
        loads: what is still to be asked, by role.
        stored: how many calls were answered in earlier sessions of the run, by role.
    """

    name: str
    title: str
    state: State = "at hand"
    reason: str = ""
    samples: int | None = None
    audio_seconds: float | None = None
    audio_known_by: Literal["stated", "headers", "facts", ""] = ""
    loads: Mapping[str, Load] = field(default_factory=dict)
    stored: Mapping[str, int] = field(default_factory=dict)


def forecast(plan: Plan) -> tuple[TaskForecast, ...]:
    """Return what each task of a plan will take, in order.

    Raises:
        StoreError: what is stored of an earlier session cannot be read.
    """
    return tuple(_of_task(plan, task) for task in plan.tasks)


def _of_task(plan: Plan, task: Task) -> TaskForecast:
    if reason := missing_role(plan, task):
        return TaskForecast(task.name, task.title, "cannot run", reason)
    if not task.data_at_hand:
        return _by_facts(plan, task)
    folder = plan.folder / task.name
    if plan.fresh or not folder.is_dir():
        return _by_data(plan, task, _Answered(None))
    with ResponseStore(folder, writable=False) as store:
        return _by_data(plan, task, _Answered(store))


class _Spread(Generic[_Item]):
    """Keeps some of a sequence of unknown length, evenly spread, and counts all."""

    def __init__(self) -> None:
        self.kept: list[_Item] = []
        self.seen = 0
        self._every = 1

    def add(self, item: _Item) -> None:
        """Count an item, and keep it if it is its turn."""
        if self.seen % self._every == 0:
            self.kept.append(item)
        self.seen += 1
        if len(self.kept) == 2 * _REHEARSED:
            del self.kept[1::2]
            self._every *= 2


class _Answered:
    """The stored answers that a run would find again; counts them by role."""

    def __init__(self, store: Responses | None) -> None:
        self.any = store is not None
        self._store = store
        self.counts: dict[str, int] = {}

    def get(self, sample_id: str, position: int, call: Call) -> Response | None:
        """Return a stored answer, or None; what failed is asked again."""
        response = None if self._store is None else self._store.get(sample_id, position, call)
        if response is None or response.failed:
            return None
        if call.answer is None:
            self.counts[call.role] = self.counts.get(call.role, 0) + 1
        return response


def _by_data(plan: Plan, task: Task, answered: _Answered) -> TaskForecast:
    """Read the data set through, and follow the chains of some of what is not answered yet."""
    samples, stated, unstated = 0, 0.0, 0
    some: _Spread[Sample] = _Spread()
    unfinished: _Spread[ChainRun | Sample] = _Spread()
    try:
        for sample in SelectedSamples(task, plan.selection):
            samples += 1
            known = [audio.duration for audio in sample.audio]
            stated += sum(filter(None, known))
            unstated += None in known
            some.add(sample)
            run: ChainRun | Sample = replay(task, answered, sample) if answered.any else sample
            if isinstance(run, Sample) or run.call is not None:
                unfinished.add(run)
    except DataError as error:
        return TaskForecast(task.name, task.title, "cannot run", str(error))
    seconds = stated if not unstated else samples * _mean([sum(map(seconds_of, each.audio)) for each in some.kept])
    return TaskForecast(
        name=task.name,
        title=task.title,
        samples=samples,
        audio_seconds=seconds or None,
        audio_known_by="" if not seconds else "headers" if unstated else "stated",
        loads=_loads(task, unfinished),
        stored=answered.counts,
    )


def _by_facts(plan: Plan, task: Task) -> TaskForecast:
    """Take what is known of a data set that is not here, and the shape of a sample."""
    facts = task.describe()
    whole = task.expected_samples
    samples = None if whole is None else _selected(plan.selection, whole)
    hours = facts.get("hours")
    seconds = None
    if isinstance(hours, int | float) and samples and whole:
        seconds = hours * 3600 * samples / whole
    loads = {role: load * (samples or 0) for role, load in _loads_of_a_sample(task).items()}
    if (hears := "model" if task.cascade is None else "asr") in loads:
        loads[hears].audio_seconds = seconds or 0
    return TaskForecast(
        name=task.name,
        title=task.title,
        state="not here",
        reason=f"{facts.get('read from', 'its data set')}: nothing there; `evalkit data prepare task={task.name}`",
        samples=samples,
        audio_seconds=seconds,
        audio_known_by="" if seconds is None else "facts",
        loads=loads,
    )


def _loads_of_a_sample(task: Task) -> dict[str, Load]:
    """Return what is asked about a sample of which nothing is known; roles not reached are taken to be asked once."""
    loads = rehearsed(task, STAND_IN).loads
    roles = [role for role in task.roles if task.cascade is None or role != "model"]
    return {role: loads.get(role, Load(1, 1)) for role in (*roles, *loads)}


def _selected(selection: Selection, whole: int) -> int:
    part = whole if selection.fraction is None else round(whole * selection.fraction)
    part = part if selection.limit is None else min(part, selection.limit)
    return part if selection.shard is None else selection.shard.size(part)


def _loads(task: Task, unfinished: "_Spread[ChainRun | Sample]") -> dict[str, Load]:
    """Follow the chains that were kept, for all that are unfinished."""
    rehearsal = Rehearsal()
    for each in unfinished.kept:
        rehearsal.follow(begin(task, each) if isinstance(each, Sample) else each)
    share = unfinished.seen / len(unfinished.kept) if unfinished.kept else 0.0
    return {role: load * share for role, load in rehearsal.loads.items()}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
