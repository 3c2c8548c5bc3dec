"""``evalkit compare``: paired tests between two runs, as Markdown and JSON, with an exit status for pipelines."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.main import EXIT_ERROR, EXIT_FOUND_FAULT
from evalkit.cli.output import check_file, write_file
from evalkit.metrics.functions import register_functions_of
from evalkit.printable import printable
from evalkit.results.comparison import compare_runs


def command(arguments: Sequence[str]) -> int:
    """Print the comparison; 0 without a regression, 1 with one, 2 if nothing could be compared."""
    parser = argparse.ArgumentParser(
        prog="evalkit compare",
        description="Compare two runs sample by sample. Exits 0 if NEW is nowhere significantly worse than BASE, "
        "1 if it is, and 2 if nothing could be compared.",
    )
    parser.add_argument("base", type=Path, metavar="BASE", help="run folder of the baseline")
    parser.add_argument("new", type=Path, metavar="NEW", help="run folder to judge against it")
    parser.add_argument("--level", type=float, default=0.95, help="confidence level (default: %(default)s)")
    parser.add_argument("--resamples", type=int, default=10_000, help="of each test (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling (default: %(default)s)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the Markdown to a file as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON to a file")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="MODULE",
        help="load this module of yours, which registers metric functions of its own; may be repeated",
    )
    options = parser.parse_args(arguments)
    if not 0 < options.level < 1:
        parser.error("--level must lie between 0 and 1")
    if options.resamples < 1:
        parser.error("--resamples must be at least 1")
    if options.seed < 0:
        parser.error("--seed must be at least 0")
    for file in filter(None, (options.markdown, options.json)):
        check_file(file)
    for module in options.allow:
        register_functions_of(module)
    comparison = compare_runs(
        options.base, options.new, level=options.level, resamples=options.resamples, seed=options.seed
    )
    text = comparison.to_markdown()
    print(printable(text, lines=True))
    if options.markdown:
        write_file(options.markdown, text + "\n")
    if options.json:
        write_file(options.json, json.dumps(comparison.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    if not comparison.compared:
        print("evalkit: nothing could be compared; the lines above say why", file=sys.stderr)
        return EXIT_ERROR
    return EXIT_FOUND_FAULT if comparison.regressed else 0
