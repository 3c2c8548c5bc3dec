"""LibriSpeech as its archives unpack."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.dataset import Dataset, checked_groups
from evalkit.datasets.text_file import keyed_lines
from evalkit.errors import DataError
from evalkit.types import Sample

TRANSCRIPTS = "*/*/*.trans.txt"


class LibriSpeechFolder(Dataset):
    """One split, ``SPEAKER/CHAPTER/UTTERANCE.flac`` with ``SPEAKER-CHAPTER.trans.txt`` (openslr.org/12).

    Samples are clustered by speaker, and by chapter.

    Args:
        path: the folder of the split, such as ``LibriSpeech/test-clean``.
        root: a folder that audio may not leave; by default the split's.
        extension: of the audio files, for copies that were converted.
        groups: what to break results down by: ``speaker``, ``chapter`` or both.
        language: of all samples.

    Raises:
        ConfigurationError: a group is unknown.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        root: str | Path | None = None,
        extension: str = "flac",
        groups: Sequence[str] = (),
        language: str | None = "en",
    ) -> None:
        self._path = Path(path).expanduser()
        self._root = root
        self._extension = extension.lstrip(".")
        self._language = language
        self.source = str(self._path)
        self._groups = checked_groups(groups, ("speaker", "chapter"), self.source)

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        folder = AudioFolder(self._path, self._root)
        transcripts = sorted(self._path.glob(TRANSCRIPTS))
        if not transcripts:
            raise DataError(f"{self._path}: no {TRANSCRIPTS} there; name the folder of one split, like test-clean")
        for transcript in transcripts:
            chapter = transcript.parent
            names = {"speaker": chapter.parent.name, "chapter": chapter.name}
            groups = {group: names[group] for group in self._groups}
            prefix = f"{names['speaker']}/{names['chapter']}/"
            for place, utterance, text in keyed_lines(transcript):
                audio = folder.audio(f"{prefix}{utterance}.{self._extension}", place)
                yield place, Sample(utterance, (audio,), (text,), self._language, groups, clusters=names)
