"""Common Voice as its releases unpack, and what data sets built on it share: its tables, and the names of its clips."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.dataset import Dataset, checked_groups
from evalkit.datasets.text_file import placed_lines
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import hint
from evalkit.types import Sample

CLIPS = "clips"
SPEAKER = "client_id"
SENTENCES = "validated.tsv"
SPLITS = ("test", "dev", "train", "validated", "other", "invalidated")

_ESCAPED = re.compile(r"\\(.)")
_GROUPS = ("gender", "age", "accents", "variant")
# Releases up to 6.1, and only they, have a column of this name, and put sentences with quotation marks into some more.
_QUOTING_COLUMN = "accent"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


class CommonVoiceFolder(Dataset):
    """One split of one locale: ``test.tsv`` beside ``clips/*.mp3``, the columns ``path`` and ``sentence`` of it.

    A sample is known by the name of its clip, ``common_voice_en_1``. Samples are clustered by speaker, the client that
    sent the clip.

    Args:
        path: the folder of the locale, such as ``cv-corpus-15.0-2023-09-08/en``; or one of its tables.
        split: the table to read: ``test``, ``dev``, ``train``, ``validated``, ``other`` or ``invalidated``.
        root: a folder that audio may not leave; by default ``clips``.
        groups: columns to break results down by, such as ``gender``, ``age``, ``accents``.
        language: of all samples.

    Raises:
        ConfigurationError: there is no such split or group.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        split: str = "test",
        root: str | Path | None = None,
        groups: Sequence[str] = (),
        language: str | None = None,
    ) -> None:
        path = Path(path).expanduser()
        if split not in SPLITS:
            raise ConfigurationError(f"{path}: no split {split!r}{hint(split, SPLITS)} (there are {', '.join(SPLITS)})")
        self._table = path if path.suffix == ".tsv" else path / f"{split}.tsv"
        self._root = root
        self._language = language
        self.source = str(self._table)
        self._groups = checked_groups(groups, _GROUPS, self.source)

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        folder = AudioFolder(self._table.parent / CLIPS, self._root)
        for place, row in table_rows(self._table, ("path", "sentence", *self._groups)):
            clip = row["path"] if row["path"].endswith(".mp3") else f"{row['path']}.mp3"  # as the first releases had it
            yield (
                place,
                Sample(
                    clip_id(clip),
                    (folder.audio(clip, place),),
                    (row["sentence"],),
                    self._language,
                    {group: row[group] for group in self._groups if row[group]},
                    clusters=by_speaker(row.get(SPEAKER)),
                ),
            )


def is_common_voice(path: Path) -> bool:
    """Tell whether a folder, or a table, is of an unpacked release of Common Voice."""
    table = (
        path if path.is_file() else next((file for split in SPLITS if (file := path / f"{split}.tsv").is_file()), None)
    )
    if table is None or table.suffix != ".tsv":
        return False
    _, heading = next(placed_lines(table), ("", ""))
    return {SPEAKER, "path", "sentence"} <= set(heading.rstrip("\r\n").split("\t"))


def table_rows(
    path: Path, columns: Sequence[str], *, header: bool = True, escaped: bool = False
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Read rows of a tab-separated table, each with its place; nothing in it is quoted.

    In tables of Common Voice up to release 6.1 a sentence with quotation marks is nevertheless put into some more, and
    its own are doubled; they are read as they were meant.

    Args:
        path: the table.
        columns: those that are needed; all that there are, in their order, if the table has no header.
        header: whether the first line names the columns.
        escaped: whether a backslash stands before what is to be taken as it is, as in the tables of CoVoST 2.

    Raises:
        DataError: the file cannot be read, lacks a column, or has a row of another length than its header.
    """
    names = None if header else list(columns)
    for place, line in placed_lines(path):
        values = line.rstrip("\r\n").split("\t")
        if names is None:
            names = values
            _check_columns(path, columns, names)
        elif values == [""]:
            continue
        elif len(values) != len(names):
            raise DataError(f"{place}: {len(values)} fields, expected {len(names)} ({', '.join(names)})")
        else:
            if escaped:
                values = [_ESCAPED.sub(r"\1", value) for value in values]
            elif _QUOTING_COLUMN in names:
                values = [_unquoted(value) for value in values]
            yield place, dict(zip(names, values, strict=True))
    if names is None:
        _check_columns(path, columns, [])


def clip_id(clip: str) -> str:
    """Return the name of a clip without its extension, the id of its sample: ``common_voice_en_1``."""
    return clip.removesuffix(".mp3")


def by_speaker(client: str | None) -> dict[str, str]:
    """Return the cluster of a clip by the client that sent it, none where the tables do not say."""
    return {"speaker": client} if client else {}


def column_by_clip(path: Path, column: str, *, escaped: bool = False) -> dict[str, str]:
    """Return one column of a table, by clip."""
    return {row["path"]: row[column] for _, row in table_rows(path, ("path", column), escaped=escaped)}


def speakers(folder: Path, clips: Collection[str]) -> dict[str, str]:
    """Return the speakers of clips by the release's table of valid ones; of none where that is not in the folder."""
    table = folder / SENTENCES
    if not clips or not table.is_file():
        return {}
    rows = (row for _, row in table_rows(table, ("path",)) if row["path"] in clips)
    return {row["path"]: row[SPEAKER] for row in rows if row.get(SPEAKER)}


def _check_columns(path: Path, wanted: Sequence[str], names: Sequence[str]) -> None:
    for column in wanted:
        if column not in names:
            raise DataError(
                f"{path}: no column {column!r}{hint(column, names)} (there are {', '.join(names) or 'none'})"
            )


def _unquoted(value: str) -> str:
    return value[1:-1].replace('""', '"') if _QUOTED.fullmatch(value) else value
