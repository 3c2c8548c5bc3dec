"""``evalkit sensitivity``: how much of a run's figures is the normaliser. Nothing is written to the run."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.allow import add_allow
from evalkit.cli.output import check_file, write_file, write_json
from evalkit.cli.run_argument import single_run_argument
from evalkit.printable import printable
from evalkit.run.sensitivity import sensitivity


def command(arguments: Sequence[str]) -> int:
    """Print every task under every scheme, with the differences to its headline figure."""
    parser = argparse.ArgumentParser(
        prog="evalkit sensitivity",
        description="Score the stored answers of runs under every scheme of normalisation, side by side: each figure, "
        "its difference to the headline figure with the interval of that difference, how many samples change, and the "
        "commonest reasons. Nobody is asked, and the runs are left as they are.",
        epilog="example: evalkit sensitivity runs/whisper_base-demo --json schemes.json",
    )
    parser.add_argument("runs", nargs="+", type=single_run_argument, metavar="RUN", help="run folders")
    parser.add_argument("--task", action="append", default=[], metavar="NAME", help="this task alone; may be repeated")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the Markdown to a file as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON to a file")
    add_allow(parser)
    options = parser.parse_args(arguments)
    for file in filter(None, (options.markdown, options.json)):
        check_file(file)
    found = [sensitivity(run, options.task, options.allow) for run in options.runs]
    text = "\n\n".join(each.to_markdown() for each in found)
    print(printable(text, lines=True))
    if options.markdown:
        write_file(options.markdown, text + "\n")
    if options.json:
        write_json(options.json, [each.to_json() for each in found])
    return 0
