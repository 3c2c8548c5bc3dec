"""Kaldi's data folders, and AISHELL-2's, which differ in one file name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.column_mapping import by_name
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.text_file import keyed_lines
from evalkit.datasets.transcript import join_characters
from evalkit.errors import DataError
from evalkit.types import Sample

_AISHELL_2 = "trans.txt"
_TRANSCRIPTS = ("text", _AISHELL_2)
_SPEAKERS, _UTTERANCES = "utt2spk", "spk2utt"


class KaldiFolder(Dataset):
    """A folder with ``wav.scp`` and ``text`` (AISHELL-2: ``trans.txt``), one utterance a line, key first.

    The transcripts give the samples and their order; a transcript without an entry in ``wav.scp`` is an
    error. Where there are ``segments``, an utterance is the part of a recording that they say, and ``wav.scp`` names
    the recordings. Tables in the same order as the transcripts, as Kaldi sorts them, are read in step; others are held
    in memory.

    Samples are clustered by speaker, as ``utt2spk`` or else ``spk2utt`` says, of AISHELL-2 the folder of the recording;
    an utterance whose speaker is called as itself is of an unknown one. Parts of recordings are clustered by those too.

    Args:
        path: the folder.
        root: where relative entries of ``wav.scp`` start from, and what all entries must stay inside, ``/`` for
            anywhere; by default the folder.
        transcript: the file of references; by default ``text`` or ``trans.txt``, whichever there is.
        remove: what to take out of references, such as ``<SPOKEN_NOISE>``, wherever it stands in them.
        paths: a pattern that the entry of ``wav.scp`` must match, such as ``*/phase1/*``; by default all are taken.
        join_characters: close up Chinese references that are written with spaces between words.
        groups: tables that become ``Sample.groups``, such as ``{speaker: utt2spk}``.
        language: of all samples.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        root: str | Path | None = None,
        transcript: str | None = None,
        remove: Sequence[str] = (),
        paths: str | None = None,
        join_characters: bool = False,
        groups: Mapping[str, str] | Sequence[str] = (),
        language: str | None = None,
    ) -> None:
        self._path = Path(path).expanduser()
        self._root = root
        self._transcript = transcript
        self._remove = (remove,) if isinstance(remove, str) else tuple(remove)
        self._paths = paths
        self._join_characters = join_characters
        self._groups = by_name(groups)
        self._language = language
        self.source = str(self._path)

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        folder = AudioFolder(self._root or self._path)
        recordings = _Table(self._path / "wav.scp")
        segments = _Table(self._path / "segments") if (self._path / "segments").exists() else None
        groups = {name: _Table(self._path / table) for name, table in self._groups.items()}
        speakers = self._speakers()
        for place, utterance, text in keyed_lines(self._transcript_file()):
            recording, asked_at, span = utterance, place, None
            if segments is not None:
                asked_at, segment = segments.get(utterance, place)
                recording, span = _segment(segment, asked_at)
            entry_place, entry = recordings.get(recording, asked_at)
            if self._paths is not None and not fnmatchcase(entry, self._paths):
                continue
            if entry.endswith("|"):
                raise DataError(
                    f"{entry_place}: {entry!r} is a command, not a file, and is not run; "
                    "make the files (Kaldi: wav-copy) and name them in wav.scp"
                )
            yield (
                place,
                Sample(
                    utterance,
                    (folder.audio(entry, entry_place, span and span[1] - span[0], span),),
                    (self._reference(text),),
                    self._language,
                    {name: table.get(utterance, place)[1] for name, table in groups.items()},
                    clusters=_clusters(utterance, recording, speakers(utterance, entry, place)),
                ),
            )

    def _speakers(self) -> Callable[[str, str, str], str]:
        """Return what tells the speaker of an utterance by its key, its entry in ``wav.scp`` and its place."""
        if (self._path / _SPEAKERS).is_file():
            table = _Table(self._path / _SPEAKERS)
            return lambda utterance, _, place: table.get(utterance, place)[1]
        if (self._path / _UTTERANCES).is_file():
            lines = keyed_lines(self._path / _UTTERANCES)
            speaker_of = {utterance: speaker for _, speaker, rest in lines for utterance in rest.split()}
            return lambda utterance, _, __: speaker_of.get(utterance, utterance)
        if self._transcript_file().name == _AISHELL_2:
            return lambda utterance, entry, _: Path(entry).parent.name or utterance
        return lambda utterance, _, __: utterance

    def _reference(self, text: str) -> str:
        if self._remove:
            for mark in self._remove:
                text = text.replace(mark, "")
            text = " ".join(text.split())
        return join_characters(text) if self._join_characters else text

    def _transcript_file(self) -> Path:
        names = (self._transcript,) if self._transcript else _TRANSCRIPTS
        for name in names:
            if (self._path / name).is_file():
                return self._path / name
        raise DataError(f"{self._path}: no transcripts there ({' or '.join(names)}); transcript= names the file")


def _clusters(utterance: str, recording: str, speaker: str) -> dict[str, str]:
    """Return what an utterance shares with others; what is called as itself is shared with none."""
    labels = {"speaker": speaker, "recording": recording}
    return {field: label for field, label in labels.items() if label not in ("", utterance)}


def _segment(value: str, place: str) -> tuple[str, tuple[float, float]]:
    """Parse a line of ``segments`` after its key: the recording, and where in it the utterance begins and ends."""
    recording, *times = value.split()
    try:
        start, end = map(float, times)
    except ValueError:
        start, end = 1.0, 0.0
    if not 0 <= start < end < float("inf"):
        raise DataError(f"{place}: {value!r} is not of the form RECORDING START END, in seconds")
    return recording, (start, end)


class _Table:
    """One value per utterance, read in step with the caller's order; held in memory if the orders differ."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = keyed_lines(path)
        self._index: dict[str, tuple[str, str]] | None = None
        self._last: tuple[str, str, str] | None = None

    def get(self, utterance: str, asked_at: str) -> tuple[str, str]:
        """Return place and value of a key."""
        if self._last is not None and self._last[1] == utterance:  # one recording has many utterances
            return self._last[0], self._last[2]
        if self._index is None:
            self._last = next(self._lines, None)
            if self._last and self._last[1] == utterance:
                return self._last[0], self._last[2]
            self._last, self._index = None, self._read()
        if utterance not in self._index:
            raise DataError(f"{asked_at}: utterance {utterance!r} is not in {self._path}")
        return self._index[utterance]

    def _read(self) -> dict[str, tuple[str, str]]:
        index: dict[str, tuple[str, str]] = {}
        for place, key, value in keyed_lines(self._path):
            if key in index:
                raise DataError(f"{place}: {key!r} was already given at {index[key][0]}")
            index[key] = (place, value)
        return index
