"""``evalkit compare``: paired tests between runs, for people and for CI systems, with an exit status for pipelines."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from evalkit.cli.main import EXIT_ERROR, EXIT_FOUND_FAULT
from evalkit.cli.output import check_file, write_file, write_json
from evalkit.cli.run_argument import run_argument
from evalkit.metrics.functions import register_functions_of
from evalkit.printable import printable
from evalkit.results.compared import Comparison, Correction
from evalkit.results.comparison.gate import Condition, caught, without_a_figure
from evalkit.results.comparison.junit import render_junit
from evalkit.results.comparison.runs import compare_runs
from evalkit.results.comparison.settings import OtherTestName

_DESCRIPTION = """Compare runs sample by sample with a baseline: for each figure and each average the difference with
its interval, a test corrected over all that is looked at, and a verdict: better, worse, equivalent, no evidence, or not
comparable. Exits 0 if nothing that --fail-on names was found, 1 if something was, and 2 if nothing of a run could be
compared."""


def command(arguments: Sequence[str]) -> int:
    """Print the comparison; 0 if the gate is passed, 1 if not, 2 if nothing could be compared."""
    options = _parser().parse_args(arguments)
    for file in filter(None, (options.markdown, options.json, options.junit)):
        check_file(file)
    for module in options.allow:
        register_functions_of(module)
    comparison = compare_runs(
        options.base,
        options.new,
        *options.more,
        level=options.level,
        resamples=options.resamples,
        seed=options.seed,
        cluster=options.cluster,
        minimum=options.minimum,
        correction=options.correction,
        tests=options.test,
        only=options.only,
        samples=options.samples,
    )
    conditions = options.fail_on or ["worse"]
    _write(comparison, conditions, options)
    for run in without_a_figure(comparison):
        print(f"evalkit: nothing of {printable(run)} could be compared; the lines above say why", file=sys.stderr)
    if not comparison.compared:
        return EXIT_ERROR
    return EXIT_FOUND_FAULT if caught(comparison, conditions) else 0


def _write(comparison: Comparison, conditions: Sequence[Condition], options: argparse.Namespace) -> None:
    text = comparison.to_markdown()
    print(printable(text, lines=True))
    if options.markdown:
        write_file(options.markdown, text + "\n")
    if options.json:
        write_json(options.json, comparison.to_json())
    if options.junit:
        write_file(options.junit, render_junit(comparison, conditions))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evalkit compare", description=_DESCRIPTION)
    parser.add_argument("base", type=run_argument, metavar="BASE", help="run folder of the baseline")
    parser.add_argument("new", type=run_argument, metavar="NEW", help="run folder to judge against it")
    parser.add_argument(
        "more", nargs="*", type=run_argument, metavar="MORE", help="further run folders to judge against it"
    )
    parser.add_argument("--level", type=float, default=0.95, help="confidence level (default: %(default)s)")
    parser.add_argument(
        "--minimum", type=float, metavar="SIZE", help="the difference that matters, in the unit that is printed"
    )
    parser.add_argument(
        "--correction",
        choices=get_args(Correction),
        default="holm",
        help="of the p-values over all figures; bh: Benjamini and Hochberg (default: %(default)s)",
    )
    parser.add_argument(
        "--cluster",
        default="auto",
        metavar="FIELD",
        help="draw whole clusters by this field of the samples, such as speaker; none: single samples; auto: as the "
        "runs' own intervals (default: %(default)s)",
    )
    parser.add_argument(
        "--test",
        action="append",
        default=[],
        choices=get_args(OtherTestName),
        help="give the p-value of this test too: mapsswe for word error rates, mcnemar for accuracies; may be repeated",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="look at this task or average and at no others that are not named; may be repeated",
    )
    parser.add_argument(
        "--fail-on",
        action="extend",
        type=_conditions,
        metavar="VERDICT",
        help="exit 1 if any figure is worse, not-better (of those compared) or not-comparable; several with commas, or "
        "repeated (default: worse)",
    )
    parser.add_argument(
        "--samples", type=int, default=10, help="changed samples listed either way (default: %(default)s)"
    )
    parser.add_argument("--resamples", type=int, default=10_000, help="of each test (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling (default: %(default)s)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the Markdown to a file as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON to a file")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the verdicts as JUnit XML to a file")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="MODULE",
        help="load this module of yours, which registers metric functions of its own; may be repeated",
    )
    return parser


def _conditions(text: str) -> list[Condition]:
    """Read one condition, or several with commas between them."""
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in get_args(Condition):
            raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(get_args(Condition))}")
    return cast(list[Condition], words)
