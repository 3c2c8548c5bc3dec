"""Where the recordings of a data set lie: found out while it is read, for reports, which play them."""

import os
import re
from pathlib import Path

from evalkit.types import Sample

_UPWARD = re.compile(r"(?:\.{1,2}/+)+")


class RecordingsFolder:
    """The folder in which every recording of a data set is found by its locator, in constant memory.

    Steps upward at the beginning of a locator count for nothing: ``../audio/1.wav`` lies in the folder that holds
    ``audio``, so that no recording lies outside.
    """

    def __init__(self) -> None:
        self._folder: str | None = None
        self._alike = True

    def add(self, sample: Sample) -> None:
        """Take in one more sample."""
        for audio in sample.audio:
            if audio.path is None:
                self._alike = False
            elif self._alike:
                folder = _without(os.path.abspath(audio.path), _UPWARD.sub("", audio.locator, count=1))
                self._alike = folder is not None and self._folder in (None, folder)
                self._folder = folder

    @property
    def path(self) -> str | None:
        """The folder, or None where there is no single one, or recordings are no files of their own."""
        return self._folder if self._alike else None


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
