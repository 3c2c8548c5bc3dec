"""Writes the site: for every task its samples in pieces, its page, and the first page that leads there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from evalkit.datasets.recordings_place import RecordingsPlace
from evalkit.errors import EvalkitError
from evalkit.results.compared import Comparison
from evalkit.results.comparison import compare_runs
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.names import FileNames
from reports.render.markup import Markup
from reports.samples.scored import SampleReader, ScoredSample
from reports.site.data import ROWS_IN_A_PIECE, DataWriter, WrittenData
from reports.site.overview import compared_with_first
from reports.site.records import RecordMaker, index_line, score_of
from reports.site.scripts import call
from reports.site.sound import Sounds, recordings_places
from reports.site.task_page import render_task_page, task_script
from reports.views.answers import Choices, Rounds, Speech, ToolCalls, Verdicts
from reports.views.faults import Faults
from reports.views.spread import Spread
from reports.views.view import View
from reports.views.words import Words

VIEWS: tuple[type[View], ...] = (Faults, Spread, Choices, ToolCalls, Verdicts, Speech, Rounds, Words)


@dataclass(frozen=True, slots=True)
class Site:
    """What was written, apart from the first page.

    Attributes:
        files: names of all files, relative to the report.
        pages: for each task the name of its page.
        comparison: of every run but the first with the first, or None where there is one run.
    """

    files: Sequence[str]
    pages: Mapping[str, str]
    comparison: Comparison | None


class SiteWriter:
    """Writes the pages of some runs.

    Args:
        runs: in order; the first is what the others are compared with.
        titles: of their columns.
        folder: of the report.
        names: of files.
        sounds: of the report.
    """

    def __init__(
        self, runs: Sequence[RunResult], titles: Sequence[str], folder: Path, names: FileNames, sounds: Sounds
    ) -> None:
        self._runs = runs
        self._titles = titles
        self._folder = folder
        self._names = names
        self._sounds = sounds
        self._recordings = [recordings_places(run) for run in runs]
        self._files: list[str] = []

    def write(self) -> Site:
        """Write all but the first page.

        Raises:
            StoreError: a run's scores cannot be read.
            OSError: a file cannot be written.
        """
        for asset in sorted(files("reports.site").joinpath("assets").iterdir(), key=lambda each: each.name):
            if self._runs or asset.name.endswith(".css"):
                self._write(f"site/{asset.name}", asset.read_text(encoding="utf-8"))
        comparison = _compared(self._runs)
        pages = {}
        for name in dict.fromkeys(name for run in self._runs for name in run.tasks):
            pages[name] = self._write_task(name, comparison)
        if pages:
            self._write("data/pages.js", call("pages", pages, [[run.name, title] for run, title in self._run_titles()]))
        return Site([*self._files, *self._sounds.written], pages, comparison)

    def _run_titles(self) -> Iterator[tuple[RunResult, str]]:
        return zip(self._runs, self._titles, strict=True)

    def _write_task(self, name: str, comparison: Comparison | None) -> str:
        present = [at for at, run in enumerate(self._runs) if name in run.tasks]
        results = [self._runs[at].tasks[name] for at in present]
        titles = [self._titles[at] for at in present]
        views, described = [], []
        for at in present:
            gathered, written = self._write_samples(at, self._runs[at].tasks[name])
            views.append(gathered)
            described.append(_described(self._runs[at], self._titles[at], written))
            self._files += written.files
        file_name = self._names.of("tasks", name)
        words = self._write_words(
            file_name, [each for gathered in views for each in gathered if isinstance(each, Words)]
        )
        data = f"data/tasks/{file_name}.js"
        self._write(data, call("task", task_script(name, results, described, words)))
        page = f"tasks/{file_name}.html"
        against = [compared_with_first(comparison, self._runs[at], name) for at in present[1:]]
        self._write(page, render_task_page(name, results, titles, against, list(_rendered(views, titles)), data))
        return page

    def _write_samples(self, at: int, result: TaskResult) -> tuple[list[View], WrittenData]:
        run = self._runs[at]
        assert run.folder is not None  # noqa: S101 - SampleReader refuses a run without one
        samples = SampleReader(run, result)
        views = [view(result) for view in VIEWS]
        place = self._recordings[at].get(result.name, RecordingsPlace())
        if place.tables:
            self._sounds.unpack(place.tables, {str(each.get("digest")) for each in samples.recordings()})
        maker = RecordMaker(self._sounds, run.folder, place.folder)
        score = score_of(result.headline, result.compared)
        run_name, task_name = self._names.of("runs", run.name), self._names.of("tasks", result.name)
        writer = DataWriter(self._folder, f"data/runs/{run_name}/{task_name}")
        for sample in samples:
            for view in views:
                view.add(sample)
            writer.add(maker.record(sample, writer.shared), index_line(sample, score(sample), _errors(sample, result)))
        return views, writer.finish()

    def _write_words(self, file_name: str, views: Sequence[Words]) -> str | None:
        vocabulary = Words.vocabulary(views)
        if not vocabulary:
            return None
        name = f"data/words/{file_name}.js"
        self._write(name, call("words", vocabulary))
        return name

    def _write(self, name: str, content: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        self._files.append(name)


def _compared(runs: Sequence[RunResult]) -> Comparison | None:
    if len(runs) < 2:
        return None
    try:
        return compare_runs(*runs)
    except EvalkitError as error:  # samples can be heard all the same
        return Comparison(runs[0].name, [run.name for run in runs[1:]], 0.95, [], remarks=[f"Not compared: {error}"])


def _described(run: RunResult, title: str, written: WrittenData) -> dict[str, Any]:
    return {
        "name": run.name,
        "title": title,
        "folder": written.folder,
        "samples": written.samples,
        "index": written.index,
        "piece": ROWS_IN_A_PIECE,
    }


def _rendered(views: Sequence[Sequence[View]], titles: Sequence[str]) -> Iterator[Markup]:
    for kind, each in zip(VIEWS, zip(*views, strict=True), strict=True):
        yield kind.render(each, titles)


def _errors(sample: ScoredSample, result: TaskResult) -> int | None:
    """Return what a transcription adds to the errors of its task."""
    counted = result.metric.function == "corpus_error_rate" and sample.statistics
    return int(sum(sample.statistics[:3])) if counted else None
