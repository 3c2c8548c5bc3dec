"""CVSS: English speech of the CoVoST 2 translations (github.com/google-research-datasets/cvss)."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from evalkit.audio import Audio
from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.layouts.common_voice import (
    CLIPS,
    SENTENCES,
    by_speaker,
    clip_id,
    column_by_clip,
    speakers,
    table_rows,
)
from evalkit.datasets.layouts.covost import find_table
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import hint
from evalkit.types import Sample

CLIPS_OF_A_SPLIT = "*/*.mp3.wav"

# Whose speech is translated, and which texts can then be the reference, the usual one first.
_READINGS = {"common_voice": ("cvss", "covost"), "cvss": ("common_voice",)}


class CvssFolder(Dataset):
    """One pair of languages, ``SPLIT.tsv`` (clip, English text) and ``SPLIT/CLIP.wav``, paired with Common Voice 4.

    CVSS is made to be read from a foreign language into English. Read in reverse, its English speech is what is
    translated, and the sentence that the Common Voice speaker read is the reference. Samples are clustered by that
    speaker, where ``common_voice`` has ``validated.tsv``.

    Args:
        path: the unpacked archive, such as that of ``cvss_c_zh_en_v1.0.tar.gz`` (one voice) or ``cvss_t_…`` (the
            voices of the speakers); the texts of both are the same.
        common_voice: the folder of Common Voice 4 for the foreign language: ``clips/``, ``validated.tsv`` and, for
            the reference ``covost``, the table of CoVoST 2.
        speech: whose speech is translated: ``common_voice``, or ``cvss`` for the reverse.
        reference: into English ``cvss``, the text as it is spoken, numbers in words, or ``covost``, the text as it was
            written; in reverse ``common_voice``. By default the first of these.
        split: ``test``, ``dev`` or ``train``.
        root: a folder that audio may not leave; by default ``path`` or the clips of ``common_voice``.
        language: of what is translated.

    Raises:
        ConfigurationError: ``common_voice`` is not given, or the speech or the reference is unknown, or the two do not
            go together.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        common_voice: str | Path | None = None,
        speech: str = "common_voice",
        reference: str | None = None,
        split: str = "test",
        root: str | Path | None = None,
        language: str | None = None,
    ) -> None:
        self._path = Path(path).expanduser()
        if common_voice is None:
            raise ConfigurationError(
                f"{self._path}: CVSS is read together with Common Voice 4; say with common_voice= where that lies"
            )
        self._common_voice = Path(common_voice).expanduser()
        self._speech = speech
        self._split = split
        self._root = root
        self._language = language
        self.source = f"{self._path} with {self._common_voice} ({split})"
        if speech not in _READINGS:
            raise ConfigurationError(
                f"{self.source}: no speech of {speech!r}{hint(speech, _READINGS)} (there is {', '.join(_READINGS)})"
            )
        self._reference = reference or _READINGS[speech][0]
        if self._reference not in _READINGS[speech]:
            raise ConfigurationError(
                f"{self.source}: speech of {speech} has no reference {reference!r} "
                f"(there is {', '.join(_READINGS[speech])})"
            )

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        audio = self._audio()
        references, read_from = self._references()
        speaker_of = speakers(self._common_voice, {row["path"] for _, row in self._rows()})
        for place, row in self._rows():
            clip = row["path"]
            text = row["text"] if references is None else references.get(clip)
            if text is None:
                raise DataError(f"{place}: clip {clip!r} is not in {read_from}")
            clusters = by_speaker(speaker_of.get(clip))
            yield place, Sample(clip_id(clip), (audio(clip, place),), (text,), self._language, clusters=clusters)

    def _rows(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        return table_rows(self._path / f"{self._split}.tsv", ("path", "text"), header=False)

    def _audio(self) -> Callable[[str, str], Audio]:
        """Return the function from a clip and its place to what is translated."""
        if self._speech == "common_voice":
            return AudioFolder(self._common_voice / CLIPS, self._root).audio
        folder = AudioFolder(self._path / self._split, self._root)
        return lambda clip, place: folder.audio(f"{clip}.wav", place)

    def _references(self) -> tuple[Mapping[str, str] | None, Path | None]:
        """Return references by clip and the file they come from; None twice if they are the texts of CVSS itself."""
        if self._reference == "cvss":
            return None, None
        if self._reference == "covost":
            table = find_table(self._common_voice, self._split)
            return column_by_clip(table, "translation", escaped=True), table
        table = self._common_voice / SENTENCES
        return column_by_clip(table, "sentence"), table
