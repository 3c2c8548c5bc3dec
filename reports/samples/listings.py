"""Listings of all utterances as files, the worst first, written without holding them all in memory."""

from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.samples.utterances import iterate_utterances, text_block, text_heading, tsv_heading, tsv_line


def write_listings(run: RunResult, result: TaskResult, tsv: Path, text: Path, title: str) -> None:
    """Write a table of tab-separated values, and a listing for reading.

    Args:
        run: as read from its folder.
        result: a transcription task of it.
        tsv: the table's file.
        text: the listing's file.
        title: stands above the listing.

    Raises:
        StoreError: the scores cannot be read.
        ConfigurationError: the headline was made with a scheme that is no longer there.
        OSError: a file cannot be written.
    """
    with TemporaryFile() as lines, TemporaryFile() as blocks:
        order = [
            (each.order, _put(lines, tsv_line(each)), _put(blocks, text_block(each)))
            for each in iterate_utterances(run, result)
        ]
        order.sort(key=lambda each: each[0])
        _write(tsv, tsv_heading(), lines, [line for _, line, _ in order])
        _write(text, text_heading(title, len(order)), blocks, [block for _, _, block in order])


def _put(file: BinaryIO, text: str) -> tuple[int, int]:
    """Append a text, and return where it begins and how long it is."""
    return file.tell(), file.write(text.encode())


def _write(path: Path, heading: str, source: BinaryIO, places: list[tuple[int, int]]) -> None:
    with path.open("wb") as file:
        file.write(heading.encode())
        for start, length in places:
            source.seek(start)
            file.write(source.read(length))
