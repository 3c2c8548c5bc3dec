"""A comparison as Markdown: for the terminal, a pull request, a notebook."""

from collections.abc import Iterator, Sequence

from evalkit.metrics.metric import rounded
from evalkit.printable import display_width, printable
from evalkit.results.aligned_rows import aligned_rows, gap
from evalkit.results.compared import AlignedAnswers, Change, ComparedMetric, Comparison
from evalkit.results.comparison.wording import (
    CORRECTION_NAMES,
    TEST_NAMES,
    drawn_text,
    name_text,
    p_text,
    reason_text,
    verdict_text,
)
from evalkit.results.markdown import clipped, escaped
from evalkit.results.wording import difference_text, signed

_VERDICTS = ("worse", "better", "equivalent", "no evidence", "not comparable")


def render_markdown(comparison: Comparison) -> str:
    """Return a table of verdicts, followed by groups that moved against the trend and samples that changed most."""
    return "\n".join(_lines(comparison))


def _lines(comparison: Comparison) -> Iterator[str]:
    yield from (f"# {escaped(comparison.new)} against {escaped(comparison.base)}", "", _summary(comparison), "")
    yield from _table(comparison)
    yield from _alone(comparison)
    for remark in comparison.remarks:
        yield from (f"{escaped(remark)}.", "")
    yield _explanation(comparison)
    yield from _tests(comparison)
    yield from _groups(comparison)
    for row in comparison.metrics:
        yield from _changes(row, len(comparison.runs) > 1)


def _summary(comparison: Comparison) -> str:
    found = [row.verdict for row in comparison.metrics if row.only_in is None]
    counts = [f"{found.count(verdict)} {verdict}" for verdict in _VERDICTS if verdict in found]
    return f"**{', '.join(counts) or 'nothing in common'}**"


def _table(comparison: Comparison) -> Iterator[str]:
    rows = [row for row in comparison.metrics if row.only_in is None]
    if not rows:
        return
    several = len(comparison.runs) > 1
    level = f"{100 * comparison.level:g} %"
    corrected = CORRECTION_NAMES[comparison.correction]
    heads = ["Task", "Metric", "Base", "New", f"Difference [{level}]", "p", f"p ({corrected})", "Could find", "Over"]
    rules = ["---", "---", "---:", "---:", "---:", "---:", "---:", "---:", "---:"]
    if several:
        heads.insert(0, "Run")
        rules.insert(0, "---")
    yield f"| {' | '.join([*heads, 'Verdict'])} |"
    yield f"| {' | '.join([*rules, '---'])} |"
    for row in rows:
        cells = _row(row, comparison.minimum)
        yield f"| {' | '.join([escaped(row.run), *cells] if several else cells)} |"
    yield ""


def _row(row: ComparedMetric, minimum: float | None) -> list[str]:
    reason = reason_text(row)
    values = ["" if value is None else rounded(value, row.decimals) for value in (row.base, row.new)]
    return [
        escaped(row.title),
        escaped(name_text(row)),
        *values,
        "" if row.difference is None else difference_text(row.difference, row.interval, row.decimals),
        p_text(row.p_value),
        p_text(row.adjusted_p_value),
        "" if row.detectable is None else f"±{rounded(row.detectable, row.decimals)}",
        escaped(drawn_text(row)),
        f"**{verdict_text(row, minimum)}**" + (f": {escaped(reason)}" if reason else ""),
    ]


def _alone(comparison: Comparison) -> Iterator[str]:
    """Name what only one run has, once for each reason."""
    alone: dict[str, dict[str, None]] = {}
    for row in comparison.metrics:
        if row.only_in is not None:
            of_run = f" ({escaped(row.run)})" if len(comparison.runs) > 1 else ""
            alone.setdefault(f"{row.reason}{of_run}", {})[escaped(row.title)] = None
    for reason, titles in alone.items():
        yield from (f"Not compared, as {reason}: {', '.join(titles)}.", "")


def _explanation(comparison: Comparison) -> str:
    significance = f"{1 - comparison.level:.2g}"
    corrected = CORRECTION_NAMES[comparison.correction]
    text = (
        "Differences are new minus base over the samples of both, with paired bootstrap intervals; p by approximate "
        f"randomisation, corrected over all rows by the procedure of {corrected}. Better or worse needs p ({corrected})"
        f" of at most {significance}."
    )
    if comparison.minimum is not None:
        text += f" Equivalent: the interval lies within ±{comparison.minimum:g}."
    if any(row.detectable is not None for row in comparison.metrics):
        text += " Could find: the smallest difference that as many samples find with a probability of 80 %."
    return text


