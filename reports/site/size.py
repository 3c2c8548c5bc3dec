"""How many sounds a report would copy, said before it does."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.datasets.recordings_folder import find_recording
from evalkit.results.metrics_file import RunResult
from evalkit.results.repeated import read_results
from reports.samples.scored import SampleReader
from reports.site.sound import recordings_folders


def sounds_of(runs: Sequence[Path]) -> str:
    """Return in words how many recordings and spoken answers of some runs are at hand, and how large they are.

    Raises:
        StoreError: a run cannot be read.
    """
    read = [read_results(folder) for folder in runs]
    single = [run for each in read for run in (each.repetitions or [each])]
    files = {path for run in single for path in _files(run)}
    size = sum(path.stat().st_size for path in files)
    return f"{len(files):,} sounds ({size / 1e6:,.1f} MB)"


def _files(run: RunResult) -> Iterator[Path]:
    recordings = recordings_folders(run)
    for name, result in run.tasks.items():
        for sample in SampleReader(run, result):
            spoken = [(str(run.folder), str(each["speech"])) for each in sample.responses if each.get("speech")]
            heard = [(recordings[name], str(each.get("locator"))) for each in sample.audio if name in recordings]
            for root, locator in (*spoken, *heard):
                if path := find_recording(root, locator):
                    yield path
