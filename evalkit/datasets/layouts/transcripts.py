"""References without recordings, for answers that were produced elsewhere."""

from collections.abc import Iterator
from pathlib import Path

from evalkit.audio import Audio
from evalkit.datasets.column_mapping import checked_id
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.tables import placed_rows
from evalkit.types import Sample


class TranscriptFile(Dataset):
    """``words (id)`` a line in a ``.trn`` file; the id, then the words, a line in one of any other name.

    Samples have the name of a recording only: what is to hear them fails, what looks answers up by ids does not.

    Args:
        path: the file.
        language: of all samples.
    """

    def __init__(self, path: str | Path, *, language: str | None = None) -> None:
        self._path = Path(path).expanduser()
        self._language = language
        self.source = str(self._path)

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        for place, row in placed_rows(self._path):
            sample_id = checked_id(row["id"], place)
            yield place, Sample(sample_id, (Audio(sample_id),), (row["text"],), self._language)


def find_transcript(path: Path) -> Path | None:
    """Return the path if its name says that the file holds references and nothing else, else None."""
    return path if path.is_file() and (path.suffix == ".trn" or path.name == "text") else None
