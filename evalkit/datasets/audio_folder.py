"""From the audio paths that data sets write down to files that exist on this machine."""

import os
from pathlib import Path

from evalkit.audio import Audio
from evalkit.audio.recording import root_to_type
from evalkit.errors import DataError


class AudioFolder:
    """The folder that a data set's relative audio paths start from, and the root that no path may leave.

    Paths are judged as written when they are resolved here, and again with links followed when the audio is
    decoded, so that listing a data set touches no audio file.

    Args:
        folder: where relative paths start from.
        root: what all paths must stay inside; by default the folder itself.
    """

    def __init__(self, folder: str | Path, root: str | Path | None = None) -> None:
        folder, root = Path(folder).expanduser(), Path(root or folder).expanduser()
        self._root = os.path.abspath(root)
        # An absolute path may name the root directly or by way of a link that leads to it.
        self._views = tuple(
            (os.path.join(view(folder), ""), os.path.join(view(root), ""))
            for view in (os.path.abspath, os.path.realpath)
        )

    def audio(
        self, path: str, place: str, duration: float | None = None, span: tuple[float, float] | None = None
    ) -> Audio:
        """Return the recording at ``path``; its locator is the path relative to the folder, with forward slashes.

        Args:
            path: as the data set writes it.
            place: where it does.
            duration: seconds, where the data set says so.
            span: where in the file it begins and ends, in seconds, if it is a part of that.

        Raises:
            DataError: the path leaves the root; the message begins with ``place``.
        """
        for folder, root in self._views:
            file = os.path.normpath(path if path.startswith(os.sep) else folder + path)
            if file.startswith(root):
                locator = file[len(folder) :] if file.startswith(folder) else os.path.relpath(file, folder)
                return Audio(locator.replace(os.sep, "/"), file, duration=duration, root=self._root, span=span)
        raise DataError(
            f"{place}: audio path {path!r} leads out of the data root {self._root}; correct it, or allow it with "
            f"{root_to_type(file, self._root)}"
        )
