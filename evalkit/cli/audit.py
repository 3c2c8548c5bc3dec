"""``evalkit audit``: is a run whole? Answers, recordings and figures, each proven from what its folder holds."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from evalkit.cli.allow import add_allow
from evalkit.cli.main import EXIT_FOUND_FAULT
from evalkit.cli.run_argument import run_argument
from evalkit.printable import printable
from evalkit.results.repeated import repeated_folders
from evalkit.run.audit import Audit, audit_run


def command(arguments: Sequence[str]) -> int:
    """Print a line for each finding; 0 if the runs are whole, 1 if not."""
    parser = argparse.ArgumentParser(
        prog="evalkit audit",
        description="Prove that runs are whole: each call of each sample's chain has exactly one accepted response, "
        "every recording of an answer is there and as it was, scores and figures recompute from the responses to the "
        "same bytes, and the files belong together. Prints a line for each finding. Nothing is asked, and no run "
        "folder is written to. Exits 0 if the runs are whole, 1 if something was found, and 2 on an error.",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        type=run_argument,
        metavar="RUN",
        help="run folders, or a folder of repeated runs for all of them",
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON, a list with an object for each run")
    add_allow(parser)
    options = parser.parse_args(arguments)
    folders = [path for named in options.runs for path in (repeated_folders(named) or [named])]
    audits = [audit_run(folder, options.allow) for folder in folders]
    if options.json:
        print(json.dumps([_to_json(audit) for audit in audits]))
    else:
        for audit in audits:
            print("\n".join(map(printable, _lines(audit))))
    return EXIT_FOUND_FAULT if any(audit.findings for audit in audits) else 0


def _lines(audit: Audit) -> Iterator[str]:
    for finding in audit.findings:
        sample = "" if finding.sample is None else f"sample {finding.sample}: "
        yield f"{audit.folder / finding.file}: {sample}{finding.message}"
    count = len(audit.findings)
    found = f"not whole, {count:,} finding{'s' if count > 1 else ''}" if count else "whole"
    ended = ", ".join(f"{number:,} {status}" for status, number in audit.samples.items()) or "none"
    counts = f"samples: {ended}; calls: {audit.calls:,}; recordings: {audit.recordings:,}"
    yield f"{audit.folder}: {found}; tasks: {audit.tasks:,}; {counts}"


def _to_json(audit: Audit) -> dict[str, Any]:
    return {**asdict(audit), "folder": str(audit.folder), "whole": not audit.findings}