def _tests(comparison: Comparison) -> Iterator[str]:
    if not any(row.tests for row in comparison.metrics):
        return
    yield from ("", "## Other tests", "")
    yield "| Run | Task | Metric | Test | p | p here | Remark |"
    yield "| --- | --- | --- | --- | ---: | ---: | --- |"
    for row in comparison.metrics:
        for test in row.tests:
            cells = [
                escaped(row.run), escaped(row.title), escaped(name_text(row)), TEST_NAMES[test.name],
                p_text(test.p_value), p_text(row.p_value), escaped(test.remark),
            ]  # fmt: skip
            yield f"| {' | '.join(cells)} |"


def _groups(comparison: Comparison) -> Iterator[str]:
    if not any(row.groups for row in comparison.metrics):
        return
    yield from ("", "## Groups that moved against the trend", "")
    yield "| Run | Task | Group | Base | New | Difference | p (corrected) | Samples | Verdict |"
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"
    for row in comparison.metrics:
        for group in row.groups:
            difference = difference_text(group.difference, group.interval, row.decimals)
            values = [rounded(value, row.decimals) for value in (group.base, group.new)]
            names = [escaped(text) for text in (row.run, row.title, f"{group.field}: {group.label}")]
            cells = [*names, *values, difference, p_text(group.adjusted_p_value), f"{group.samples:,}"]
            yield f"| {' | '.join(cells)} | **{group.verdict}** |"


def _changes(row: ComparedMetric, several: bool) -> Iterator[str]:
    if not (row.improved or row.worsened):
        return
    of_run = f", {escaped(row.run)}" if several else ""
    yield from ("", f"## {escaped(row.title)}{of_run}: {escaped(row.metric)} by sample", "", _counts(row))
    for heading, changes in (("Worsened most", row.worsened), ("Improved most", row.improved)):
        if changes:
            yield from ("", f"### {heading}", "")
            yield from _aligned(changes, row) if changes[0].alignment else _texts(changes, row)


def _counts(row: ComparedMetric) -> str:
    counts = row.counts
    if counts is None:
        return ""
    changed = f"{counts.improved:,} samples improved, {counts.worsened:,} worsened."
    if counts.fixed is None:
        return changed
    return f"{counts.fixed:,} fixed, {counts.broken:,} broken, {counts.both_wrong:,} wrong in both runs; {changed}"


def _texts(changes: Sequence[Change], row: ComparedMetric) -> Iterator[str]:
    yield f"| Sample | Effect on {escaped(row.metric)} | Reference | Base | New |"
    yield "| --- | ---: | --- | --- | --- |"
    for change in changes:
        texts = (change.reference, change.base_answer, change.new_answer)
        cells = [escaped(change.sample_id), _effect(change, row), *(escaped(clipped(text)) for text in texts)]
        yield f"| {' | '.join(cells)} |"


def _aligned(changes: Sequence[Change], row: ComparedMetric) -> Iterator[str]:
    """Yield a listing, in which no line of a text can end it: each begins with a label."""
    yield "```text"
    for number, change in enumerate(changes):
        if number:
            yield ""
        yield f"  {printable(' '.join(change.sample_id.split()))}: {_effect(change, row)}"
        yield from aligned_rows(("REF", "BASE", "", "NEW", ""), [_column(each) for each in change.alignment])
        if change.units:
            yield f"  (the first {len(change.alignment):,} places of {change.units:,} units)"
    yield "```"


def _column(aligned: AlignedAnswers) -> tuple[str, str, str, str, str]:
    """Return the cells of one place; what is missing opposite to something else is filled with asterisks."""
    reference, base, new = (None if unit is None else " ".join(printable(unit).split()) for unit in aligned)
    if reference is None:
        inserted = max((unit for unit in (base, new) if unit is not None), key=display_width, default="")
        return gap(inserted), base or "", "I" if base else "", new or "", "I" if new else ""
    return (
        reference,
        gap(reference) if base is None else base,
        _mark(reference, base),
        gap(reference) if new is None else new,
        _mark(reference, new),
    )


def _mark(reference: str, answer: str | None) -> str:
    if answer is None:
        return "D"
    return "" if reference == answer else "S"


def _effect(change: Change, row: ComparedMetric) -> str:
    return signed(change.effect, row.decimals + 1)
