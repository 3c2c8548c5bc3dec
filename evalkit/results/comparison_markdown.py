"""A comparison as a Markdown table, followed by the samples that changed most."""

from collections.abc import Iterator

from evalkit.metrics.metric import rounded
from evalkit.results.comparison import Change, ComparedMetric, Comparison, formatted
from evalkit.results.markdown import clipped, escaped


def comparison_markdown(comparison: Comparison) -> str:
    """Render a comparison; whatever models and data sets wrote is escaped and clipped."""
    return "\n".join(_lines(comparison))


def _lines(comparison: Comparison) -> Iterator[str]:
    level = f"{100 * comparison.level:g} %"
    yield f"# {escaped(comparison.new)} against {escaped(comparison.base)}"
    yield ""
    if any(each.only_in is None for each in comparison.metrics):
        yield f"| Task | Metric | Base | New | Difference [{level}] | p | p (Holm) | Samples | Verdict |"
        yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
        yield from (f"| {' | '.join(_row(each))} |" for each in comparison.metrics if each.only_in is None)
        yield ""
    alone: dict[str, dict[str, None]] = {}
    for each in comparison.metrics:
        if each.only_in is not None:
            alone.setdefault(each.reason, {})[escaped(each.title)] = None
    for reason, titles in alone.items():
        yield from (f"Not compared, as {reason}: {', '.join(titles)}.", "")
    for remark in comparison.remarks:
        yield from (f"{escaped(remark)}.", "")
    yield (
        f"Differences are new minus base over the samples of both, with paired bootstrap intervals; p by approximate "
        f"randomisation, corrected over all rows by Holm's procedure. A verdict needs p (Holm) of at most "
        f"{1 - comparison.level:.2g}."
    )
    for each in comparison.metrics:
        for heading, changes in (("worsened", each.worsened), ("improved", each.improved)):
            if changes:
                yield from ("", f"## {escaped(each.title)}: what {heading} most", "")
                yield f"| Sample | Effect on {escaped(each.metric)} | Reference | Base | New |"
                yield "| --- | ---: | --- | --- | --- |"
                for change in changes:
                    yield f"| {' | '.join(_change(change, each.decimals))} |"


def _row(each: ComparedMetric) -> list[str]:
    verdict = f"**{each.verdict}**" + (f": {escaped(each.reason)}" if each.reason else "")
    p_values = [f"{p:.4f}" if p is not None else "" for p in (each.p_value, each.adjusted_p_value)]
    samples = str(each.shared)
    if each.shared < max(each.base_samples, each.new_samples):
        samples += f" of {each.base_samples} and {each.new_samples}"
    name = escaped(f"{each.metric} ({each.unit})" if each.unit else each.metric)
    return [escaped(each.title), name, *formatted(each), *p_values, samples, verdict]


def _change(change: Change, decimals: int) -> list[str]:
    effect = rounded(change.effect, decimals + 1)
    texts = (change.reference, change.base_answer, change.new_answer)
    sign = "" if effect.startswith("-") else "+"
    return [escaped(change.sample_id), f"{sign}{effect}", *(escaped(clipped(text)) for text in texts)]
