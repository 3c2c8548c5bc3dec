"""``evalkit diff``: why the figures of two runs differ, the likeliest cause first, with its size."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.allow import add_allow
from evalkit.cli.main import EXIT_FOUND_FAULT
from evalkit.cli.output import check_file, write_file, write_json
from evalkit.cli.run_argument import single_run_argument
from evalkit.printable import printable
from evalkit.run.difference.diff import diff_runs


def command(arguments: Sequence[str]) -> int:
    """Print what differs; 0 if nothing does that could move a figure, 1 if something does."""
    parser = argparse.ArgumentParser(
        prog="evalkit diff",
        description="Tell why the figures of two runs differ: data, scoring, prompts, decoding, models, failures, "
        "software; the likeliest cause first, with what it explains of each figure. Nothing is asked, and neither "
        "folder is written to. Exits 0 if nothing differs that could move a figure or its interval, 1 if something "
        "does, and 2 on an error.",
    )
    parser.add_argument("base", type=single_run_argument, metavar="BASE", help="run folder to compare with")
    parser.add_argument("new", type=single_run_argument, metavar="NEW", help="the other run folder")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the text to a file as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON to a file")
    add_allow(parser)
    options = parser.parse_args(arguments)
    for file in filter(None, (options.markdown, options.json)):
        check_file(file)
    difference = diff_runs(options.base, options.new, allow=options.allow)
    text = difference.to_markdown()
    print(printable(text, lines=True))
    if options.markdown:
        write_file(options.markdown, text + "\n")
    if options.json:
        write_json(options.json, difference.to_json())
    return EXIT_FOUND_FAULT if difference.differs else 0
