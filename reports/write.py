"""Writes a report folder: tables, chart, utterance listings, and the page that shows them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from evalkit.errors import StoreError
from evalkit.printable import printable
from evalkit.results.metrics_file import RunResult
from evalkit.results.repeated import read_results
from evalkit.results.task_result import TaskResult
from reports.chart.axes import Radar
from reports.figures import FILE_NAME as FIGURES
from reports.figures import write_figures
from reports.model_card import FILE_NAME as MODEL_CARD
from reports.model_card import render_model_card
from reports.names import FileNames
from reports.placing import put_in_place
from reports.published import PublishedFigure
from reports.render.every import write_table
from reports.samples.listings import write_listings
from reports.site.overview import Overview, render_overview
from reports.site.sound import AudioFormat, AudioMode, Sounds
from reports.site.write import SiteWriter
from reports.tables.every import every_table, told_apart
from reports.tables.layout import Rows
from reports.tables.model import Table
from reports.tables.own import OwnTables

_PAGE = "index.html"
# Beyond so many samples, drawing all waveforms takes minutes; a page that is served draws them itself.
_MOST_DRAWN = 3_000


@dataclass(frozen=True, slots=True)
class Report:
    """What was written.

    Attributes:
        tables: in the order of the page.
        files: all of them, the page first.
    """

    tables: tuple[Table, ...]
    files: tuple[Path, ...]


def write_report(
    run_folders: Sequence[Path],
    *,
    published: Sequence[str] = (),
    output_folder: Path,
    rows: Rows = "all",
    figures: Sequence[PublishedFigure] | None = None,
    plots: bool = False,
    own_tables: OwnTables | None = None,
    model_card: bool = False,
    audio: AudioMode = "link",
    copy_as: AudioFormat = "same",
    link: Callable[[Path], str] | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Write the report of some runs beside published results; the same input gives the same files.

    Args:
        run_folders: the runs, one column or row each.
        published: published models, as ``select_published`` takes them.
        output_folder: where to write; made if it is not there; an earlier report in it is replaced, and other files
            stay. A report that is cut short leaves the earlier one, or is whole but for some of its older files.
        rows: which rows the tables keep, as in ``fill_tables``.
        figures: the published figures to choose from, as in ``fill_tables``.
        plots: whether every plot that the runs have something to show in is written too, into a folder ``plots``.
        own_tables: tables and a chart of one's own, before those of the README or in their place.
        model_card: whether a model card with the figures is written too, for the Hugging Face hub.
        audio: whether recordings and spoken answers are played from where they lie (``link``), from copies beside the
            pages (``copy``), or not at all (``none``). Recordings inside tables are copied for ``link`` too.
        copy_as: the form of copies: ``same`` as the files, ``mp3`` or ``opus``.
        link: gives the address of a linked sound, for pages that are served.
        notes: what else has to be said on the first page.

    Raises:
        ConfigurationError: an unknown published model, or two tasks of a run that would fill the same cell.
        StoreError: a run cannot be read, or the report cannot be written.
    """
    runs = told_apart([read_results(folder) for folder in run_folders])
    tables, chart = every_table(runs, published, rows, own_tables, figures)
    try:
        output_folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".unfinished-", dir=output_folder) as unfinished:
            folder = Path(unfinished)
            written = [path for table in tables for path in write_table(table, folder)]
            written += _write_figures(runs, tables, folder, model_card=model_card)
            charts, about_chart = _write_radar(chart, folder)
            names = FileNames()
            plotted, said = _write_plots(runs, folder, names) if plots else ([], [])
            written = [*written, *plotted]
            single = told_apart([each for run in runs for each in run.repetitions or [run]])
            listings = [listing for run in single for listing in _write_listings(run, folder, names)]
            titles = _titles(single)
            drawn = link is None and _samples(single) <= _MOST_DRAWN
            sounds = Sounds(audio, folder, output_folder, copy_as, drawn=drawn, link=link)
            site = SiteWriter(single, titles, folder, names, sounds).write()
            page = folder / _PAGE
            overview = Overview(
                runs=single,
                titles=titles,
                comparison=site.comparison,
                pages=site.pages,
                tables=tables,
                chart=charts[-1].name if charts else None,
                notes=notes,
                chart_notes=about_chart,
                plot_notes=said,
                plots=[
                    f"plots/{path.name}" for path in written if path.parent.name == "plots" and path.suffix == ".svg"
                ],
                listings=listings,
            )
            page.write_text(printable(render_overview(overview), lines=True), encoding="utf-8")
            made = [path.relative_to(folder).as_posix() for path in (page, *written, *charts)]
            made += [file for _, files in listings for file in files]
            made += site.files
            put_in_place(folder, output_folder, made)
    except OSError as error:
        raise StoreError(f"{output_folder}: the report cannot be written ({error.strerror or error})") from error
    return Report(tuple(tables), tuple(output_folder / name for name in made))


def _write_figures(runs: Sequence[RunResult], tables: Sequence[Table], folder: Path, *, model_card: bool) -> list[Path]:
    """Write all figures of the runs for programs, and for the Hub if that is wanted."""
    files = []
    if runs:
        files.append(folder / FIGURES)
        write_figures(runs, files[-1])
    if model_card:
        files.append(folder / MODEL_CARD)
        files[-1].write_text(printable(render_model_card(runs, tables), lines=True), encoding="utf-8")
    return files


def _write_radar(chart: Radar, folder: Path) -> tuple[list[Path], list[str]]:
    """Write the files of the chart, if there is one; return them and what has to be said about it."""
    if not chart.axes:
        return [], list(chart.notes)
    files = [folder / "radar.png", folder / "radar.svg"]
    from reports.chart.drawing import draw_radar  # loads matplotlib

    return files, [*chart.notes, *draw_radar(chart, *files)]


def _write_plots(runs: Sequence[RunResult], folder: Path, names: FileNames) -> tuple[list[Path], list[str]]:
    """Write all plots; return their files, and what has to be said about them."""
    from reports.plots.kinds import every_drawing  # loads matplotlib
    from reports.plots.style import FORMATS, write_drawing

    written, notes = [], []
    (folder / "plots").mkdir()
    for drawing in every_drawing(runs):
        files = [folder / "plots" / f"{names.of('plots', drawing.name)}.{kind}" for kind in FORMATS]
        notes += [*drawing.notes, *write_drawing(drawing, files)]
        written += files
    return written, list(dict.fromkeys(notes))


def _write_listings(run: RunResult, folder: Path, names: FileNames) -> list[tuple[str, Sequence[str]]]:
    listings: list[tuple[str, Sequence[str]]] = []
    for result in filter(_has_utterances, run.tasks.values()):
        base = f"utterances/{names.of(run.name)}/{names.of(run.name, result.name)}"
        path = folder / base
        path.parent.mkdir(parents=True, exist_ok=True)
        title = f"{run.model}, {result.title}"
        write_listings(run, result, path.with_name(f"{path.name}.tsv"), path.with_name(f"{path.name}.txt"), title)
        listings.append((title, (f"{base}.tsv", f"{base}.txt")))
    return listings


def _has_utterances(result: TaskResult) -> bool:
    return result.place.table == "asr" and result.metric.value is not None and result.not_applicable is None


def _titles(runs: Sequence[RunResult]) -> list[str]:
    """Return what the columns of runs are called: their models, with the runs' names where models are the same."""
    models = [run.model for run in runs]
    return [run.model if models.count(run.model) == 1 else f"{run.model} ({run.name})" for run in runs]


def _samples(runs: Sequence[RunResult]) -> int:
    return sum(task.samples.total for run in runs for task in run.tasks.values())
