"""``evalkit compare``: paired tests between two runs, as Markdown and JSON, with an exit status for pipelines."""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.cli.main import EXIT_FOUND_FAULT
from evalkit.printable import printable
from evalkit.results.comparison import ONLY_IN, Cell, Change, Comparison, compare


def command(arguments: Sequence[str]) -> int:
    """Print the comparison; 1 if the new run is significantly worse anywhere."""
    parser = argparse.ArgumentParser(
        prog="evalkit compare",
        description="Compare two runs sample by sample. Exits 1 if NEW is significantly worse than BASE in any cell.",
    )
    parser.add_argument("base", type=Path, metavar="BASE", help="run folder of the baseline")
    parser.add_argument("new", type=Path, metavar="NEW", help="run folder to judge against it")
    parser.add_argument("--level", type=float, default=0.95, help="confidence level (default: %(default)s)")
    parser.add_argument("--resamples", type=int, default=10_000, help="of each test (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling (default: %(default)s)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the Markdown to a file as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON to a file")
    options = parser.parse_args(arguments)
    if not 0 < options.level < 1:
        parser.error("--level must lie between 0 and 1")
    comparison = compare(options.base, options.new, level=options.level, resamples=options.resamples, seed=options.seed)
    text = markdown(comparison)
    print(printable(text, lines=True))
    if options.markdown:
        options.markdown.write_text(text + "\n", encoding="utf-8")
    if options.json:
        content = {**dataclasses.asdict(comparison), "regressed": comparison.regressed}
        options.json.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return EXIT_FOUND_FAULT if comparison.regressed else 0


def markdown(comparison: Comparison) -> str:
    """The comparison as a Markdown table, followed by the utterances that changed most."""
    return "\n".join(_lines(comparison))


def _lines(comparison: Comparison) -> Iterator[str]:
    level = f"{100 * comparison.level:g} %"
    yield f"# {_escape(comparison.new)} against {_escape(comparison.base)}"
    yield ""
    yield f"| Task | Metric | Base | New | Difference [{level}] | p | p (Holm) | Samples | Verdict |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    alone: dict[str, list[str]] = {}
    for cell in comparison.cells:
        if cell.reason.startswith(ONLY_IN):
            alone.setdefault(cell.reason, []).append(_escape(cell.title))
        else:
            yield f"| {' | '.join(_row(cell))} |"
    yield ""
    for reason, titles in alone.items():
        yield from (f"Not compared, as {reason}: {', '.join(titles)}.", "")
    yield (
        f"Differences are new minus base, in points; intervals from the paired bootstrap, p-values from approximate "
        f"randomisation, corrected after Holm over the cells compared. A verdict needs a corrected p of at most "
        f"{1 - comparison.level:.3g}."
    )
    for cell in comparison.cells:
        for heading, changes in (("got better", cell.improved), ("got worse", cell.worsened)):
            if changes:
                yield from ("", f"## {_escape(cell.title)}: what {heading} most", "")
                yield "| Sample | Effect on the figure | Reference | Base | New |"
                yield "| --- | ---: | --- | --- | --- |"
                for change in changes:
                    yield f"| {' | '.join(_change(change))} |"


def _row(cell: Cell) -> list[str]:
    verdict = f"**{cell.verdict}**" + (f": {_escape(cell.reason)}" if cell.reason else "")
    figures = [""] * 5
    if cell.interval is not None and None not in (cell.base, cell.new, cell.difference):
        low, high = cell.interval
        figures = [
            f"{100 * (cell.base or 0):.2f}",
            f"{100 * (cell.new or 0):.2f}",
            f"{100 * (cell.difference or 0):+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]",
            f"{cell.p_value:.4f}",
            f"{cell.adjusted_p_value:.4f}",
        ]
    samples = str(cell.shared)
    if cell.shared < max(cell.base_samples, cell.new_samples):
        samples += f" of {cell.base_samples} and {cell.new_samples}"
    return [_escape(cell.title), cell.metric, *figures, samples, verdict]


def _change(change: Change) -> list[str]:
    texts = (change.reference, change.base_answer, change.new_answer)
    return [_escape(change.sample_id), f"{100 * change.effect:+.3f}", *(_escape(text) for text in texts)]


def _escape(text: str) -> str:
    """Untrusted text inside a Markdown table cell: one line, no column breaks, no HTML."""
    replacements = {"\\": "\\\\", "|": "\\|", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " ", "`": "\\`"}
    return "".join(replacements.get(character, character) for character in text)
