"""What a run will take, role by role: counted by following chains, looked up, or found out by a probe."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from omegaconf import DictConfig, OmegaConf

from evalkit.cli.can_run import model_state
from evalkit.inference.endpoint import ModelSpec
from evalkit.inference.opening import is_served
from evalkit.run.cost import price_of, rough_usage
from evalkit.run.forecast import TaskForecast, forecast
from evalkit.run.pace import Expectation, Pace, pace_of, seconds_by_role, seconds_of_run, usage_by_role
from evalkit.run.plan import Plan
from evalkit.run.probe import Probe, probe
from evalkit.run.rehearsal import Load
from evalkit.types import Usage


@dataclass(frozen=True, slots=True)
class RoleEstimate:
    """What the model of a role will be asked.

    Attributes:
        role: that it plays.
        model: its title.
        state: whether it can run here, and if not why.
        load: all of its calls.
        usage: tokens of a served model, by a probe or roughly; None for one in this process.
        cost: by its price table; None if it has none.
        seconds: of work, one call after the other, by a probe; else None.
        pace: how fast it answered in a probe; None if it was asked nothing.
    """

    role: str
    model: str
    state: str
    load: Load
    usage: Usage | None
    cost: float | None
    seconds: Expectation | None
    pace: Pace | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take.

    Attributes:
        run: its name.
        folder: where it is kept.
        tasks: in order.
        roles: that are asked something.
        seconds: that it will take, by a probe; else None.
        probed: the probe, or None.
    """

    run: str
    folder: str
    tasks: tuple[TaskForecast, ...]
    roles: tuple[RoleEstimate, ...]
    seconds: Expectation | None
    probed: Probe | None

    @property
    def cost(self) -> float | None:
        """What all roles with a price table cost together; None if there are none."""
        costs = [each.cost for each in self.roles if each.cost is not None]
        return sum(costs) if costs else None

    @property
    def stored(self) -> int:
        """How many calls need not be made, as earlier sessions of the run have their answers."""
        return sum(sum(task.stored.values()) for task in self.tasks)

    @property
    def can_begin(self) -> bool:
        """Whether any task could be carried out, fetched data sets included."""
        return any(task.state != "cannot run" for task in self.tasks)


def estimate(plan: Plan, config: DictConfig, samples: int = 0) -> Estimate:
    """Estimate what a plan will take.

    Args:
        plan: the plan.
        config: that it was made of.
        samples: of every task at hand to ask for real; 0 asks nothing.

    Raises:
        EvalkitError: what is stored cannot be read, or a model cannot be had for the probe.
    """
    tasks = forecast(plan)
    probed = probe(plan, tasks, samples) if samples else None
    if probed is not None:
        tasks = tuple(_without_refused(task, probed) for task in tasks)
    loads = _loads(tasks)
    seconds = seconds_by_role(tasks, probed) if probed else {}
    counted = usage_by_role(tasks, probed) if probed else {}
    calls = {role: load.calls for role, load in loads.items()}
    return Estimate(
        run=plan.name,
        folder=str(plan.folder),
        tasks=tasks,
        roles=tuple(
            _role(plan.models[role], config[role], load, counted.get(role), seconds.get(role), probed)
            for role, load in loads.items()
        ),
        seconds=seconds_of_run(seconds, plan.models, calls) if seconds else None,
        probed=probed,
    )


def _without_refused(task: TaskForecast, probed: Probe) -> TaskForecast:
    """Return a task as one that cannot run if the model could not be asked anything of it."""
    if task.name not in probed.refused:
        return task
    return replace(task, state="cannot run", reason=probed.refused[task.name], loads={})


def _loads(tasks: Sequence[TaskForecast]) -> dict[str, Load]:
    loads: dict[str, Load] = {}
    for task in tasks:
        for role, load in task.loads.items():
            loads[role] = loads.get(role, Load()) + load
    return loads


def _role(
    spec: ModelSpec,
    config: DictConfig,
    load: Load,
    counted: Usage | None,
    seconds: Expectation | None,
    probed: Probe | None,
) -> RoleEstimate:
    usage = counted or (rough_usage(load) if is_served(spec) else None)
    cost = None
    if usage is not None:
        cost = price_of(spec, usage) if usage.cost is None else usage.cost
    settings: Any = OmegaConf.to_container(config, resolve=True)
    return RoleEstimate(
        role=spec.role,
        model=spec.title,
        state=model_state(settings),
        load=load,
        usage=usage,
        cost=cost,
        seconds=seconds,
        pace=None if probed is None else pace_of(probed, spec.role),
    )
