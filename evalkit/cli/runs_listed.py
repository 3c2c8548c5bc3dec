"""The runs of a folder, a line each, with what their own files say."""

import sys
from pathlib import Path

from evalkit.cli.columns import columns
from evalkit.errors import ConfigurationError, StoreError
from evalkit.printable import printable
from evalkit.results.folder import PROVENANCE, SHARDS
from evalkit.results.metrics_file import FILE_NAME as METRICS
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.provenance import Session, last_session
from evalkit.results.repeated import repeated_folders
from evalkit.results.shards import shards_of


def runs_listed(folder: Path) -> str:
    """Return the runs of a folder as the lines of ``evalkit list runs``.

    Raises:
        ConfigurationError: there is no such folder.
        StoreError: it cannot be read.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such folder; name the one that holds your runs")
    entries = [path for entry in sorted(_entries(folder)) for path in (repeated_folders(entry) or [entry])]
    rows = [_run_row(path, folder) for path in entries if (path / PROVENANCE).is_file() or (path / SHARDS).is_dir()]
    if not rows:
        return f"{folder}: no runs"
    return columns(("run", "model", "state", "tasks", "samples", "failed", "last session"), rows)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise StoreError(f"{folder}: cannot be read ({error.strerror})") from error


def _run_row(path: Path, folder: Path) -> tuple[str, ...]:
    """Return what a run's own files say; one that cannot be read has its place in the list all the same."""
    name = path.relative_to(folder).as_posix()
    try:
        if not (path / PROVENANCE).is_file():
            shards = list(shards_of(path))
            state = f"not merged, {len(shards)} of {shards[0].count} shards begun" if shards else "not begun"
            return name, "", state, "", "", "", ""
        run = read_run(path) if (path / METRICS).is_file() else None
        session = last_session(path)
    except (StoreError, ConfigurationError) as error:
        print(f"evalkit: {printable(str(error))}", file=sys.stderr)
        return name, "", "cannot be read", "", "", "", ""
    tasks = () if run is None else run.tasks.values()
    return (
        name,
        "" if run is None else run.model,
        _state(run, session),
        str(len(tasks)),
        f"{sum(task.samples.total for task in tasks):,}",
        f"{sum(task.samples.failed for task in tasks):,}",
        "" if session is None else f"{session.started:%Y-%m-%d %H:%M}",
    )


def _state(run: RunResult | None, session: Session | None) -> str:
    if run is None or run.unfinished:
        return "not finished"
    return "finished" if session is None or session.finished else "finished before; last session stopped"
