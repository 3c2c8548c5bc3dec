"""A reproduction as Markdown for people, as CSV for spreadsheets and as JSON for programs."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from evalkit.metrics.metric import rounded
from evalkit.results.markdown import escaped
from reports.render.csv import spreadsheet_safe
from reports.reproduction.rows import Reproduction, Row
from reports.reproduction.verdict import plain

FORMAT = 1
_PLURALS = {"differs": "differ"}


def render_markdown(reproduction: Reproduction) -> str:
    """Return the verdicts, and after them what the sources of the figures leave unsaid."""
    return "\n".join(_lines(reproduction)) + "\n"


def render_csv(reproduction: Reproduction) -> str:
    """Return a row for each published figure; numbers are unrounded, in the unit of the figure."""
    output = io.StringIO()
    records = [_record(row) for row in reproduction.rows]
    writer = csv.DictWriter(output, records[0] if records else [], lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow(
            {
                key: "" if value is None else spreadsheet_safe(value) if isinstance(value, str) else value
                for key, value in record.items()
            }
        )
    return output.getvalue()


def render_json(reproduction: Reproduction) -> str:
    """Return everything as a JSON object, whose form is described in ``docs/reproducing.md``."""
    judged, outside, expected = reproduction.by_chance
    content = {
        "format": FORMAT,
        "model": reproduction.model,
        "releases": list(reproduction.releases),
        "runs": list(reproduction.runs),
        "level": reproduction.level,
        "counts": reproduction.counts,
        "intervals": {"figures": judged, "outside": outside, "outside_by_chance": round(expected, 2)},
        "figures": [_record(row) for row in reproduction.rows],
        "unknown": [asdict(each) for each in reproduction.unknowns],
        "remarks": list(reproduction.remarks),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _record(row: Row) -> dict[str, Any]:
    """Return what there is to say of a figure, as JSON values."""
    published, figures, judgement = row.published, row.figures, row.judgement
    low, high = figures.interval or (None, None)
    return {
        "release": published.release,
        "table": published.table,
        "group": published.group,
        "benchmark": published.benchmark,
        "metric": published.metric,
        "published": str(published.value),
        "measured": _number(figures.measured),
        "low": _number(low),
        "high": _number(high),
        "samples": figures.samples,
        "margin": _number(figures.margin),
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        "p_value": judgement.p_value,
        "adjusted_p_value": judgement.adjusted_p_value,
        "run": row.cell.source,
        "recipe": row.cell.recipe,
    }


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _lines(reproduction: Reproduction) -> Iterator[str]:
    yield f"# {escaped(reproduction.model)}: published against measured"
    yield ""
    counts = ", ".join(f"{count:,} {_PLURALS.get(verdict, verdict)}" for verdict, count in reproduction.counts.items())
    yield f"{len(reproduction.rows):,} published figures: {counts}."
    yield ""
    level = f"{100 * reproduction.level:g} %"
    yield f"| Table | Test set | Metric | Published | Measured [{level}] | Samples | Verdict | Why |"
    yield "| --- | --- | --- | ---: | ---: | ---: | --- | --- |"
    yield from (f"| {' | '.join(_cells(row))} |" for row in reproduction.rows)
    yield ""
    yield _chance(reproduction)
    if reproduction.remarks:
        yield ""
        yield from (f"- {escaped(remark)}." for remark in reproduction.remarks)
    if reproduction.unknowns:
        yield from ("", "## What the sources leave unsaid, and what was taken", "")
        for each in reproduction.unknowns:
            yield (
                f"- **{escaped(each.whose)}**: {escaped(each.unknown)}. Taken: {escaped(each.taken)}. "
                f"({escaped(each.source)})"
            )
    yield ""
    runs = ", ".join(reproduction.runs) or "none"
    yield f"Published: {escaped('; '.join(reproduction.releases))}. Runs: {escaped(runs)}."


def _cells(row: Row) -> list[str]:
    published, cell, judgement = row.published, row.cell, row.judgement
    decimals = len(cell.text.partition(".")[2])
    ends = ", ".join(rounded(end, decimals) for end in cell.interval or ())
    measured = f"{escaped(cell.text)} [{ends}]" if ends else escaped(cell.text)
    return [
        escaped(published.table),
        escaped(row.title),
        escaped(published.metric),
        str(published.value),
        measured,
        f"{cell.n:,}" if cell.n else "",
        f"**{judgement.verdict}**",
        escaped(judgement.reason),
    ]


def _chance(reproduction: Reproduction) -> str:
    judged, outside, expected = reproduction.by_chance
    if not judged:
        return "No figure could be held against an interval."
    margins = sorted({row.figures.margin for row in reproduction.rows if row.judgement.p_value is not None})
    within = f"±{plain(margins[0])}" + (f" to ±{plain(margins[-1])}" if len(margins) > 1 else "")
    return (
        f"Held against intervals: {judged:,}; outside lie {outside:,}, where {expected:.1f} would by chance if all "
        f"were reproduced, which Holm's procedure allows for. The margins, the differences that would matter, are "
        f"{within}."
    )
