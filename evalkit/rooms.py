"""The packages that are installed beside ``evalkit``, whose plain names a user's own folders may bear too."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

ROOMS = ("configs", "model_adapters", "reports", "step_audio_2", "tasks")
HOME = Path(__file__).resolve().parent.parent


class _RoomFinder(MetaPathFinder):
    """Finds the rooms where evalkit itself lies, whatever the search path leads to first."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the interface has it
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [str(HOME)]) if fullname in ROOMS else None


def find_rooms_at_home() -> None:
    """Have this process import evalkit's own rooms, and not folders of their names from the working directory.

    For the command line, whose process is evalkit's alone; a program that only imports evalkit keeps its own packages.
    """
    if not any(isinstance(finder, _RoomFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RoomFinder())


def hidden_package(room: str) -> Path | None:
    """Return the package or folder that bears a room's name elsewhere on the search path, if there is one."""
    for entry in sys.path:
        place = Path(entry or ".").resolve()
        if place == HOME:
            continue
        for candidate in (place / room, place / f"{room}.py"):
            if candidate.exists():
                return candidate
    return None


def taken_room() -> tuple[str, str] | None:
    """Return a room that another package's import has taken in this process, and where that package lies."""
    for room in ROOMS:
        module = sys.modules.get(room)
        spec = module.__spec__ if module is not None else PathFinder.find_spec(room)
        places = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else []
        if places and not any(Path(place).resolve().is_relative_to(HOME / room) for place in places if place):
            return room, places[0]
    return None
