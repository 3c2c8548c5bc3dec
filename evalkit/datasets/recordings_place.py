"""Where the recordings of a data set lie: found out while it is read, for reports, which play them."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.types import Sample

_UPWARD = re.compile(r"(?:\.{1,2}/+)+")


@dataclass(frozen=True, slots=True)
class RecordingsPlace:
    """Where the recordings of a data set lie, on the machine that a run was made on.

    Attributes:
        folder: in which every recording is found by its locator; None where there is no single one.
        tables: files, parquet or arrow, that hold recordings which are no files of their own.
    """

    folder: str | None = None
    tables: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what is recorded of it in ``provenance.json``."""
        return {"folder": self.folder, "tables": list(self.tables)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "RecordingsPlace":
        """Return what was recorded, as far as it is of the right kind: the record may be someone else's."""
        folder, tables = record.get("folder"), record.get("tables")
        return cls(
            folder if isinstance(folder, str) else None,
            tuple(each for each in tables if isinstance(each, str)) if isinstance(tables, list) else (),
        )

    @classmethod
    def joined(cls, places: Iterable["RecordingsPlace"]) -> "RecordingsPlace":
        """Return where the recordings of a data set lie of whose shares it is known."""
        places = list(places)
        folders = {place.folder for place in places}
        tables = dict.fromkeys(table for place in places for table in place.tables)
        return cls(folders.pop() if len(folders) == 1 else None, tuple(tables))


class RecordingsFinder:
    """Finds the place of a data set's recordings, in constant memory.

    Steps upward at the beginning of a locator count for nothing: ``../audio/1.wav`` lies in the folder that holds
    ``audio``, so that no recording lies outside.
    """

    def __init__(self) -> None:
        self._folder: str | None = None
        self._alike = True
        self._tables: dict[str, None] = {}

    def add(self, sample: Sample) -> None:
        """Take in one more sample."""
        for audio in sample.audio:
            self._tables.update(dict.fromkeys(map(os.path.abspath, audio.tables)))
            if audio.name == f"{self._folder}/{audio.locator}" and ".." not in audio.locator:
                continue  # as nearly all are: paths need not be taken apart
            if audio.path is None:
                self._alike = False
            elif self._alike:
                folder = _without(os.path.abspath(audio.path), _UPWARD.sub("", audio.locator, count=1))
                self._alike = folder is not None and self._folder in (None, folder)
                self._folder = folder

    @property
    def place(self) -> RecordingsPlace:
        """Where the recordings of all samples so far lie."""
        return RecordingsPlace(self._folder if self._alike else None, tuple(self._tables))


def find_recording(folder: str | Path, locator: str) -> Path | None:
    """Return the file of a recording, or None if there is none, or it lies outside the folder once links are followed.

    Args:
        folder: as ``RecordingsFolder`` found it.
        locator: of the recording; untrusted.
    """
    match = _UPWARD.match(locator)
    try:
        root = os.path.realpath(folder)
        path = os.path.realpath(os.path.join(root, locator[match.end() :] if match else locator))
        inside = path.startswith(root.rstrip(os.sep) + os.sep)
        return Path(path) if inside and os.path.isfile(path) else None
    except (OSError, ValueError):  # names too long, or with a null character
        return None


def _without(path: str, locator: str) -> str | None:
    end = os.sep + os.path.normpath(locator)
    return path.removesuffix(end) or os.sep if path.endswith(end) else None
