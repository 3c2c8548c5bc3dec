"""``evalkit export``: a run's references and answers in the files of other people's tools."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.output import check_folder, write_file
from evalkit.cli.run_argument import single_run_argument
from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.printable import printable
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.task_result import TaskResult

_DESCRIPTION = """\
Write the references and answers of a run's transcription tasks as SCTK's sclite reads them: for each task a folder with
ref.trn and hyp.trn. An utterance's id begins with its speaker and a hyphen, for sclite's tables by speaker. The words
are those that errors were counted in, normalised; tasks of characters have a character where others have a word. sclite
counts what `alignment=sclite` counts.
"""


def command(arguments: Sequence[str]) -> int:
    """Write the files, and say what sclite wants to be told."""
    parser = argparse.ArgumentParser(
        prog="evalkit export", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=single_run_argument, help="run folder")
    parser.add_argument("--format", choices=("trn", "ctm"), default="trn", help="of the files (default: %(default)s)")
    parser.add_argument("--task", action="append", default=[], metavar="NAME", help="of these tasks; may be repeated")
    parser.add_argument(
        "--as-written", action="store_true", help="texts as the data set and the model wrote them, not normalised"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("trn"), metavar="FOLDER", help="to write to (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.format == "ctm":
        raise ConfigurationError(
            "--format ctm: no answer of a run says when its words were spoken; trn holds all that sclite needs to count"
        )
    from reports.samples.transcripts import read_transcripts

    run = read_run(options.run)
    respelt = 0
    for task in _chosen(run, options.task):
        transcripts = read_transcripts(run, task, as_written=options.as_written)
        folder = options.output / task.name
        check_folder(folder)
        for name, lines in (("ref.trn", transcripts.reference), ("hyp.trn", transcripts.hypothesis)):
            write_file(folder / name, "".join(f"{line}\n" for line in lines))
        print(printable(f"{folder}: {len(transcripts.reference):,} utterances of {task.title}"))
        respelt += transcripts.respelt
    if respelt:
        what = "have a brace or a backslash, or are an @, which trn cannot hold"
        print(f"{respelt:,} words {what}; full-width forms stand for them")
    print("in each folder: sclite -s -i spu_id -r ref.trn trn -h hyp.trn trn -o all")
    return 0


def _chosen(run: RunResult, names: Sequence[str]) -> list[TaskResult]:
    """Return the transcription tasks of a run, or those that are named.

    Raises:
        ConfigurationError: the run has none, or one that is named is none.
    """
    from reports.samples.transcripts import is_transcription

    known = [name for name, task in run.tasks.items() if is_transcription(task)]
    for name in names:
        if name not in known:
            there = f"{hint(name, known)} (there are {', '.join(known) or 'none'})"
            raise ConfigurationError(f"{run.name}: has no transcription task '{name}'{there}")
    if not known:
        raise ConfigurationError(f"{run.name}: has no transcription task, and texts of no other kind are exported")
    return [run.tasks[name] for name in (names or known)]
