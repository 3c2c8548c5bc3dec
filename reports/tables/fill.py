"""All tables, in the order of Step-Audio 2's README, and those that runs add."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from evalkit.results.metrics_file import RunResult
from reports.published import PublishedFigure, PublishedModel, select_published
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

_NAMES = frozenset(layout.name for layout in LAYOUTS)


def fill_tables(
    runs: Sequence[RunResult],
    published: Sequence[str],
    rows: Rows = "all",
    figures: Sequence[PublishedFigure] | None = None,
) -> list[FilledTable]:
    """Fill the tables that some run has a value in; without runs, those that the published models have one in.

    A set of data of its own has tables of its own beside the published ones, in the same layout: its figures are
    comparable with no published one, but with those that somebody's own table gives for it.

    Args:
        runs: the measured entries.
        published: the published ones, as ``select_published`` takes them.
        rows: which rows a table keeps, as in ``fill``.
        figures: the published figures to choose from; those that evalkit knows if there are none given.

    Raises:
        ConfigurationError: an unknown published model, or two tasks of a run that would fill the same cell.
    """
    layouts = list(layouts_of(runs))
    models = [published_in(layout, published, figures) for layout, _ in layouts]
    dated = {title for selected in models for title in twice(selected)}
    tables = [
        fill(layout, of_set, selected, rows, dated)
        for (layout, of_set), selected in zip(layouts, models, strict=True)
        if of_set or not layout.with_runs_only
    ]
    return [filled for filled in tables if _is_shown(filled, published_only=not runs)]


def layouts_of(runs: Sequence[RunResult]) -> Iterator[tuple[Layout, list[RunResult]]]:
    """Yield the layout of every table, those of sets of their own after that of the published data, and its runs."""
    for layout in LAYOUTS:
        for name, of_set in _by_set(runs).items():
            yield _layout_of(layout, name), of_set


def published_in(
    layout: Layout, names: Sequence[str], figures: Sequence[PublishedFigure] | None = None
) -> list[PublishedModel]:
    """Return the models, as ``select_published`` does, that have figures in a table, by its own name or another one.

    Args:
        layout: of the table; published figures of a set of its own are of the table that has its name.
        names: of the models.
        figures: the published figures to choose from; those that evalkit knows if there are none given.

    Raises:
        ConfigurationError: an unknown published model.
    """
    tables = dict.fromkeys((layout.name, layout.published) if layout.name in _NAMES else (layout.name,))
    return [model for table in tables for model in select_published(names, table, figures)]


def _by_set(runs: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Sort the runs by the sets of data that they have results of; all are in the set of the published tables."""
    by_set: dict[str, list[RunResult]] = {PUBLISHED_SET: []}
    for run in runs:
        for name in dict.fromkeys([PUBLISHED_SET, *(task.place.set for task in run.tasks.values())]):
            tasks = {key: task for key, task in run.tasks.items() if task.place.set == name}
            aggregates = {key: each for key, each in run.aggregates.items() if each.place.set == name}
            by_set.setdefault(name, []).append(replace(run, tasks=tasks, aggregates=aggregates))
    return by_set


def name_of_set(table: str, name: str) -> str:
    """Return what the table of a set of data of its own is called: ``mmau_demo`` for the set ``Demo``."""
    # It becomes that of files, and a set's name comes from a run folder, which others may have made.
    return "_".join([table, *([re.sub(r"\W+", "_", name).lower()] if name else [])])


def _layout_of(layout: Layout, name: str) -> Layout:
    if name == PUBLISHED_SET:
        return layout
    note = (
        f"Measured on the {name} set, not on the data of the benchmark, and comparable with no published figure; "
        "what the set does not cover is blank."
    )
    return replace(
        layout, name=name_of_set(layout.name, name), title=f"{name} set: {layout.title}", notes=(note, *layout.notes)
    )


def _is_shown(filled: FilledTable, *, published_only: bool) -> bool:
    entries = [entry for entry in filled.entries if entry.published == published_only]
    return any(cell.filled for entry in entries for cell in entry.cells.values())
