"""Listings of all utterances as files, the worst first, written without holding them all in memory."""

from array import array
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np

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
        # In arrays: as tuples, what is remembered of each takes ten times the memory.
        keys, starts_of_lines, starts_of_blocks = array("d"), array("q", [0]), array("q", [0])
        for each in iterate_utterances(run, result):
            keys.extend(each.order)
            lines.write(tsv_line(each).encode())
            blocks.write(text_block(each).encode())
            starts_of_lines.append(lines.tell())
            starts_of_blocks.append(blocks.tell())
        columns = np.array(keys).reshape(len(starts_of_lines) - 1, -1).T
        order: list[int] = np.lexsort(columns[::-1]).tolist()  # the last column is the first to be sorted by
        _write(tsv, tsv_heading(), lines, starts_of_lines, order)
        _write(text, text_heading(title, len(order)), blocks, starts_of_blocks, order)


def _write(path: Path, heading: str, source: BinaryIO, starts: Sequence[int], order: Sequence[int]) -> None:
    """Write a heading and the pieces of a source in an order; each ends where the next one begins."""
    with path.open("wb") as file:
        file.write(heading.encode())
        for at in order:
            source.seek(starts[at])
            file.write(source.read(starts[at + 1] - starts[at]))
