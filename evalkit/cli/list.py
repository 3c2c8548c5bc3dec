"""``evalkit list``: the models, tasks, suites and published results there are, and the runs of a folder."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.catalogue import Folders, read_models, read_options
from evalkit.cli.columns import columns
from evalkit.cli.model_facts import abilities, languages, longest_audio, needs
from evalkit.cli.run_argument import run_argument


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
        from evalkit.cli.runs_listed import runs_listed  # which alone needs what reads runs

        print(runs_listed(options.folder or Path("runs")))
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


_CONFIGURED = {"models": _models, "tasks": _tasks, "suites": _suites}
