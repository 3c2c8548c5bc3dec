"""CoVoST 2: translations of Common Voice, release 4 (github.com/facebookresearch/covost)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.layouts.common_voice import CLIPS, SPEAKER, by_speaker, clip_id, speakers, table_rows
from evalkit.errors import ConfigurationError, DataError
from evalkit.types import Sample

TABLES = "covost_v2.*.tsv"
_SPLITS = ("train", "dev", "test")
# The authors' script takes for training what is marked so too.
_DOTS_OF_ALL_SPLITS = 2  # covost_v2.en_zh-CN.tsv
_MARKS = {"train": ("train", "train_covost")}


class CovostFolder(Dataset):
    """One pair of languages: ``covost_v2.SOURCE_TARGET.tsv`` beside ``clips/*.mp3`` of Common Voice 4.

    Read as it is downloaded, one table for all splits, or cut into ``covost_v2.SOURCE_TARGET.SPLIT.tsv`` as the
    authors' script does. The reference is the translation; what was said, where the table has it, is the metadata
    ``sentence``. Samples are clustered by speaker, as the table says, or else ``validated.tsv`` of Common Voice beside
    it.

    Args:
        path: the folder with the table, which is that of Common Voice for the source language; or the table itself,
            where the folder has several.
        split: ``test``, ``dev`` or ``train``.
        clips: the folder of the recordings, by default ``clips`` beside the table.
        root: a folder that audio may not leave; by default ``clips``.
        language: of the recordings; by default the source language in the table's name.

    Raises:
        ConfigurationError: there is no such split.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        split: str = "test",
        clips: str | Path | None = None,
        root: str | Path | None = None,
        language: str | None = None,
    ) -> None:
        self._path = Path(path).expanduser()
        self._split = split
        self._clips = clips
        self._root = root
        self._language = language
        self.source = f"{self._path} ({split})"
        if split not in _SPLITS:
            raise ConfigurationError(f"{self.source}: no split {split!r} (there are {', '.join(_SPLITS)})")

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        table = find_table(self._path, self._split)
        pair = table.name.split(".")[1]
        folder = AudioFolder(self._clips or table.parent / CLIPS, self._root)
        language = self._language or pair.partition("_")[0].partition("-")[0]
        speaker_of = speakers(table.parent, {row["path"] for _, row in self._rows(table) if SPEAKER not in row})
        for place, row in self._rows(table):
            yield (
                place,
                Sample(
                    clip_id(row["path"]),
                    (folder.audio(row["path"], place),),
                    (row["translation"],),
                    language,
                    metadata={"sentence": row["sentence"]} if "sentence" in row else {},
                    clusters=by_speaker(row.get(SPEAKER) or speaker_of.get(row["path"])),
                ),
            )

    def _rows(self, table: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Read the rows of the split, of a table of all splits or of one alone."""
        split_column = () if table.name.count(".") > _DOTS_OF_ALL_SPLITS else ("split",)
        for place, row in table_rows(table, ("path", "translation", *split_column), escaped=True):
            if not split_column or row["split"] in _MARKS.get(self._split, (self._split,)):
                yield place, row


def find_table(path: Path, split: str) -> Path:
    """Return the table of a split in a folder of tables of one pair of languages; return a file as it is.

    Raises:
        DataError: there is none, or there are tables of several pairs.
    """
    if path.is_file():
        return path
    pairs = sorted({table.name.split(".")[1] for table in path.glob(TABLES)})
    if len(pairs) > 1:
        raise DataError(f"{path}: there are tables of {', '.join(pairs)}; name one of them, not the folder")
    for name in (f"covost_v2.{pair}{cut}.tsv" for pair in pairs for cut in (f".{split}", "")):
        if (path / name).is_file():
            return path / name
    raise DataError(f"{path}: no table covost_v2.SOURCE_TARGET.tsv or covost_v2.SOURCE_TARGET.{split}.tsv there")
