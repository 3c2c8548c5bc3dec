"""Putting a new report in the place of an earlier one: no file is ever half written, and none of the earlier stays."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.errors import StoreError

_LIST = ".files"
# What a report can be made of. The list may be someone else's, as a report lies in a run folder.
_OF_A_REPORT = re.compile(
    r"[\w-]+\.(?:html|md|tex|csv|json|parquet|png|svg)|plots/[^/\0]+\.(?:png|svg|pdf)"
    r"|utterances/[^/\0]+/[^/\0]+\.(?:tsv|txt)|site/[\w-]+\.(?:js|css)|tasks/[^/\0]+\.html"
    r"|data/(?:[^/\0]+/){0,3}[^/\0]+\.js|audio/[\da-f]+\.\w+"
)


def put_in_place(made: Path, folder: Path, names: Sequence[str]) -> None:
    """Move the files of a report to its folder, and remove those of the report before that are not among them.

    Args:
        made: where the new files are; on the same file system.
        folder: where they belong; files in it that are no report's stay.
        names: of the new files, relative to both, the page that shows them first; it is moved last.

    Raises:
        StoreError: a link leads out of the folder.
        OSError: a file cannot be moved.
    """
    for name in names:
        _check_inside(folder, name)
    earlier = [name for name in _listed(folder) if name not in names]
    # The old names stay on the list until their files are gone.
    _write_list(made, folder, [*names, *earlier])
    for name in reversed(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(made / name, folder / name)
    for name in earlier:
        (folder / name).unlink(missing_ok=True)
        _remove_empty(folder / name, folder)
    _write_list(made, folder, names)


def _check_inside(folder: Path, name: str) -> None:
    parent = (folder / name).parent
    if not parent.resolve().is_relative_to(folder.resolve()):
        raise StoreError(f"{parent}: a link leads out of the report's folder; remove it, or name another --output")


def _listed(folder: Path) -> Iterator[str]:
    """Yield the files of the report before that are still there."""
    path = folder / _LIST
    if path.is_symlink() or not path.is_file():
        return
    for name in path.read_text(encoding="utf-8", errors="replace").splitlines():
        file = folder / name
        plain = _OF_A_REPORT.fullmatch(name) and ".." not in file.parts
        if plain and file.is_file() and file.parent.resolve().is_relative_to(folder.resolve()):
            yield name


def _write_list(made: Path, folder: Path, names: Sequence[str]) -> None:
    (made / _LIST).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    os.replace(made / _LIST, folder / _LIST)


def _remove_empty(file: Path, folder: Path) -> None:
    for parent in file.parents:
        if parent == folder or any(parent.iterdir()):
            return
        parent.rmdir()
