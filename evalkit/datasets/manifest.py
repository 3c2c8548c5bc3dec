"""Manifests: one row per sample in JSON Lines, a JSON array, CSV or TSV."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.column_mapping import ColumnMapping
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.tables import MANIFEST_SUFFIXES, placed_rows, table_suffix
from evalkit.errors import ConfigurationError
from evalkit.types import Sample


class Manifest(Dataset):
    """Rows of a JSON Lines (``.jsonl``), JSON (``.json``), CSV (``.csv``, quoted) or TSV (``.tsv``, unquoted) file.

    A row has ``id``, ``audio`` (a path relative to the manifest's folder), ``text`` (the reference, which may
    be empty), and, optionally, ``language`` or ``lang``, ``duration`` in seconds, and any columns more; other usual
    names of these columns are understood too, see ``ColumnMapping``. A row without an id is known by the name of its
    audio file, without folder and extension: the same on every machine and in every order.

    Args:
        path: the manifest; see ``evalkit.datasets.tables`` for the formats.
        root: a folder that audio may not leave, ``/`` for anywhere; by default the manifest's.
        columns: for a part of a sample the column that holds it, or None for none, as ``ColumnMapping`` takes it.
        groups: columns that become ``Sample.groups``; or a mapping from group to column.
        metadata: columns that become ``Sample.metadata``; or a mapping from key to column.
        where: for a column, the value or values that wanted rows have there; compared as text.
        language: of rows that name none.
        cluster: columns that become ``Sample.clusters``, or a mapping from field to column, where every row must say
            something; by default the column ``speaker`` of the rows that have one, an empty list for none.

    Raises:
        ConfigurationError: the file name's extension or an option is unknown.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        root: str | Path | None = None,
        columns: Mapping[str, str | None] | None = None,
        groups: Mapping[str, str] | Sequence[str] = (),
        metadata: Mapping[str, str] | Sequence[str] = (),
        where: Mapping[str, Any] | None = None,
        language: str | None = None,
        cluster: Mapping[str, str] | Sequence[str] | None = None,
    ) -> None:
        self._path = Path(path).expanduser()
        self._root = root
        self._columns = ColumnMapping(columns, groups, metadata, where, language, cluster)
        self.source = str(self._path)
        if table_suffix(self._path) not in MANIFEST_SUFFIXES:
            raise ConfigurationError(f"{self._path}: a manifest's name ends in {', '.join(MANIFEST_SUFFIXES)}")

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        columns, folder = self._columns, AudioFolder(self._path.parent, self._root)
        row_filter = columns.row_filter()
        for place, row in placed_rows(self._path, columns.check):
            if not row_filter.wants(row):
                continue
            path, span = columns.audio_path(row, place), columns.span(row, place)
            audio = () if path is None else (folder.audio(path, place, columns.duration(row, place), span),)
            yield place, columns.sample(row, place, columns.id(row, place, path), audio)
        row_filter.check(self.source)
