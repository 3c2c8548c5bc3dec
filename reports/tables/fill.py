"""All tables, in the order of Step-Audio 2's README, and those that runs add."""

import re
from collections.abc import Sequence
from dataclasses import replace

from evalkit.results.metrics_file import RunResult
from reports.published import select_published
from reports.tables.layout import FilledTable, Layout, Rows, fill, twice
from reports.tables.layouts.asr import ASR
from reports.tables.layouts.big_bench_audio import BIG_BENCH_AUDIO
from reports.tables.layouts.further import FURTHER
from reports.tables.layouts.mmau import MMAU
from reports.tables.layouts.paralinguistic import PARALINGUISTIC
from reports.tables.layouts.toolcall import TOOLCALL
from reports.tables.layouts.translation import COVOST2, CVSS
from reports.tables.layouts.uro_bench import URO_BENCH, URO_BENCH_SUBSETS

PUBLISHED_SET = ""
"""The set of the data that the published figures are of: that of every task whose place names no other."""

LAYOUTS: tuple[Layout, ...] = (
    ASR,
    PARALINGUISTIC,
    MMAU,
    BIG_BENCH_AUDIO,
    COVOST2,
    CVSS,
    TOOLCALL,
    URO_BENCH,
    URO_BENCH_SUBSETS,
    FURTHER,
)


def fill_tables(runs: Sequence[RunResult], published: Sequence[str], rows: Rows = "all") -> list[FilledTable]:
    """Fill the tables that some run has a value in; without runs, those that the published models have one in.

    A set of data of its own has tables of its own beside the published ones, in the same layout: its figures are
    comparable with no published one.

    Args:
        runs: the measured entries.
        published: the published ones, as ``select_published`` takes them.
        rows: which rows a table keeps, as in ``fill``.

    Raises:
        ConfigurationError: an unknown published model, or two tasks of a run that would fill the same cell.
    """
    models = {layout.name: select_published(published, layout.published) for layout in LAYOUTS}
    dated = {title for selected in models.values() for title in twice(selected)}
    tables = [
        fill(_layout_of(layout, name), of_set, models[layout.name] if name == PUBLISHED_SET else (), rows, dated)
        for layout in LAYOUTS
        for name, of_set in _by_set(runs).items()
        if of_set or not layout.with_runs_only
    ]
    return [filled for filled in tables if _is_shown(filled, published_only=not runs)]


def _by_set(runs: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Sort the runs by the sets of data that they have results of; all are in the set of the published tables."""
    by_set: dict[str, list[RunResult]] = {PUBLISHED_SET: []}
    for run in runs:
        for name in dict.fromkeys([PUBLISHED_SET, *(task.place.set for task in run.tasks.values())]):
            tasks = {key: task for key, task in run.tasks.items() if task.place.set == name}
            aggregates = {key: each for key, each in run.aggregates.items() if each.place.set == name}
            by_set.setdefault(name, []).append(replace(run, tasks=tasks, aggregates=aggregates))
    return by_set


def _layout_of(layout: Layout, name: str) -> Layout:
    if name == PUBLISHED_SET:
        return layout
    # The name becomes that of files, and comes from a run folder, which others may have made.
    plain = re.sub(r"\W+", "_", name).lower()
    note = (
        f"Measured on the {name} set, not on the data of the benchmark, and comparable with no published figure; "
        "what the set does not cover is blank."
    )
    return replace(
        layout, name=f"{layout.name}_{plain}", title=f"{name} set: {layout.title}", notes=(note, *layout.notes)
    )


def _is_shown(filled: FilledTable, *, published_only: bool) -> bool:
    entries = [entry for entry in filled.entries if entry.published == published_only]
    return any(cell.filled for entry in entries for cell in entry.cells.values())
