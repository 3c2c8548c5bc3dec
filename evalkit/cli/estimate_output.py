"""What a run will take, for the terminal and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evalkit.cli.columns import columns
from evalkit.cli.estimate import Estimate, RoleEstimate
from evalkit.run.cost import ASSUMPTIONS
from evalkit.run.forecast import TaskForecast
from evalkit.run.pace import Expectation, Pace
from evalkit.run.probe import Probe
from evalkit.run.rehearsal import Load

FORMAT = 1

_NOT_HERE = "not on this machine; `evalkit data prepare task=NAME` fetches a data set, or says how to come by it"

_MOST_SECONDS, _MOST_MINUTES = 100, 100


def estimate_text(found: Estimate) -> str:
    """Return an estimate for the terminal."""
    return "\n".join(_lines(found))


def estimate_json(found: Estimate) -> dict[str, Any]:
    """Return an estimate as JSON values; ``docs/reproducing.md`` describes them."""
    probed = found.probed
    return {
        "format": FORMAT,
        "run": found.run,
        "folder": found.folder,
        "tasks": [{**asdict(task), "loads": _loads_json(task.loads)} for task in found.tasks],
        "roles": [_role_json(role) for role in found.roles],
        "cost": found.cost,
        "stored_calls": found.stored,
        "seconds": _expectation_json(found.seconds),
        "probe": None
        if probed is None
        else {
            "samples": probed.samples,
            "calls": len(probed.calls),
            "failed": probed.failed,
            "seconds": probed.seconds,
        },
    }


def _probe_json(probed: Probe) -> dict[str, Any]:
    return {
        "samples": probed.samples,
        "calls": len(probed.calls),
        "cached": sum(call.cached for call in probed.calls),
        "failed": probed.failed,
        "seconds": round(probed.seconds, 3),
    }


def _role_json(role: RoleEstimate) -> dict[str, Any]:
    return {
        "role": role.role,
        "model": role.model,
        "state": role.state,
        **_load_json(role.load),
        "usage": None if role.usage is None else role.usage.to_json(),
        "cost": role.cost,
        "seconds": _expectation_json(role.seconds),
        "pace": None if role.pace is None else {**asdict(role.pace), "a_call": _expectation_json(role.pace.a_call)},
    }


def _expectation_json(expectation: Expectation | None) -> dict[str, float | None] | None:
    return None if expectation is None else {"value": expectation.value, "error": expectation.error}


def _loads_json(loads: Mapping[str, Load]) -> dict[str, Any]:
    return {role: _load_json(load) for role, load in loads.items()}


def _load_json(load: Load) -> dict[str, Any]:
    return {name: round(value, 1) for name, value in asdict(load).items()}


def _lines(found: Estimate) -> Iterator[str]:
    known = [task for task in found.tasks if task.state != "cannot run"]
    yield f"What the run {found.run} will take ({found.folder})"
    yield ""
    yield columns(("task", "data", "samples", "audio", "calls", "stored"), [_task_row(task) for task in found.tasks])
    yield ""
    headings = ("role", "model", "calls", "replies", "tokens in", "tokens out", "cost", "work", "can run here")
    yield columns(headings, [_role_row(role) for role in found.roles])
    yield ""
    samples = sum(task.samples or 0 for task in known)
    audio = sum(task.audio_seconds or 0 for task in known)
    what = ", ".join((_count(len(known), "task"), _count(samples, "sample"), f"{duration(audio)} of audio"))
    yield f"In all: {what}{_gaps(known)}. What the model cannot be asked, such as to speak, is skipped."
    if found.stored:
        yield f"Answered already and not asked again: {_count(found.stored, 'call')}."
    yield _time(found)
    yield from (_pace(role.role, role.pace) for role in found.roles if role.pace is not None)
    if any(role.usage is not None for role in found.roles):
        yield _money(found)
    for reason, names in _reasons(found.tasks).items():
        yield f"{', '.join(names)}: {reason}"


def _task_row(task: TaskForecast) -> tuple[str, ...]:
    if task.state == "cannot run":
        return task.name, task.state, "", "", "", ""
    calls = ", ".join(f"{role} {round(load.calls):,}" for role, load in task.loads.items() if load.calls)
    stored = ", ".join(f"{role} {count:,}" for role, count in task.stored.items())
    samples = "not known" if task.samples is None else f"{task.samples:,}"
    audio = "not known" if task.audio_seconds is None else duration(task.audio_seconds)
    return task.name, task.state, samples, audio, calls, stored


def _role_row(role: RoleEstimate) -> tuple[str, ...]:
    usage = role.usage
    tokens = ("", "") if usage is None else (f"{usage.input_tokens:,}", f"{usage.output_tokens:,}")
    cost = "" if role.cost is None else f"{role.cost:,.2f}"
    work = "" if role.seconds is None else _expected(role.seconds)
    calls = (f"{round(role.load.calls):,}", f"{round(role.load.replies):,}")
    return role.role, role.model, *calls, *tokens, cost, work, role.state


def _gaps(tasks: Sequence[TaskForecast]) -> str:
    without = sum(task.audio_seconds is None for task in tasks)
    return f", and of {_count(without, 'task')} it is not known how much" if without else ""


def _time(found: Estimate) -> str:
    if found.probed is None or found.seconds is None:
        return "Time: not known; --probe 4 asks 4 samples of every task at hand to find out."
    failed = f"; {_count(found.probed.failed, 'call')} of it failed" if found.probed.failed else ""
    return (
        f"Time: about {_expected(found.seconds)}, by the spread between up to {found.probed.samples} samples of every "
        f"task at hand, which took {duration(found.probed.seconds)} with the loading of models{failed}. Loading and "
        "fetching come on top; models of this process take turns."
    )


def _pace(role: str, pace: Pace) -> str:
    heard = "" if pace.for_a_second is None else f", {pace.for_a_second:.3g} s for a second of audio"
    return f"  {role}: {_expected(pace.a_call)} a call{heard}, over {_count(pace.calls, 'call')} of the probe"


def _money(found: Estimate) -> str:
    cost = "no price table says" if found.cost is None else f"about {found.cost:,.2f} by the price tables"
    if found.probed is None:
        return f"Cost: {cost}; tokens roughly, taking {ASSUMPTIONS}. What the cache holds costs nothing."
    calls = found.probed.calls
    return (
        f"Cost: {cost}; tokens by what the probe's calls were counted as. Of its {_count(len(calls), 'call')}, the "
        f"cache had the answers to {sum(call.cached for call in calls):,}, and is taken to have as large a share of "
        "the others."
    )


def _reasons(tasks: Sequence[TaskForecast]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for task in tasks:
        if task.reason:
            reasons.setdefault(_NOT_HERE if task.state == "not here" else task.reason, []).append(task.name)
    return reasons


def _expected(expectation: Expectation) -> str:
    if expectation.error is None:
        return duration(expectation.value)
    low, high = max(0.0, expectation.value - expectation.error), expectation.value + expectation.error
    return f"{duration(expectation.value)} ({duration(low)} to {duration(high)})"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it, such as ``1.5 h``."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
