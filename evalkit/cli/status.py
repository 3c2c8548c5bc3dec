"""``evalkit status``: how runs are going, from another terminal or machine; reads their folders and locks nothing."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from evalkit.cli.columns import columns
from evalkit.cli.run_argument import run_argument
from evalkit.object_store import address_of, fetched
from evalkit.printable import printable
from evalkit.progress import duration
from evalkit.run.status import RunStatus, RunWatch, TaskStatus, begun_runs

_HEADING = ("Task", "State", "Samples", "Left", "Role", "Answers", "Failed", "A second", "Cost")
_CLEARED = "\x1b[H\x1b[2J"  # of a terminal: the cursor goes home and the screen becomes empty
_GIGABYTE = 1e9


def command(arguments: Sequence[str]) -> int:
    """Print how runs are going, once or until none of them goes on any more."""
    parser = argparse.ArgumentParser(
        prog="evalkit status",
        description="Tell how runs are going, or went: for each task and role what is done, how fast, the time left, "
        "failures and cost, and whether the process lives. Works beside a run, on another machine that sees its folder "
        "too: what is read is the event log. Answers of earlier sessions count as done, failures do not.",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        type=run_argument,
        metavar="RUN",
        help="run folders, or a folder of run folders for all in it",
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON, a list of objects")
    parser.add_argument(
        "--watch", type=float, metavar="SECONDS", help="print again every so many seconds while one of the runs goes on"
    )
    options = parser.parse_args(arguments)
    if options.watch is not None and not 0 < options.watch < float("inf"):
        parser.error("--watch must be a number of seconds above 0")
    watches = [RunWatch(folder) for named in options.runs for folder in begun_runs(named)]
    while True:
        found = [watch.status() for watch in watches]
        text = json.dumps([_to_json(each) for each in found]) if options.json else "\n\n".join(map(_text, found))
        clear = _CLEARED if options.watch and not options.json and sys.stdout.isatty() else ""
        print(f"{clear}{text}", flush=True)
        if options.watch is None or not any(each.state in ("running", "silent") for each in found):
            return 0
        time.sleep(options.watch)
        for named in options.runs:
            if (address := address_of(named)) is not None:
                fetched(address)


def _text(status: RunStatus) -> str:
    lines = [printable(line) for line in (f"{status.folder}: {_state(status)}", ", ".join(_totals(status)))]
    rows = [row for name, task in status.tasks.items() for row in _rows(name, task)]
    return "\n".join([*lines, *([columns(_HEADING, rows)] if rows else [])])


def _state(status: RunStatus) -> str:
    silent = duration(max((datetime.now(UTC) - status.written).total_seconds(), 0))
    began = f"since {status.began:%Y-%m-%d %H:%M} UTC"
    process = "a process of unknown number" if status.process is None else f"process {status.process}"
    where = "on an unknown machine" if status.host is None else f"on {status.host}"
    if status.state == "running":
        return f"running {began}, {process} {where}, wrote {silent} ago"
    if status.state == "silent":
        sure = "is there, and may hang" if status.here else "may be gone: only that machine can tell"
        return f"not heard of for {silent}: {process} {where}, {began}, {sure}"
    again = "; the command that began it continues it"
    if status.state == "died":
        return f"died: {process} {where} is gone, and last wrote {silent} ago{again}"
    if status.state == "stopped":
        return f"stopped before its end, {silent} ago (run.log says why){again}"
    return f"finished, {silent} ago"


def _totals(status: RunStatus) -> Iterator[str]:
    tasks = status.tasks.values()
    done = sum(task.done for task in tasks)
    if all(task.samples is not None for task in tasks):
        yield f"{done:,} of {sum(task.samples or 0 for task in tasks):,} samples"
    else:
        yield f"{done:,} samples"
    failed = sum(role.failures for task in tasks for role in task.roles.values())
    yield f"{failed:,} {'call' if failed == 1 else 'calls'} failed"
    if status.per_second:
        yield f"{_rate(status.per_second)} samples a second"
    if status.seconds_left is not None:
        yield f"about {duration(status.seconds_left)} left"
    if status.cost is not None:
        yield f"cost {status.cost:,.4f}"
    if status.busy:
        yield " and ".join(f"{role} busy {share:.0%}" for role, share in status.busy.items())
    if status.memory is not None:
        yield f"memory {status.memory / _GIGABYTE:,.2f} GB"
    if status.unreadable:
        yield f"{status.unreadable:,} damaged lines of events.jsonl left aside"


def _rows(name: str, task: TaskStatus) -> Iterator[tuple[str, ...]]:
    of_task: tuple[str, ...] = (
        name,
        task.state,
        f"{task.done:,} of {'an unknown number' if task.samples is None else f'{task.samples:,}'}",
        "" if task.seconds_left is None else duration(task.seconds_left),
    )
    if not task.roles:
        yield (*of_task, "", "", "", "", "")
    for role, each in task.roles.items():
        cost = "" if each.cost is None else f"{each.cost:,.4f}"
        yield (*of_task, role, f"{each.answers:,}", f"{each.failures:,}", _rate(each.per_second), cost)
        of_task = ("", "", "", "")


def _rate(per_second: float | None) -> str:
    return "" if per_second is None else f"{per_second:,.1f}" if per_second >= 1 else f"{per_second:.3f}"


def _to_json(status: RunStatus) -> dict[str, Any]:
    times = {"began": status.began.isoformat(), "written": status.written.isoformat()}
    return {**asdict(status), "folder": str(status.folder), **times}
