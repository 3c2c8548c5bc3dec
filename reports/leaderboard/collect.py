"""The runs of a folder with their dates, and why others are left out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from evalkit.errors import ConfigurationError, StoreError
from evalkit.results.folder import PROVENANCE
from evalkit.results.metrics_file import FILE_NAME, RunResult, without_results
from evalkit.results.provenance import last_session
from evalkit.results.repeated import read_results, repeated_folders


@dataclass(frozen=True, slots=True)
class Filters:
    """Which runs of a folder take part.

    Attributes:
        models: patterns, such as ``whisper*``, of which a model's title or name must fit one; empty for all.
        since: the first day of a run's last session; None for any.
        step: a regular expression whose first group is the training step in the name of a run; None for dates.
    """

    models: tuple[str, ...] = ()
    since: date | None = None
    step: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class DatedRun:
    """A run, and where it stands in the history of its model.

    Attributes:
        run: what it measured.
        series: the model; where steps are read, without the step.
        started: when its last session began; None if nothing says so.
        step: the training step that its name or its model's title tells; None if none is asked for.
    """

    run: RunResult
    series: str
    started: datetime | None
    step: int | None = None

    @property
    def when(self) -> str:
        """The step, or else the date, as people read it."""
        if self.step is not None:
            return f"{self.step:,}"
        return "" if self.started is None else f"{self.started:%Y-%m-%d}"

    @property
    def age(self) -> tuple[int, float, str]:
        """By what runs of one model are put in order, the oldest first."""
        started = 0.0 if self.started is None else self.started.timestamp()
        return (-1 if self.step is None else self.step), started, self.run.name


@dataclass(frozen=True, slots=True)
class Collected:
    """What a folder holds.

    Attributes:
        runs: that take part, the oldest first.
        left_out: one line for each run that does not, though it fits.
    """

    runs: tuple[DatedRun, ...]
    left_out: tuple[str, ...] = field(default=())

    @property
    def newest(self) -> tuple[DatedRun, ...]:
        """The newest run of each model."""
        return tuple({each.run.model: each for each in self.runs}.values())


def collect(folder: Path, filters: Filters) -> Collected:
    """Read the runs of a folder. Nothing that they name is loaded or carried out.

    Raises:
        ConfigurationError: the folder cannot be read.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be read as a folder of runs ({error.strerror})") from error
    runs: list[DatedRun] = []
    left_out: list[str] = []
    for path in entries:
        if (path / FILE_NAME).is_file() or (path / PROVENANCE).is_file() or repeated_folders(path):
            try:
                runs += _taken(path, filters)
            except (StoreError, ConfigurationError) as error:
                left_out.append(str(error))
    return Collected(tuple(sorted(runs, key=lambda each: each.age)), tuple(left_out))


def _taken(path: Path, filters: Filters) -> Iterator[DatedRun]:
    """Yield the run, or the repeated runs of a folder joined, if it fits the filters.

    Raises:
        StoreError: it fits as far as can be told, and cannot take part; says why.
        ConfigurationError: likewise of repeated runs.
    """
    repeated = repeated_folders(path)
    if not repeated and not (path / FILE_NAME).is_file():
        raise StoreError(without_results(path))
    run = read_results(path)
    if filters.models and not any(_fits(name, filters.models) for name in (run.model, run.model_name)):
        return
    sessions = [last_session(each) for each in repeated or [path] if (each / PROVENANCE).is_file()]
    started = max((session.started for session in sessions if session is not None), default=None)
    if filters.since is not None and (started is None or started.date() < filters.since):
        return
    if run.unfinished:
        raise StoreError(f"{path}: the run is not finished, without {', '.join(run.unfinished)}")
    step, series = (None, run.model) if filters.step is None else _step(run, filters.step, path)
    yield DatedRun(run, series, started, step)


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)


def _step(run: RunResult, pattern: re.Pattern[str], path: Path) -> tuple[int, str]:
    for name in (run.model, run.name):
        match = pattern.search(name)
        if match is not None and match.group(1).isdecimal():
            return int(match[1]), (name[: match.start()] + name[match.end() :]).strip(" -_/,") or run.model_name
    raise StoreError(f"{path}: neither its name nor its model's title has a step as --step describes it")
