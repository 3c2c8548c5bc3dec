"""``evalkit list``: the models, tasks, suites and published results there are."""

import argparse
from collections.abc import Sequence

from evalkit.cli.catalogue import entries
from evalkit.cli.columns import columns


def command(arguments: Sequence[str]) -> int:
    """Print one of the lists."""
    parser = argparse.ArgumentParser(prog="evalkit list", description="What there is to choose from.")
    parser.add_argument("what", choices=_LISTS)
    print(_LISTS[parser.parse_args(arguments).what]())
    return 0


def _models() -> str:
    rows = [(entry.name, str(entry.content.get("title", "")), entry.description) for entry in entries("model")]
    return columns(("model=", "title", "what it is"), rows)


def _tasks() -> str:
    rows = []
    for entry in entries("task"):
        content, facts = entry.content, entry.content.get("facts", {})
        count = content.get("expected_samples")
        rows.append(
            (
                entry.name,
                str(content.get("title", "")),
                str(content.get("language", "")),
                f"{count:,}" if count else "",
                str(facts.get("hours") or ""),
                str(facts.get("licence", "")),
                str(facts.get("access", "")),
            )
        )
    return columns(("task=", "title", "language", "samples", "hours", "licence", "access"), rows)


def _suites() -> str:
    return columns(("suite=", "what it is"), [(entry.name, entry.description) for entry in entries("suite")])


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


_LISTS = {"models": _models, "tasks": _tasks, "suites": _suites, "published": _published}
