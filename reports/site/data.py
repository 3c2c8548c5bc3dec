"""The samples of a task in pieces: files of some hundred records, and an index of all, written in constant memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.site.records import columns_of
from reports.site.scripts import Shared, call, encoded

ROWS_IN_A_PIECE = 200
_LINES_IN_A_PIECE = 10_000


@dataclass(frozen=True, slots=True)
class WrittenData:
    """What was written of a task of a run.

    Attributes:
        folder: that holds the pieces, relative to the report.
        samples: how many there are.
        files: names of all files, relative to the report.
        index: how many of them are pieces of the index.
    """

    folder: str
    samples: int
    files: tuple[str, ...]
    index: int


class DataWriter:
    """Writes records and index lines as scripts that the pages load when they need them.

    Args:
        report: the folder of the report.
        folder: of these data in it, which is also how pages call them.
    """

    def __init__(self, report: Path, folder: str) -> None:
        self._report = report
        self._folder = folder
        self._records: list[str] = []
        self._shared = Shared()
        self._lines: list[Mapping[str, Any]] = []
        self._samples = self._index = 0
        self._files: list[str] = []
        (report / folder).mkdir(parents=True, exist_ok=True)

    @property
    def shared(self) -> Shared:
        """The long values of the piece that is being made."""
        return self._shared

    def add(self, record: Mapping[str, Any], line: Mapping[str, Any]) -> None:
        """Write one sample."""
        self._records.append(encoded(record))
        self._lines.append(line)
        self._samples += 1
        if len(self._records) == ROWS_IN_A_PIECE:
            self._write_records()
        if len(self._lines) == _LINES_IN_A_PIECE:
            self._write_lines()

    def finish(self) -> WrittenData:
        """Complete the files."""
        if self._records:
            self._write_records()
        if self._lines or not self._index:
            self._write_lines()
        return WrittenData(self._folder, self._samples, tuple(self._files), self._index)

    def _write_records(self) -> None:
        number = (self._samples - 1) // ROWS_IN_A_PIECE
        records = ",\n".join(self._records)
        content = f"evalkit.rows({encoded(self._folder)},{number},[\n{records}\n],{encoded(self._shared.values)});\n"
        self._write(f"{number:05}.js", content)
        self._records.clear()
        self._shared = Shared()

    def _write_lines(self) -> None:
        self._write(f"index-{self._index:03}.js", call("index", self._folder, self._index, columns_of(self._lines)))
        self._index += 1
        self._lines.clear()

    def _write(self, name: str, content: str) -> None:
        (self._report / self._folder / name).write_text(content, encoding="utf-8")
        self._files.append(f"{self._folder}/{name}")
