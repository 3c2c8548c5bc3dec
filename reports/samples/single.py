"""One sample of a run by its path ``RUN/TASK/SAMPLE``; a path that leads nowhere names what is near."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz import process

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.results.metrics_file import FILE_NAME, RunResult, read_run
from evalkit.results.task_result import TaskResult
from reports.samples.scored import SampleReader, ScoredSample

_SHOWN_IDS = 3


@dataclass(frozen=True, slots=True)
class FoundSample:
    """A sample, and where it was found.

    Attributes:
        run: as read from its folder.
        task: the sample's.
        sample: itself.
    """

    run: RunResult
    task: TaskResult
    sample: ScoredSample


def sample_of_path(path: str) -> FoundSample:
    """Read the sample that a path ``RUN/TASK/SAMPLE`` names; ids of samples may have slashes themselves.

    Raises:
        ConfigurationError: there is no such run, task or sample; names those that are nearest.
        StoreError: the run cannot be read.
    """
    parts = path.split("/")
    for position in range(1, len(parts) + 1):
        folder = Path("/".join(parts[:position]) or "/")
        if (folder / FILE_NAME).is_file():
            task, _, sample = "/".join(parts[position:]).partition("/")
            return find_sample(read_run(folder), task, sample)
    raise ConfigurationError(f"{path}: {_no_run(path)}; a sample is named as RUN/TASK/SAMPLE, and a task as task=NAME")


def find_sample(run: RunResult, task: str, sample: str) -> FoundSample:
    """Read a sample of a run.

    Args:
        run: as read from its folder.
        task: name of the task.
        sample: its id.

    Raises:
        ConfigurationError: there is no such task or sample; names those that are nearest.
        StoreError: the scores cannot be read.
    """
    if task not in run.tasks:
        known = ", ".join(run.tasks) or "none"
        raise ConfigurationError(f"{run.folder}: has no task '{task}'{hint(task, run.tasks)} (there are {known})")
    reader = SampleReader(run, run.tasks[task])
    found = reader.find(sample)
    if found is None:
        raise ConfigurationError(f"{run.folder}/{task}: {_no_sample(sample, reader.ids())}")
    return FoundSample(run, run.tasks[task], found)


def _no_sample(sample: str, ids: Sequence[str]) -> str:
    if not sample:
        return f"name one of its {len(ids):,} samples, such as {', '.join(ids[:_SHOWN_IDS]) or 'none'}"
    near = process.extract(sample, ids, limit=_SHOWN_IDS, score_cutoff=60)
    close = f"; near to it are {', '.join(match for match, _, _ in near)}" if near else ""
    return f"has no sample '{sample}'{close}"


def _no_run(path: str) -> str:
    """Say where a path leaves what is there, with the nearest run in that folder."""
    parts = path.split("/")
    folder = Path("/" if path.startswith("/") else ".")
    while len(parts) > 1 and (folder / parts[0]).is_dir():
        folder /= parts.pop(0)
    try:
        runs = [each.parent.name for each in folder.glob(f"*/{FILE_NAME}")]
    except OSError:
        runs = []
    return f"no run '{parts[0]}' in {folder}{hint(parts[0], runs)}"
