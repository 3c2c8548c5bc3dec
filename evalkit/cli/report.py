"""``evalkit report``: tables, chart and every sample of runs, to read and hear, beside published results."""

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.output import check_folder
from evalkit.cli.run_argument import run_argument
from evalkit.errors import StoreError
from evalkit.object_store import address_of
from evalkit.printable import printable
from evalkit.results.metrics_file import FILE_NAME, without_results
from evalkit.results.repeated import read_results, repeated_folders

if TYPE_CHECKING:
    from reports.tables.model import Table


def command(arguments: Sequence[str]) -> int:
    """Write the report files, print the tables, and say where the page lies."""
    parser = argparse.ArgumentParser(prog="evalkit report", description=__doc__)
    parser.add_argument(
        "runs",
        nargs="*",
        type=run_argument,
        metavar="RUN",
        help="run folders, or folders of repeated runs, each a column or row",
    )
    parser.add_argument(
        "--published",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="published models, as MODEL, MODEL@RELEASE or @RELEASE (see `evalkit list published`)",
    )
    parser.add_argument(
        "--rows",
        choices=("all", "measured"),
        default="all",
        help="every test set with a value in some column, or only those that the runs measured (default: %(default)s)",
    )
    parser.add_argument(
        "--audio",
        choices=("link", "copy", "none"),
        default="link",
        help="play recordings and spoken answers from where they lie, from copies beside the pages, or not at all "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--audio-format",
        choices=("same", "mp3", "opus"),
        default="same",
        help="of copies (default: as the files are)",
    )
    parser.add_argument(
        "--layout", type=Path, metavar="FILE", help="tables and a radar chart of your own: see the page on reports"
    )
    parser.add_argument("--terminal", action="store_true", help="print the tables to fit, and write nothing")
    parser.add_argument("--plots", action="store_true", help="draw every plot that shows something, into plots/")
    parser.add_argument(
        "--model-card", action="store_true", help="write model_card.md too, with the figures as the Hub reads them"
    )
    parser.add_argument("--output", type=Path, help="folder to write to; default: report/ in the first run folder")
    options = parser.parse_args(arguments)
    if not options.runs and not options.published:
        parser.error("name a run folder, a published model with --published, or both")
    if options.terminal and (options.output or options.plots or options.model_card):
        parser.error("--terminal writes nothing: leave out --output, --plots and --model-card")
    if options.model_card and not options.runs:
        parser.error("--model-card is of what a run measured: name a run folder")
    runs = readable_runs(options.runs)
    from reports.tables.every import every_table, told_apart
    from reports.tables.own import read_own_tables

    own_tables = read_own_tables(options.layout) if options.layout else None
    if options.terminal:
        read = told_apart([read_results(run) for run in runs])
        _print_tables(every_table(read, options.published, options.rows, own_tables)[0])
        return 0
    from reports.render.markdown import render_markdown
    from reports.site.size import sounds_of, tables_of
    from reports.write import write_report

    output = options.output or usual_output(runs)
    check_folder(output)
    if options.audio == "copy":
        print(f"copying {sounds_of(runs)} to {output}", file=sys.stderr)
    if options.audio != "none" and (inside := tables_of(runs)):
        print(f"copying {inside} to {output}: they are no files that could be linked", file=sys.stderr)
    report = write_report(
        runs,
        published=options.published,
        output_folder=output,
        rows=options.rows,
        audio=options.audio,
        copy_as=options.audio_format,
        plots=options.plots,
        own_tables=own_tables,
        model_card=options.model_card,
    )
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for table in report.tables:
        print(printable(render_markdown(table, width), lines=True))
    print(f"{len(report.files)} files written to {output}; open {report.files[0]}")
    return 0


def _print_tables(tables: "Sequence[Table]") -> None:
    from reports.render.terminal import render_terminal

    width = shutil.get_terminal_size().columns
    for table in tables:
        print(render_terminal(table, width))


def usual_output(runs: Sequence[Path]) -> Path:
    """Return where a report goes if nobody says: into the first run folder, unless that lies on an object store.

    Raises:
        StoreError: what lies there is a link.
    """
    if not runs or address_of(runs[0]):
        return Path("report")
    folder = runs[0] / "report"
    if folder.is_symlink():  # whoever made the run says where
        raise StoreError(f"{folder}: is a link; say where to write with --output")
    return folder


def has_results(folder: Path) -> bool:
    """Tell whether a folder is that of a run with results, or of repeated ones."""
    return (folder / FILE_NAME).is_file() or bool(repeated_folders(folder))


def readable_runs(named: Sequence[Path], is_readable: Callable[[Path], object] = has_results) -> list[Path]:
    """Return the run folders among what was named; of the rest it is said why they are left out.

    Raises:
        StoreError: there is none among them.
    """
    runs = [path for path in named if is_readable(path)]
    reasons = [without_results(path) for path in named if path not in runs]
    if reasons and not runs:
        raise StoreError("; ".join(reasons))
    for reason in reasons:
        print(f"left out: {reason}", file=sys.stderr)
    return runs
