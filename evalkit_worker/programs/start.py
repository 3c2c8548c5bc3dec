"""Run by the other Python, as a script: ``start.py REQUESTS RESPONSES HOME ROOM…``.

REQUESTS and RESPONSES are numbers of open files, HOME is the folder in which evalkit lies, each ROOM a package there.
The rooms are found in HOME, and nothing else is: the libraries beside them are of another environment.
"""

from __future__ import annotations

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder


class _Rooms(MetaPathFinder):
    """Finds packages of evalkit where it lies."""

    def __init__(self, home: str, rooms: list[str]) -> None:
        self._home = home
        self._rooms = rooms

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        return PathFinder.find_spec(fullname, [self._home]) if fullname in self._rooms else None


def main(requests: int, responses: int, home: str, rooms: list[str]) -> None:
    """Serve on two pipes, whose ends go to no process that the model may start."""
    for pipe in (requests, responses):
        os.set_inheritable(pipe, False)
    sys.meta_path.insert(0, _Rooms(home, rooms))
    from evalkit_worker.serving import serve

    with os.fdopen(requests, "rb") as incoming, os.fdopen(responses, "wb") as outgoing:
        serve(incoming, outgoing)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
