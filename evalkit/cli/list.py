"""``evalkit list``: the models, tasks, suites and published results there are, and the runs of a folder."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.catalogue import Folders, read_models, read_options
from evalkit.cli.columns import columns
from evalkit.cli.model_facts import abilities, languages, longest_audio, needs
from evalkit.cli.run_argument import run_argument
from evalkit.errors import ConfigurationError, StoreError
from evalkit.printable import printable
from evalkit.results.folder import PROVENANCE, SHARDS
from evalkit.results.metrics_file import FILE_NAME as METRICS
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.provenance import Session, last_session
from evalkit.results.repeated import repeated_folders
from evalkit.results.shards import shards_of


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Print one of the lists."""
    parser = argparse.ArgumentParser(
        prog="evalkit list",
        usage="evalkit list models|tasks|suites|published [--config-dir FOLDER]\n       evalkit list runs [FOLDER]",
        description="What there is to choose from, and the runs that a folder holds.",
    )
    parser.add_argument("what", choices=(*_CONFIGURED, "published", "runs"), metavar="WHAT", help="which list")
    parser.add_argument("folder", nargs="?", type=run_argument, metavar="FOLDER", help="of runs (default: runs)")
    options = parser.parse_args(arguments)
    if options.folder is not None and options.what != "runs":
        parser.error(f"{options.what} takes no folder; --config-dir FOLDER names further configurations")
    if options.what == "runs":
        print(_runs(options.folder or Path("runs")))
    elif options.what == "published":
        print(_published())
    else:
        print(_CONFIGURED[options.what](folders))
    return 0


def _models(folders: Folders) -> str:
    rows = [
        (
            option.name,
            str(option.content.get("title") or ""),
            abilities(card),
            languages(card),
            longest_audio(card),
            ", ".join(needs(card, option.content)),
            card.licence,
            option.description,
        )
        for option, card in read_models(folders)
    ]
    return columns(("model=", "title", "can", "languages", "longest", "needs", "licence", "what it is"), rows)


def _tasks(folders: Folders) -> str:
    rows = []
    for option in read_options("task", folders):
        content, facts = option.content, option.content.get("facts", {})
        count = content.get("expected_samples")
        rows.append(
            (
                option.name,
                str(content.get("title", "")),
                str(content.get("language", "")),
                f"{count:,}" if count else "",
                str(facts.get("hours") or ""),
                str(facts.get("licence", "")),
                str(facts.get("access", "")),
            )
        )
    return columns(("task=", "title", "language", "samples", "hours", "licence", "access"), rows)


def _suites(folders: Folders) -> str:
    return columns(
        ("suite=", "what it is"), [(option.name, option.description) for option in read_options("suite", folders)]
    )


def _published() -> str:
    from reports.averages import irreproducible
    from reports.published import load_published

    tables: dict[tuple[str, str], dict[str, int]] = {}
    for result in load_published():
        counts = tables.setdefault((result.model, result.release), {})
        counts[result.table] = counts.get(result.table, 0) + 1
    rows = [
        (model, release, ", ".join(f"{table} {count}" for table, count in counts.items()))
        for (model, release), counts in sorted(tables.items())
    ]
    averages = [
        (each.model, each.release, f"{each.table} {each.group}", str(each.value), str(again.value), f"{again.exact:f}")
        for each, again in irreproducible().items()
    ]
    headings = ("model", "release", "table", "printed", "recomputed", "unrounded")
    return "\n".join(
        [
            columns(("--published", "release", "figures by table"), rows),
            "",
            "Printed averages that do not follow from the figures printed with them:",
            columns(headings, averages),
        ]
    )


def _runs(folder: Path) -> str:
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


_CONFIGURED = {"models": _models, "tasks": _tasks, "suites": _suites}
