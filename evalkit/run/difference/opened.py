"""A run folder opened to find out why its figures are what they are. It is data, and may lack what newer ones have."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from evalkit.results.folder import PROVENANCE, read_json
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.scores import ScoresFile
from evalkit.run.stored import read_stored_config


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """What a run folder says of a run.

    Attributes:
        folder: the run folder.
        result: what was measured.
        config: the configuration, as plain values; nothing in it is interpolated.
        provenance: the content of ``provenance.json``; empty if there is none.
    """

    folder: Path
    result: RunResult
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def session(self) -> Mapping[str, Any]:
        """What the last session recorded; empty if none did."""
        sessions = self.provenance.get("sessions")
        last = sessions[-1] if isinstance(sessions, list) and sessions else {}
        return last if isinstance(last, dict) else {}

    def scores(self, task: str) -> ScoresFile:
        """Return the scores of a task.

        Raises:
            StoreError: they cannot be read.
        """
        return ScoresFile(self.folder / task, self.result.tasks[task].digest)


def opened(run: RunResult | str | Path) -> OpenedRun:
    """Open a run.

    Raises:
        StoreError: the folder is not that of a run, or is damaged.
    """
    result = run if isinstance(run, RunResult) else read_run(run)
    folder = result.folder
    if folder is None:
        raise StoreError(f"{result.name}: is not read from a folder, and tells of its figures alone")
    path = folder / PROVENANCE
    return OpenedRun(folder, result, read_stored_config(folder), read_json(path) if path.is_file() else {})


def within(content: Any, *keys: str) -> Mapping[str, Any]:
    """Return the object that lies under keys of nested objects; an empty one where there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if isinstance(content, Mapping) else {}
