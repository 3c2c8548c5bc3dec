"""Data sets in the formats of the Hugging Face hub, fetched from it or already on disk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalkit.audio import Audio
from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.column_mapping import ColumnMapping
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.hub_table import load_table
from evalkit.datasets.row_filter import RowFilter
from evalkit.errors import DataError
from evalkit.types import Sample

_ROWS_AT_A_TIME = 1000


class HubDataset(Dataset):
    """A repository of the hub, or on disk: a clone, parquet files, or a folder written by ``save_to_disk``.

    The rows are memory-mapped, and audio stays encoded until a sample's waveform is asked for; the library's
    own decoder is never used. Of a repository only the splits asked for are fetched.

    A row without an id column, or with ``columns: {id: null}``, is known by the name of its audio file
    without folder and extension; if it has none, by split and row number, which are stable for a fixed
    ``revision`` only. Several splits are read one after the other, and each id begins with its split.

    Args:
        repository: name on the hub, or a folder or file on disk.
        config: configuration (subset) of the repository.
        split: of the configuration, or several.
        split_group: the name of a group that says which split a sample is of; None for no such group.
        revision: branch, tag or commit of a hub repository; a commit makes results repeatable.
        root: a folder that audio outside the table may not leave; by default the local folder.
        columns: for a part of a sample the column that holds it, or None for none, as ``ColumnMapping`` takes it.
        groups: columns that become ``Sample.groups``; or a mapping from group to column.
        metadata: columns that become ``Sample.metadata``; or a mapping from key to column.
        where: for a column, the value or values that wanted rows have there; compared as text.
        language: of rows that name none.
        cluster: columns that become ``Sample.clusters``, or a mapping from field to column, where every row must say
            something; by default the column ``speaker`` of the rows that have one, an empty list for none.
    """

    def __init__(
        self,
        repository: str | Path,
        config: str | None = None,
        split: str | Sequence[str] = "test",
        *,
        split_group: str | None = None,
        revision: str | None = None,
        root: str | Path | None = None,
        columns: Mapping[str, str | None] | None = None,
        groups: Mapping[str, str] | Sequence[str] = (),
        metadata: Mapping[str, str] | Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        language: str | None = None,
        cluster: Mapping[str, str] | Sequence[str] | None = None,
    ) -> None:
        self._repository = str(repository)
        self._config = config
        self._splits = (split,) if isinstance(split, str) else tuple(split)
        self._split_group = split_group
        self._revision = revision
        self._root = root
        self._columns = ColumnMapping(columns, groups, metadata, where, language, cluster)
        self._tables: dict[str, Any] = {}
        version = f"@{revision}" if revision else ""
        self._name = f"{repository}{version}"
        self.source = self._named(*self._splits)

    def load(self) -> None:
        """Fetch and map the rows of every split, once.

        Raises:
            ConfigurationError: the ``datasets`` library is not installed.
            DataError: the data set cannot be had; the message says what to do.
        """
        for split in self._splits:
            if split not in self._tables:
                self._tables[split] = load_table(
                    self._repository, self._config, split, self._revision, self._named(split)
                )

    def _named(self, *splits: str) -> str:
        return f"{self._name} ({', '.join(filter(None, (self._config, *splits)))})"

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        self.load()
        row_filter = self._columns.row_filter()
        for split, table in self._tables.items():
            yield from self._of_split(split, table, row_filter)
        row_filter.check(self.source)

    def _of_split(self, split: str, table: Any, row_filter: RowFilter) -> Iterator[tuple[str, Sample]]:
        columns, folder, source = self._columns, self._audio_folder(), self._named(split)
        prefix = f"{split}/" if len(self._splits) > 1 else ""
        groups = {self._split_group: split} if self._split_group else {}
        columns.check(table.column_names, source)
        for recording, row in self._rows(table):
            if not row_filter.wants(row):
                continue
            place = f"{source} row {recording.row}"
            sample_id = prefix + columns.id(row, place, recording.path, f"{split}-{recording.row}")
            audio: tuple[Audio, ...] = ()
            if columns.audio_column:
                audio = (recording.audio(sample_id, folder, place, columns.duration(row, place)),)
            sample = columns.sample(row, place, sample_id, audio)
            yield place, replace(sample, groups={**sample.groups, **groups}) if groups else sample

    def _audio_folder(self) -> AudioFolder | None:
        """Return where audio files that the table only names are found; None for a repository of the hub."""
        local = Path(self._repository).expanduser()
        if not local.exists():
            return None
        return AudioFolder(local.parent if local.is_file() else local, self._root)

    def _rows(self, table: Any) -> Iterator[tuple["_Recording", dict[str, Any]]]:
        """Yield what is known of each row's audio short of its bytes, and the columns that samples need."""
        wanted = [name for name in table.column_names if name in self._columns.names]
        files = tuple(file["filename"] for file in table.cache_files)
        number = 0
        for batch in table.iter(_ROWS_AT_A_TIME):
            rows = batch.select(wanted).to_pylist()
            for row, (path, embedded) in zip(rows, self._audio_of(batch), strict=True):
                number += 1
                yield _Recording(table, files, self._columns.audio_column, number, path, embedded), row

    def _audio_of(self, batch: Any) -> list[tuple[str | None, bool]]:
        """Yield for each row the path of its audio, if any, and whether its bytes are in the table."""
        import pyarrow.compute

        if not self._columns.audio_column:
            return [(None, False)] * batch.num_rows
        column = batch.column(self._columns.audio_column)
        kind, types = column.type, pyarrow.types
        if types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}:
            paths, contents = (pyarrow.compute.struct_field(column, name) for name in ("path", "bytes"))
            return list(zip(paths.to_pylist(), contents.is_valid().to_pylist(), strict=True))
        if types.is_binary(kind) or types.is_large_binary(kind):
            return [(None, embedded) for embedded in column.is_valid().to_pylist()]
        if types.is_string(kind) or types.is_large_string(kind):
            return [(path, False) for path in column.to_pylist()]
        raise DataError(f"{self.source}: column {self._columns.audio_column!r} is of type {kind}, not audio")


@dataclass(frozen=True, slots=True)
class _Recording:
    """What a row, numbered from 1, says of its audio: a path, and whether the bytes are in the table's files."""

    table: Any
    files: tuple[str, ...]
    column: str | None
    row: int
    path: str | None
    embedded: bool

    def audio(self, sample_id: str, folder: AudioFolder | None, place: str, duration: float | None) -> Audio:
        if self.embedded:
            return Audio(sample_id, content=self.content, duration=duration, tables=self.files)
        if not self.path:
            raise DataError(f"{place}: the row has no audio")
        if folder is None:
            raise DataError(
                f"{place}: the row has only the name of an audio file, not its content; "
                "download the repository and name its folder"
            )
        return folder.audio(self.path, place, duration)

    def content(self) -> bytes:
        value = self.table[self.row - 1].column(self.column)[0].as_py()
        return bytes(value["bytes"] if isinstance(value, dict) else value)
