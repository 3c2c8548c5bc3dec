"""A table as JSON, for programs: its rows and columns as they are printed, every number unrounded."""

import json
from decimal import Decimal
from typing import Any

from reports.tables.model import Cell, Table, stub_titles


def render_json(table: Table) -> str:
    """Return the table as a JSON object."""
    content = {
        "name": table.name,
        "title": table.title,
        "stub": list(table.stub),
        "columns": [{"title": each.title, "group": each.group, "marks": each.marks} for each in table.columns],
        "rows": [
            {
                "titles": [title.text for title in stub_titles(table, group, position)],
                "cells": [[_figure(figure) for figure in cell.figures if figure.filled] for cell in row.cells],
            }
            for group in table.groups
            for position, row in enumerate(group.rows)
        ],
        "footnotes": [{"mark": each.mark, "text": each.text} for each in table.footnotes],
        "recipes": [{"line": each.line, "figures": each.figures} for each in table.recipes],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _figure(cell: Cell) -> dict[str, Any]:
    low, high = cell.interval or (None, None)
    return {
        "text": cell.text,
        "value": _number(cell.value),
        "low": _number(low),
        "high": _number(high),
        "metric": cell.metric,
        "source": cell.source,
        "published": cell.n is None,
        "n": cell.n,
        "best": cell.bold,
        "marks": cell.marks,
        "partial": cell.partial,
        "recipe": cell.recipe,
    }


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
