"""How the difference of two runs reads, in Markdown, from the likeliest cause down to what cannot matter."""

from collections.abc import Iterator, Sequence

from evalkit.metrics.metric import rounded
from evalkit.results.markdown import clipped, escaped
from evalkit.run.difference.causes import Cause, Change, Effect, Example, Figure, Harmless, RunDifference

_MOST_CHANGES = 8
_MOST_EFFECTS = 12
_AROUND = 60


def page(difference: RunDifference) -> str:
    """Return the whole text."""
    return "\n".join(_lines(difference))


def _lines(difference: RunDifference) -> Iterator[str]:
    figures = {(figure.name, figure.metric): figure for figure in difference.figures}
    computed = not any(figure.remark for figure in difference.figures)
    yield f"# Why {escaped(difference.new)} differs from {escaped(difference.base)}"
    yield from ("", _summary(difference, figures), "")
    yield "| Task | Metric | Base | New | Difference | Samples of both | Other answers |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    yield from (f"| {' | '.join(_row(figure))} |" for figure in difference.figures)
    for figure in difference.figures:
        if figure.remark:
            yield from ("", f"{escaped(figure.title)}: {escaped(figure.remark)}.")
    for remark in difference.remarks:
        yield from ("", f"{escaped(remark)}.")
    if difference.causes:
        yield from ("", "## What differs, the likeliest first")
        for number, cause in enumerate(difference.causes, start=1):
            yield from ("", f"{number}. **{escaped(cause.title)}**{_explained_in_all(cause, figures)}")
            yield from (f"   {line}".rstrip() for line in _cause(cause, figures))
            if not cause.effects and computed and cause.kind not in ("intervals", "empty"):
                yield from ("", "   It moves none of these figures.")
    if difference.harmless:
        yield from ("", "## What differs and moves none of these figures", "")
        yield from _harmless(difference.harmless)


def _summary(difference: RunDifference, figures: dict[tuple[str, str], Figure]) -> str:
    cause = difference.likeliest
    moved = any(figure.difference for figure in difference.figures)
    if cause is None:
        return "Nothing differs that could move a figure." if not moved else "Nothing recorded explains the difference."
    what = f"**{escaped(cause.title)}**"
    if cause.changes:
        what += f", {_change(cause.changes[0])}"
    if cause.effective:
        return f"Likeliest: {what}{_explained_in_all(cause, figures)}."
    if not moved:
        return f"The values are the same. What differs first of all: {what}."
    return f"Likeliest, though its size cannot be told: {what}."


def _explained_in_all(cause: Cause, figures: dict[tuple[str, str], Figure]) -> str:
    """Return how much the cause explains of the figure of which it explains most."""
    effects = [effect for effect in cause.effects if effect.size]
    if not effects:
        return ""
    effect = max(effects, key=lambda each: _share(each, figures))
    figure = figures[effect.figure, effect.metric]
    return f": explains {_size(effect, figure)} in {escaped(figure.title)}" + _together(effect)


def _share(effect: Effect, figures: dict[tuple[str, str], Figure]) -> float:
    whole = figures[effect.figure, effect.metric].difference
    return abs(effect.size) / abs(whole) if whole else abs(effect.size)


def _cause(cause: Cause, figures: dict[tuple[str, str], Figure]) -> Iterator[str]:
    if cause.explanation:
        yield from ("", escaped(cause.explanation))
    if cause.changes:
        yield ""
        yield from (f"- {_change(change)}" for change in cause.changes[:_MOST_CHANGES])
        yield from _more(len(cause.changes) - _MOST_CHANGES)
    effects = sorted(cause.effects, key=lambda each: -_share(each, figures))
    if effects:
        yield ""
        for effect in effects[:_MOST_EFFECTS]:
            yield f"- {_effect(effect, figures[effect.figure, effect.metric])}"
        yield from _more(len(effects) - _MOST_EFFECTS)
    for example in cause.examples[:1]:
        base, new = _where_they_differ(example)
        yield from ("", f"For example sample {escaped(example.sample_id)}:", "")
        yield from (f"- base: {escaped(base)}", f"- new: {escaped(new)}")


def _effect(effect: Effect, figure: Figure) -> str:
    samples = f"{effect.samples:,} sample{'' if effect.samples == 1 else 's'}"
    detail = f"; {escaped(effect.detail)}" if effect.detail else ""
    name = f"{escaped(figure.title)}, {escaped(figure.label)}"
    return f"{name}: {_size(effect, figure)} by {samples}{_together(effect)}{detail}"


def _size(effect: Effect, figure: Figure) -> str:
    whole = "" if figure.difference is None else f" of {_signed(figure.difference, figure.decimals)}"
    return f"{_signed(effect.size, figure.decimals)}{whole} {figure.unit}".rstrip()


def _together(effect: Effect) -> str:
    return f", together with {', '.join(map(escaped, effect.shared_with))}" if effect.shared_with else ""


def _row(figure: Figure) -> list[str]:
    label = f"{figure.label} ({figure.unit})" if figure.unit else figure.label
    values = ["" if value is None else rounded(value, figure.decimals) for value in (figure.base, figure.new)]
    difference = "" if figure.difference is None else _signed(figure.difference, figure.decimals)
    return [escaped(figure.title), escaped(label), *values, difference, f"{figure.shared:,}", f"{figure.differing:,}"]


def _change(change: Change) -> str:
    values = [
        "(not there)" if value is None else escaped(clipped(value, 120)) or "(empty)"
        for value in (change.base, change.new)
    ]
    return f"{escaped(change.what)}: {values[0]} → {values[1]}"


def _harmless(all_harmless: Sequence[Harmless]) -> Iterator[str]:
    """Yield a line for each reason, with what it is the reason of."""
    by_reason: dict[str, list[Change]] = {}
    for each in all_harmless:
        by_reason.setdefault(each.reason, []).append(each.change)
    for reason, changes in by_reason.items():
        shown = "; ".join(_change(change) for change in changes[:_MOST_CHANGES])
        more = f"; and {len(changes) - _MOST_CHANGES:,} more" if len(changes) > _MOST_CHANGES else ""
        yield f"- {shown}{more}: {escaped(reason)}."


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield f"- and {count:,} more"


def _where_they_differ(example: Example) -> tuple[str, str]:
    """Return both texts around the first place at which they differ."""
    base, new = example.base, example.new
    first = next((at for at, pair in enumerate(zip(base, new, strict=False)) if pair[0] != pair[1]), 0)
    start = max(first - _AROUND, 0)
    ends = [("…" if start else "") + text[start:] for text in (base, new)]
    return clipped(ends[0], 4 * _AROUND) or "(nothing)", clipped(ends[1], 4 * _AROUND) or "(nothing)"


def _signed(value: float, decimals: int) -> str:
    text = rounded(value, decimals)
    return text if text.startswith("-") else f"+{text}"
