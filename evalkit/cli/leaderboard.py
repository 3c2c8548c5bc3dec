"""``evalkit leaderboard``: the newest run of each model in a folder, ranked, with the history of each figure."""

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from evalkit.cli.output import check_folder
from evalkit.cli.run_argument import run_argument
from evalkit.errors import ConfigurationError
from evalkit.printable import printable


def command(arguments: Sequence[str]) -> int:
    """Write the leaderboard, print its table, and say where the page lies."""
    parser = argparse.ArgumentParser(
        prog="evalkit leaderboard",
        description="Rank the newest run of each model in a folder of runs, and draw how each figure came about. Runs "
        "that are broken or not finished are left out with a line; a figure of another recipe is marked, not ranked.",
        epilog="example: evalkit leaderboard runs --model 'step-*' --step 'step-(\\d+)' --output board",
    )
    parser.add_argument(
        "runs", nargs="?", type=run_argument, default=Path("runs"), metavar="FOLDER", help="of runs (default: runs)"
    )
    parser.add_argument(
        "--task", nargs="+", default=[], metavar="NAME", help="tasks and averages to show; default: all"
    )
    parser.add_argument("--model", nargs="+", default=[], metavar="PATTERN", help="models to show, such as 'whisper*'")
    parser.add_argument("--since", metavar="DATE", help="runs from this day on, as 2026-01-31")
    parser.add_argument(
        "--sort", metavar="NAME", help="task or average to rank by; default: the average that ranks the most models"
    )
    parser.add_argument(
        "--step", metavar="REGEX", help="whose group finds the training step in names of runs, for learning curves"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("leaderboard"), help="folder to write to (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    from reports.leaderboard.collect import Filters
    from reports.leaderboard.write import write_leaderboard
    from reports.render.terminal import render_terminal

    filters = Filters(tuple(options.model), _day(options.since), _pattern(options.step))
    check_folder(options.output)
    made = write_leaderboard(
        options.runs, options.output, filters=filters, tasks=tuple(options.task), sort=options.sort
    )
    for reason in made.left_out:
        print(f"left out: {printable(reason)}", file=sys.stderr)
    print(render_terminal(made.table, shutil.get_terminal_size().columns))
    for note in made.notes:
        print(printable(note))
    print(f"{len(made.files)} files written to {options.output}; open {made.files[0]}")
    return 0


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--since {text}: is no date; give one as 2026-01-31") from error


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ConfigurationError(f"--step {text}: is no regular expression ({error})") from error
    if pattern.groups < 1:
        raise ConfigurationError(f"--step {text}: put the digits into a group, as step-(\\d+)")
    return pattern
