"""Run folders as arguments: paths, and addresses on object stores."""

from pathlib import Path

from evalkit.object_store import address_of, fetched, is_address


def run_argument(text: str) -> Path:
    """Return the folder that an argument names; of one on an object store the copy, brought into line with it.

    Raises:
        ConfigurationError: the address is none that can be copied, or the library for its store is missing.
        StoreError: the store cannot be reached.
    """
    return fetched(text) if is_address(text) else Path(text)


def place(folder: Path) -> str:
    """Return what people call a folder: its path, or its address on an object store."""
    return address_of(folder) or str(folder)
