"""``evalkit merge``: make one run of its shards, or name what is missing."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.allow import add_allow
from evalkit.cli.main import EXIT_FOUND_FAULT
from evalkit.cli.run_argument import place, run_argument
from evalkit.cli.summary import summary
from evalkit.printable import printable
from evalkit.results.shards import shards_of
from evalkit.run.merging import MissingShardsError, merge


def command(arguments: Sequence[str]) -> int:
    """Merge the shards of a run, or of each of its repetitions; 1 if some are missing, or samples failed."""
    parser = argparse.ArgumentParser(
        prog="evalkit merge",
        description="Make one run of the shards that `evalkit run … shard=K/N` left in its folder: all answers, and "
        "figures with the same bytes as without shards. If shards are missing or unfinished, they are named with the "
        "number of their samples, nothing is written, and the exit status is 1; it is 1 too if samples failed. Shards "
        "of different settings, data, models or versions are refused. May be repeated.",
        epilog="example: evalkit merge runs/whisper_large_v3-asr_open",
    )
    parser.add_argument("run", type=run_argument, help="run folder")
    add_allow(parser)
    options = parser.parse_args(arguments)
    statuses = [_merge(folder, options.allow) for folder in _sharded(options.run)]
    return max(statuses)


def _sharded(folder: Path) -> list[Path]:
    """Return the sharded runs that a folder is, or holds as the repetitions of one."""
    if shards_of(folder) or not folder.is_dir():
        return [folder]
    return sorted(path for path in folder.iterdir() if shards_of(path)) or [folder]


def _merge(folder: Path, allow: Sequence[str]) -> int:
    try:
        run = merge(folder, allow)
    except MissingShardsError as error:
        print(*(printable(str(each)) for each in error.missing), sep="\n")
        print(f"evalkit: {printable(str(error))}; `evalkit run` with the same words finishes each", file=sys.stderr)
        return EXIT_FOUND_FAULT
    print(printable(summary(run), lines=True))
    print(f"\nRun folder: {place(folder)}\nTables and chart: evalkit report {place(folder)}")
    return EXIT_FOUND_FAULT if run.failed_samples else 0
