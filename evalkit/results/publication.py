"""Putting results in place, so that a process killed at any moment leaves figures and scores that belong together."""

from collections.abc import Iterable

from evalkit.results.folder import RunFolder
from evalkit.results.metrics_file import FILE_NAME, RunResult, read_run
from evalkit.results.scores import give_name, settle


def publish(folder: RunFolder, run: RunResult, scored: Iterable[str] = ()) -> None:
    """Replace ``metrics.json``, and then the scores that were written anew.

    Args:
        folder: of the run.
        run: what was measured.
        scored: tasks whose scores were finished since the last publication.

    Raises:
        StoreError: a file cannot be written.
    """
    folder.write_json(FILE_NAME, run.to_json())
    for name in scored:
        give_name(folder.path / name)


def settled_run(folder: RunFolder) -> RunResult | None:
    """Read a run's results, first ending a publication that was cut short; None if the run has none yet.

    Call it before any scores are written.

    Raises:
        StoreError: the results cannot be read.
    """
    if not (folder.path / FILE_NAME).is_file():
        return None
    run = read_run(folder.path)
    for task in run.tasks.values():
        settle(folder.path / task.name, task.digest)
    return run
