"""A store for tests that several processes see: objects are files below the folder that SHARED_STORE names."""

import os
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

SHARED_STORE = "SHARED_STORE"


class SharedStore(LocalFileSystem):
    """Objects of addresses such as ``shared://bucket/runs``; one is made where there is none, as stores can."""

    protocol = "shared"

    def __init__(self, **options: Any) -> None:
        super().__init__(auto_mkdir=True, **options)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        text = str(path)
        return os.environ[SHARED_STORE] + "/" + text.removeprefix("shared://") if "://" in text else text

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write an object, ``create`` only where there is none."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("xb" if mode == "create" else "wb") as file:
            file.write(value)


fsspec.register_implementation("shared", SharedStore, clobber=True)
