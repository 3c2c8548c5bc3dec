"""``evalkit data``: fetch or index data sets, and hold them against what is known of them."""

import argparse
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from evalkit.acquisition.preparation import Acquisition, place_archives, prepare
from evalkit.acquisition.verification import Verification, verify
from evalkit.cli.catalogue import Folders, read_options
from evalkit.cli.columns import columns
from evalkit.cli.main import EXIT_ERROR, EXIT_FOUND_FAULT
from evalkit.errors import ConfigurationError, EvalkitError
from evalkit.printable import printable
from evalkit.progress import say
from evalkit.run.composition import compose_configuration
from evalkit.run.explanation import in_our_words
from evalkit.run.plan import tasks_from_config
from evalkit.task import Task

_SHOWN_FAULTS = 5
_SHOWN_GROUP_VALUES = 30

_DESCRIPTION = """\
verify   read the whole data set of each task as a run would, and check what is known of it: the number of samples,
         hours, every recording, empty references, sizes of groups
prepare  get the data set to where the task looks for it, then verify it: from the hub, from archives that you have
         downloaded (--archive), or from where its authors offer it (--download); or say what to do by hand.
         What is there is kept, what broke off is continued
"""
_EPILOG = """\
WORDs are those of `evalkit run`: task=NAME, task=[NAME,NAME], suite=NAME, data_root=FOLDER, tasks.NAME.dataset.path=…

examples:
  evalkit data verify suite=asr_open data_root=/data
  evalkit data prepare task=fleurs_en
  evalkit data prepare task=librispeech_clean --archive ~/Downloads/test-clean.tar.gz
  evalkit data prepare task=aishell --download

exit status: 0 all is as it should be; 1 something differs from what is known; 2 a data set cannot be read or had
"""


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Prepare or verify the data set of every task that the arguments choose."""
    options = _parser().parse_intermixed_args(arguments)
    if not options.words:
        raise ConfigurationError("which data set? choose task=NAME or suite=NAME (`evalkit list tasks` shows them)")
    config = compose_configuration(options.words, folders)
    with in_our_words():
        tasks = tasks_from_config(config)
    acquisitions = {task.name: _acquisition(task.name, Path(config.data_root), folders) for task in tasks}
    if options.what == "verify":
        return max(_verify(task, _section(config, task, "facts"), options.decode) for task in tasks)
    place_archives(options.archive, list(acquisitions.values()), say)
    return max(_prepare(task, config, acquisitions[task.name], options) for task in tasks)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evalkit data",
        usage="evalkit data prepare|verify WORD [WORD ...] [--decode] [--archive FILE] [--download]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("prepare", "verify"), metavar="prepare|verify", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", metavar="WORD", help=argparse.SUPPRESS)
    parser.add_argument("--decode", action="store_true", help="decode every recording whole, not its header alone")
    parser.add_argument(
        "--archive",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="prepare: a tar or zip file of the data set, to be unpacked; may be given several times",
    )
    parser.add_argument(
        "--download", action="store_true", help="prepare: fetch the archives from the addresses that their authors give"
    )
    return parser


def _prepare(task: Task, config: DictConfig, acquisition: Acquisition, options: argparse.Namespace) -> int:
    facts = _section(config, task, "facts")
    dataset = _section(config, task, "dataset")
    try:
        prepare(task, dataset, acquisition, download_urls=options.download, say=say)
    except EvalkitError as error:
        print(printable("\n".join(_what_to_do(task, facts, dataset, acquisition)), lines=True))
        print(f"{task.name}: not prepared: {printable(str(error))}\n")
        return EXIT_ERROR
    return _verify(task, facts, options.decode)


def _verify(task: Task, facts: Mapping[str, Any], decode: bool) -> int:
    try:
        report = verify(task, facts, decode=decode)
    except EvalkitError as error:
        print(f"{task.name}: cannot be read: {printable(str(error))}\n")
        return EXIT_ERROR
    print(printable("\n".join(_lines(task, report)), lines=True))
    return EXIT_FOUND_FAULT if report.differs else 0


def _lines(task: Task, report: Verification) -> list[str]:
    lines = [f"{task.name}: {task.title}", f"read from {task.describe().get('read from', 'its own source')}", ""]
    rows = [(check.name, check.found, check.known, check.status) for check in report.checks]
    lines += [columns(("check", "found", "known", "verdict"), rows), ""]
    if report.groups:
        lines += [columns(("group", "value", "samples", "hours"), _group_rows(report)), ""]
    lines += _listed("recordings that cannot be read", report.faults)
    lines += _listed("samples whose reference is empty", report.empty)
    return [*lines, f"{task.name}: {report.summary}", ""]


def _group_rows(report: Verification) -> list[tuple[str, str, str, str]]:
    rows = []
    for group in dict.fromkeys(size.group for size in report.groups):
        sizes = [size for size in report.groups if size.group == group]
        if len(sizes) > _SHOWN_GROUP_VALUES:
            counts, hours = [size.samples for size in sizes], sum(size.hours for size in sizes)
            rows.append((group, f"{len(sizes)} values", f"{min(counts):,} to {max(counts):,} each", f"{hours:.2f}"))
        else:
            rows += [(group, size.value, f"{size.samples:,}", f"{size.hours:.2f}") for size in sizes]
    return rows


def _listed(what: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    more = [f"  … and {len(items) - _SHOWN_FAULTS:,} more"] if len(items) > _SHOWN_FAULTS else []
    return [f"{what}:", *(f"  {item}" for item in items[:_SHOWN_FAULTS]), *more, ""]


def _what_to_do(
    task: Task, facts: Mapping[str, Any], dataset: Mapping[str, Any], acquisition: Acquisition
) -> list[str]:
    """Return how to come by the data set, from what its facts and its acquisition say."""
    lines = [f"{task.name}: {task.title}"]
    lines += [f"  {name}: {facts[name]}" for name in ("access", "licence", "source", "note") if facts.get(name)]
    lines.append(f"  belongs at: {dataset.get('path')}")
    command = f"evalkit data prepare task={task.name}"
    for placement in acquisition.placements:
        lines.append(f"  {command} --archive FILE (one that holds {' and '.join(placement.members)})")
    for entry in acquisition.downloads:
        lines.append(f"  {command} --download ({entry.url})")
    if acquisition.by_hand:
        width = shutil.get_terminal_size().columns
        for paragraph in acquisition.by_hand.splitlines():
            lines += textwrap.wrap(
                paragraph,
                max(width - 2, 40),
                initial_indent="  ",
                subsequent_indent="    ",
                break_on_hyphens=False,
                break_long_words=False,
            )
    return [*lines, ""]


def _acquisition(task: str, data_root: Path, folders: Folders) -> Acquisition:
    """Return the acquisition in ``configs/data_set`` that is for a task; an empty one if there is none."""
    for option in read_options("data_set", folders):
        if any(fnmatch(task, pattern) for pattern in option.content["tasks"]):
            return Acquisition.from_config(option.content, data_root)
    return Acquisition(data_root)


def _section(config: DictConfig, task: Task, name: str) -> dict[str, Any]:
    section: Any = OmegaConf.to_container(config.tasks[task.name].get(name) or OmegaConf.create({}), resolve=True)
    return dict(section)
