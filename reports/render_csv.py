"""A table as tidy CSV: one row per cell, every field of it, for spreadsheets and data frames."""

import csv
import io
from decimal import Decimal

from reports.table import Table

_FIELDS = ("model", "source", "published", "text", "value", "low", "high", "n")
_COUNTS = ("expected", "partial", "failed", "skipped", "empty", "recipe")


def render_csv(table: Table) -> str:
    """Every cell with something in it; values are unrounded, in the unit of the table."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(["table", *(heading.lower().replace(" ", "_") for heading in table.stub), *_FIELDS, *_COUNTS])
    for group in table.groups:
        for row in group.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if not (cell.text or cell.samples):
                    continue
                low, high = cell.interval or (None, None)
                samples = cell.samples
                writer.writerow(
                    [
                        *map(
                            spreadsheet_safe,
                            (table.name, group.title, row.title, column.title, column.source),
                        ),
                        int(column.published),
                        cell.text,
                        *map(_number, (cell.value, low, high)),
                        *((samples.counted, samples.expected, int(cell.partial)) if samples else ("", "", "")),
                        *((samples.failed, samples.skipped, samples.empty) if samples else ("", "", "")),
                        spreadsheet_safe(cell.recipe),
                    ]
                )
    return output.getvalue()


def spreadsheet_safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before what would start one."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _number(value: Decimal | None) -> str:
    return "" if value is None else format(value.normalize(), "f")
