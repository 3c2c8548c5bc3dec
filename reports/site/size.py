"""How many sounds a report would copy, said before it does."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.datasets.recordings_place import find_recording
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.repeated import repeated_folders
from reports.samples.scored import SampleReader
from reports.site.sound import recordings_places


def sounds_of(runs: Sequence[Path]) -> str:
    """Return in words how many recordings and spoken answers of some runs are at hand, and how large they are.

    Raises:
        StoreError: a run cannot be read.
    """
    files = {path for run in _single(runs) for path in _files(run)}
    size = sum(path.stat().st_size for path in files)
    return f"{len(files):,} sounds ({size / 1e6:,.1f} MB)"


def tables_of(runs: Sequence[Path]) -> str:
    """Return in words how many tables the recordings of some runs lie in, and what these have at most; empty for none.

    Raises:
        StoreError: a run cannot be read.
    """
    places = [place for run in _single(runs) for place in recordings_places(run).values()]
    files = {path for place in places for path in map(Path, place.tables) if path.is_file()}
    size = sum(path.stat().st_size for path in files)
    tables = "a table" if len(files) == 1 else f"{len(files):,} tables"
    return f"the recordings inside {tables} ({size / 1e6:,.1f} MB at most)" if files else ""


def _single(runs: Sequence[Path]) -> Iterator[RunResult]:
    return (read_run(path) for folder in runs for path in repeated_folders(folder) or [folder])


def _files(run: RunResult) -> Iterator[Path]:
    recordings = {name: place.folder for name, place in recordings_places(run).items() if place.folder is not None}
    for name, result in run.tasks.items():
        for sample in SampleReader(run, result):
            spoken = [(str(run.folder), str(each["speech"])) for each in sample.responses if each.get("speech")]
            heard = [(recordings[name], str(each.get("locator"))) for each in sample.audio if name in recordings]
            for root, locator in (*spoken, *heard):
                if path := find_recording(root, locator):
                    yield path
