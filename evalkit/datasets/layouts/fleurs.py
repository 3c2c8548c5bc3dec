"""FLEURS as its own archives unpack: a table without header beside a folder of recordings."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.dataset import Dataset, checked_groups
from evalkit.datasets.text_file import placed_lines
from evalkit.errors import ConfigurationError, DataError
from evalkit.types import Sample

_SPLITS = ("test", "dev", "train")
_COLUMNS = ("id", "file", "raw_transcription", "transcription", "characters", "num_samples", "gender")
_REFERENCES = ("transcription", "raw_transcription")
_RATE = 16_000


class FleursFolder(Dataset):
    """One split of one language: ``test.tsv`` beside ``test/*.wav``, or beside ``audio/test/*.wav``.

    A sample is known by the name of its recording, for the numbers in the table are of sentences, which several people
    read. Samples are clustered by sentence.

    Args:
        path: the folder of the language, such as ``fleurs/en_us``.
        split: ``test``, ``dev`` or ``train``.
        reference: ``transcription``, which is in lower case and without punctuation; or ``raw_transcription``, which
            also has words in parentheses that nobody speaks.
        root: a folder that audio may not leave; by default ``path``.
        groups: what to break results down by: ``gender`` is what there is.
        language: of all samples.

    Raises:
        ConfigurationError: there is no such split, reference or group.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        split: str = "test",
        reference: str = "transcription",
        root: str | Path | None = None,
        groups: Sequence[str] = (),
        language: str | None = None,
    ) -> None:
        self._path = Path(path).expanduser()
        for option, value, known in (("split", split, _SPLITS), ("reference", reference, _REFERENCES)):
            if value not in known:
                raise ConfigurationError(f"{self._path}: no {option} {value!r} (there are {', '.join(known)})")
        self._split = split
        self._reference = reference
        self._root = root
        self._language = language
        self.source = f"{self._path} ({split})"
        self._groups = checked_groups(groups, ("gender",), self.source)

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        folder = AudioFolder(self._path, self._root)
        beside = self._split if (self._path / self._split).is_dir() else f"audio/{self._split}"
        for place, line in placed_lines(self._path / f"{self._split}.tsv"):
            if line.isspace():
                continue
            values = line.rstrip("\r\n").split("\t")
            if len(values) != len(_COLUMNS):
                raise DataError(f"{place}: {len(values)} fields, expected {len(_COLUMNS)} ({', '.join(_COLUMNS)})")
            row = dict(zip(_COLUMNS, values, strict=True))
            seconds = int(row["num_samples"]) / _RATE if row["num_samples"].isdecimal() else None
            audio = folder.audio(f"{beside}/{row['file']}", place, seconds)
            groups = {group: row[group].lower() for group in self._groups}
            sample_id, references, clusters = Path(row["file"]).stem, (row[self._reference],), {"sentence": row["id"]}
            yield place, Sample(sample_id, (audio,), references, self._language, groups, clusters=clusters)


def is_fleurs(path: Path) -> bool:
    """Tell whether a folder is of one language of FLEURS."""
    table = next((file for split in _SPLITS if (file := path / f"{split}.tsv").is_file()), None)
    if table is None:
        return False
    _, line = next(placed_lines(table), ("", ""))
    values = line.split("\t")
    return len(values) == len(_COLUMNS) and values[0].isdecimal() and values[1].endswith(".wav")
