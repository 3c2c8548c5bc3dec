"""A table as tidy CSV: one row per figure, every field of it, for spreadsheets and data frames."""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal

from reports.tables.model import Cell, Table, stub_titles

_FIELDS = ("source", "published", "metric", "text", "value", "low", "high", "n")
_OF_SAMPLES = ("failed", "skipped", "empty", "audio_cut", "audio_split")
_COUNTS = ("expected", "partial", *_OF_SAMPLES, "recipe")


def render_csv(table: Table) -> str:
    """Return every cell with something in it as CSV; values are unrounded, in the unit of the table."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    stub = [_name(heading) for heading in table.stub]
    # A stub that names the metric of a row says less than the figure's own.
    kept = [position for position, heading in enumerate(stub) if heading not in _FIELDS]
    across = [_name(heading) for heading in table.across if heading]
    writer.writerow(["table", *(stub[position] for position in kept), *across, *_FIELDS, *_COUNTS])
    for titles, cell in _cells(table, kept):
        for figure in cell.figures:
            if figure.text or figure.n is not None:
                writer.writerow([*map(spreadsheet_safe, (table.name, *titles, figure.source)), *_fields(figure)])
    return output.getvalue()


def spreadsheet_safe(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe goes before what would start one."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _cells(table: Table, kept: list[int]) -> Iterator[tuple[list[str], Cell]]:
    """Yield every cell with the titles that lead to it."""
    for group in table.groups:
        for position, row in enumerate(group.rows):
            titles = [title.text for title in stub_titles(table, group, position)]
            for column, cell in zip(table.columns, row.cells, strict=True):
                above = [column.group] if table.across[0] else []
                yield [*(titles[index] for index in kept), *above, column.title], cell


def _fields(cell: Cell) -> list[object]:
    low, high = cell.interval or (None, None)
    samples = cell.samples
    return [
        int(cell.n is None),
        spreadsheet_safe(cell.metric),
        cell.text,
        *map(_number, (cell.value, low, high)),
        "" if cell.n is None else cell.n,
        samples.expected if samples else "",
        "" if cell.n is None else int(cell.partial),
        *(getattr(samples, name) if samples else "" for name in _OF_SAMPLES),
        spreadsheet_safe(cell.recipe),
    ]


def _name(heading: str) -> str:
    return heading.lower().replace(" ", "_")


def _number(value: Decimal | None) -> str:
    return "" if value is None else format(value.normalize(), "f")
