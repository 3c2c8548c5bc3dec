"""``evalkit plot``: one plot of runs, as PNG, SVG or PDF."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.output import check_file
from evalkit.cli.run_argument import run_argument
from evalkit.errors import ConfigurationError
from evalkit.printable import printable
from evalkit.results.repeated import read_results


def command(arguments: Sequence[str]) -> int:
    """Draw a plot into files."""
    from reports.plots.kinds import KINDS, PlotOptions
    from reports.plots.style import FORMATS, write_drawing
    from reports.tables.own import OwnTables, read_own_tables

    kinds = "\n".join(f"  {name:<13}{kind.description}" for name, kind in KINDS.items())
    parser = argparse.ArgumentParser(
        prog="evalkit plot",
        description="Draw what runs measured.",
        epilog=f"kinds:\n{kinds}\n\nexample: evalkit plot forest runs/A runs/B --output forest.pdf",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help="what to draw; see below")
    parser.add_argument("runs", nargs="*", type=run_argument, metavar="RUN", help="run folders")
    parser.add_argument(
        "--output",
        nargs="+",
        type=Path,
        required=True,
        metavar="FILE",
        help="files to write, whose endings (.png, .svg, .pdf) say in what form",
    )
    parser.add_argument("--task", help="name of the task; not needed where all runs have one task in common")
    parser.add_argument("--metric", metavar="KEY", help="key of its metric; default: the headline")
    parser.add_argument("--by", metavar="NAME", help="the group, or the number of the samples")
    parser.add_argument("--published", nargs="+", default=[], metavar="MODEL", help="published models for the radar")
    parser.add_argument("--layout", type=Path, metavar="FILE", help="axes of your own for the radar")
    parser.add_argument("--level", type=float, default=0.95, help="of a comparison's intervals (default: %(default)s)")
    parser.add_argument("--minimum", type=float, metavar="X", help="the difference that matters in a comparison")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn at random (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 0 < options.level < 1:
        parser.error("--level must lie between 0 and 1")
    if options.seed < 0:
        parser.error("--seed must be at least 0")
    for file in options.output:
        if file.suffix.lower().lstrip(".") not in FORMATS:
            raise ConfigurationError(f"{file}: a plot is a file that ends in .{', .'.join(FORMATS)}")
        check_file(file)
    wanted = PlotOptions(
        task=options.task,
        metric=options.metric,
        by=options.by,
        published=tuple(options.published),
        own_tables=read_own_tables(options.layout) if options.layout else OwnTables(),
        level=options.level,
        minimum=options.minimum,
        seed=options.seed,
    )
    drawing = KINDS[options.kind].draw([read_results(run) for run in options.runs], wanted)
    notes = write_drawing(drawing, options.output)
    for note in (*drawing.notes, *notes):
        print(printable(note))
    print(f"{printable(drawing.title)}: {', '.join(printable(str(file)) for file in options.output)}")
    return 0
