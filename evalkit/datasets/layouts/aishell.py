"""AISHELL-1 as its archive unpacks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.dataset import Dataset, checked_groups
from evalkit.datasets.text_file import keyed_lines
from evalkit.datasets.transcript import join_characters
from evalkit.errors import DataError
from evalkit.types import Sample

TRANSCRIPT = "transcript/aishell_transcript_v0.8.txt"


class AishellFolder(Dataset):
    """One split, ``wav/SPLIT/SPEAKER/UTTERANCE.wav`` with one transcript file for all (openslr.org/33).

    Transcripts are closed up, for the file writes spaces between words. Samples are clustered by speaker.

    Args:
        path: the folder ``data_aishell``.
        split: ``test``, ``dev`` or ``train``.
        root: a folder that audio may not leave; by default ``path``.
        groups: what to break results down by: ``speaker`` is what there is.
        language: of all samples.

    Raises:
        ConfigurationError: a group is unknown.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        split: str = "test",
        root: str | Path | None = None,
        groups: Sequence[str] = (),
        language: str | None = "zh",
    ) -> None:
        self._path = Path(path).expanduser()
        self._split = split
        self._root = root
        self._language = language
        self.source = f"{self._path} ({split})"
        self._groups = checked_groups(groups, ("speaker",), self.source)

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        speakers = self._speakers()
        folder = AudioFolder(self._path, self._root)
        for place, utterance, text in keyed_lines(self._path / TRANSCRIPT):
            speaker = utterance[6:11]  # BAC009S0764W0121: recording set, speaker S0764, utterance
            if speaker in speakers:
                audio = folder.audio(f"wav/{self._split}/{speaker}/{utterance}.wav", place)
                groups, clusters = dict.fromkeys(self._groups, speaker), {"speaker": speaker}
                reference = join_characters(text)
                yield place, Sample(utterance, (audio,), (reference,), self._language, groups, clusters=clusters)

    def _speakers(self) -> set[str]:
        folder = self._path / "wav" / self._split
        speakers = {entry.name for entry in folder.iterdir() if entry.is_dir()} if folder.is_dir() else set()
        if speakers:
            return speakers
        for packed in (self._path / "wav", folder):
            archive = next(packed.glob("*.tar.gz"), None)
            if archive:
                raise DataError(
                    f"{folder}: no speakers there, but {archive} is still packed; unpack each speaker: "
                    f"cd {packed} && for f in *.tar.gz; do tar xzf $f; done"
                )
        raise DataError(f"{folder}: no folders of speakers there")
