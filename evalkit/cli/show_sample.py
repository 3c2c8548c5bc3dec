"""``evalkit show RUN/TASK/SAMPLE``: one sample of a run, or of two runs one after the other."""

import argparse
import shutil
from collections.abc import Sequence


def show_sample(arguments: Sequence[str]) -> int:
    """Print a sample: what was asked, the answers by role, their alignment, and what it counts."""
    from evalkit.results.metrics_file import read_run
    from reports.samples.single import find_sample, sample_of_path
    from reports.samples.text import change_text, sample_text

    parser = argparse.ArgumentParser(
        prog="evalkit show",
        description="Show one sample of a run: references, answers by role, alignment, tool calls, failures, counts.",
        epilog="example: evalkit show runs/new/librispeech_clean/1089-134686-0000 --base runs/old",
    )
    parser.add_argument("sample", metavar="RUN/TASK/SAMPLE", help="the sample's id in the task's folder of a run")
    parser.add_argument("--base", metavar="RUN2", help="show the same sample of this run before it")
    options = parser.parse_args(arguments)
    new = sample_of_path(options.sample)
    width = shutil.get_terminal_size().columns
    if options.base is None:
        print(sample_text(new, width), end="")
        return 0
    base = find_sample(read_run(options.base), new.task.name, new.sample.id)
    print(sample_text(base, width))
    print(sample_text(new, width))
    print(change_text(base, new), end="")
    return 0
