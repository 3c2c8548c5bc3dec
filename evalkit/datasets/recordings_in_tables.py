"""Recordings that lie inside tables, found again by their digests: for reports, which play them."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from evalkit.audio.digests import content_digest

_ROWS_AT_A_TIME = 64


def recordings_in_tables(tables: Iterable[str], wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the digest and the bytes of every wanted recording that is found, each once.

    Bytes are handed out by their digest alone, so that a run folder of somebody else, which names the tables, gets
    nothing that it does not know. A table that is gone or cannot be read holds nothing.

    Args:
        tables: parquet files, and files as the ``datasets`` library writes them (arrow's streaming form).
        wanted: digests, as of ``Audio.digest``.
    """
    missing = set(wanted)
    for table in tables:
        for content in _contents_of(Path(table)) if missing else ():
            digest = content_digest(content)
            if digest in missing:
                missing.remove(digest)
                yield digest, content


def _contents_of(table: Path) -> Iterator[bytes]:
    """Yield every value of bytes in a table, however deep in lists and structures."""
    import pyarrow

    if not table.is_file():
        return
    with suppress(OSError, pyarrow.ArrowException):
        for batch in _batches(table):
            for column in batch.columns:
                yield from _values(column)


def _batches(table: Path) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    if table.suffix == ".parquet":
        with pyarrow.parquet.ParquetFile(table) as file:
            names = [field.name for field in file.schema_arrow if _holds_bytes(field.type)]
            yield from file.iter_batches(_ROWS_AT_A_TIME, columns=names)
    else:
        with pyarrow.memory_map(str(table)) as source, pyarrow.ipc.open_stream(source) as batches:
            yield from batches


def _holds_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_binary(kind) or types.is_large_binary(kind):
        return True
    return any(_holds_bytes(kind.field(position).type) for position in range(kind.num_fields))


def _values(column: Any) -> Iterator[bytes]:
    from pyarrow import types

    kind = column.type
    if types.is_binary(kind) or types.is_large_binary(kind):
        yield from (value.as_py() for value in column if value.is_valid)
    elif types.is_struct(kind):
        for position in range(kind.num_fields):
            yield from _values(column.field(position))
    elif types.is_list(kind) or types.is_large_list(kind):
        yield from _values(column.flatten())
