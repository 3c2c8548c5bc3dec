"""Runs that go on: what of them can be shown by now, and a page for as long as that is nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from evalkit.printable import printable
from evalkit.results.metrics_file import FILE_NAME, has_begun, read_run, without_results
from evalkit.results.repeated import repeated_folders
from reports.render.markup import element
from reports.site.shell import REFRESH, page

_PAGE = "index.html"
_ASSETS = ("site/report.css", REFRESH)


@dataclass(frozen=True, slots=True)
class ShownRuns:
    """What there is to show of some run folders at a moment.

    Attributes:
        runs: folders with results: runs, and folders of repeated runs that are all finished.
        notes: what is not shown yet, and why, one line each.
    """

    runs: tuple[Path, ...]
    notes: tuple[str, ...]


def shown_runs(folders: Sequence[Path]) -> ShownRuns:
    """Return what can be shown of run folders and folders of repeated runs, of which some may go on.

    Repeated runs become one result only when all are finished; until then each is shown by itself.

    Raises:
        StoreError: the results of a repeated run cannot be read.
    """
    runs: list[Path] = []
    notes: list[str] = []
    for folder in folders:
        repeated = repeated_folders(folder)
        begun = begun_folders(folder)
        if (folder / FILE_NAME).is_file() or _are_finished(repeated, begun):
            runs.append(folder)
        elif repeated:
            runs += repeated
            notes.append(f"{folder}: {len(repeated)} of its repeated runs have results so far, each shown by itself")
        elif begun:
            notes.append(f"{folder}: nothing is finished yet; results are shown as soon as the first task ends")
        else:  # gone since
            notes.append(without_results(folder))
    return ShownRuns(tuple(runs), tuple(notes))


def begun_folders(folder: Path) -> list[Path]:
    """Return the run folders that a folder is or holds, whether they have results yet or not."""
    if has_begun(folder):
        return [folder]
    return sorted(path for path in folder.iterdir() if has_begun(path)) if folder.is_dir() else []


def write_waiting_page(folder: Path, notes: Sequence[str]) -> list[Path]:
    """Write a page that says what is waited for, and loads itself anew when there are results; return all files."""
    lines = [element("p", note, class_="lead") for note in notes]
    content = page("evalkit view", element("h1", "Nothing finished yet"), *lines, scripts=(REFRESH,), name="waiting")
    texts = {_PAGE: printable(content, lines=True)}
    texts |= {name: files("reports.site").joinpath(f"assets/{Path(name).name}").read_text("utf-8") for name in _ASSETS}
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _are_finished(repeated: Sequence[Path], begun: Sequence[Path]) -> bool:
    """Tell whether repeated runs can be joined: there are several, all with results, and no task is left."""
    return len(repeated) > 1 and set(begun) <= set(repeated) and not any(read_run(path).unfinished for path in repeated)
