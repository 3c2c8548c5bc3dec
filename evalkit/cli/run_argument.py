"""Run folders as arguments: paths, and addresses on object stores."""

from pathlib import Path

from evalkit.errors import StoreError
from evalkit.object_store import address_of, fetched, is_address


def run_argument(text: str) -> Path:
    """Return the folder that an argument names; of one on an object store the copy, brought into line with it.

    Raises:
        ConfigurationError: the address is none that can be copied, or the library for its store is missing.
        StoreError: the store cannot be reached, or there is nothing.
    """
    if not is_address(text):
        return Path(text)
    folder = fetched(text)
    if not folder.exists():
        raise StoreError(f"{text}: nothing is there")
    return folder


def single_run_argument(text: str) -> Path:
    """Return the folder that an argument names, for a command that takes one run.

    Raises:
        StoreError: it holds repeated runs; or as of ``run_argument``.
    """
    from evalkit.results.repeated import repeated_folders  # with NumPy, which the listing of models does not want

    folder = run_argument(text)
    if held := repeated_folders(folder):
        names = ", ".join(each.name for each in held)
        raise StoreError(f"{text}: holds repeated runs ({names}); name one of them, such as {place(held[0])}")
    return folder


def place(folder: Path) -> str:
    """Return what people call a folder: its path, or its address on an object store."""
    return address_of(folder) or str(folder)
