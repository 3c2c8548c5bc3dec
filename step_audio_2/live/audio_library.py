"""A library of recordings with descriptions: searched by what they are like, by what is said, and by how they sound.

A folder holds it: ``manifest.jsonl`` has an object on each line, with ``recording`` (its file, relative to the folder),
``description``, ``language``, ``speaker`` and, where something is said, ``transcript``. The published assistant takes
the voices in which it speaks from such a library (section 3.1 of the technical report), which is not published.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from step_audio_2.live.text_index import TextIndex
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath

MANIFEST = "manifest.jsonl"

EmbedTexts = Callable[[Sequence[str]], Tensor]
"""Gives a vector for each text, [texts, size], such that those of like meaning have a high cosine."""


class LibraryError(ValueError):
    """A library that cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording of the library.

    Attributes:
        recording: its file.
        description: what it, or its voice, is like.
        language: that is spoken, a code; empty where nothing is said.
        speaker: who is heard.
        transcript: what is said.
    """

    recording: Path
    description: str
    language: str = ""
    speaker: str = ""
    transcript: str = ""


class AudioLibrary:
    """Finds recordings.

    Args:
        entries: that can be found.
        embed: finds descriptions by their meaning; without it they are found by their words.

    Raises:
        ImportError: bm25s is not installed.
    """

    def __init__(self, entries: Sequence[Entry], embed: EmbedTexts | None = None) -> None:
        self.entries = tuple(entries)
        self._embed = embed
        self._descriptions = TextIndex([f"{entry.description} {entry.speaker}" for entry in entries])
        self._transcripts = TextIndex([entry.transcript for entry in entries])
        self._vectors = _unit(embed([entry.description for entry in entries])) if embed and entries else None
        self._speakers: Tensor | None = None

    @classmethod
    def from_folder(cls, folder: Path, embed: EmbedTexts | None = None) -> "AudioLibrary":
        """Read a library.

        Raises:
            LibraryError: the manifest is missing or a line of it cannot be used, or a recording is missing.
            ImportError: bm25s is not installed.
        """
        return cls(read_manifest(folder), embed)

    def by_description(self, query: str, count: int = 1) -> list[Entry]:
        """Find the recordings whose description and speaker fit a query best, the best first."""
        if self._embed is None or self._vectors is None:
            return [self.entries[place] for place in self._descriptions.search(query, count)]
        return self._nearest(self._vectors @ _unit(self._embed([query]))[0], count)

    def by_transcript(self, query: str, count: int = 1) -> list[Entry]:
        """Find the recordings in which it is said."""
        return [self.entries[place] for place in self._transcripts.search(query, count)]

    def by_sound(self, voice: VoiceOrPath, token2wav: Token2Wav, count: int = 1) -> list[Entry]:
        """Find the recordings whose speakers sound most like a voice, by the embedding that speech is made with.

        The embeddings of the library are computed once, which takes a while.

        Raises:
            VoiceError: a recording of the library, or the one asked with, cannot be used.
        """
        if self._speakers is None:
            made = [token2wav.voice(entry.recording).speaker_embedding[0] for entry in self.entries]
            self._speakers = _unit(torch.stack(made)) if made else torch.empty(0, 192)
        return self._nearest(self._speakers @ _unit(token2wav.voice(voice).speaker_embedding)[0], count)

    def _nearest(self, scores: Tensor, count: int) -> list[Entry]:
        best = scores.argsort(descending=True, stable=True)[:count]
        return [self.entries[place] for place in best.tolist()]


def read_manifest(folder: Path) -> list[Entry]:
    """Read the manifest of a library's folder.

    Raises:
        LibraryError: it is missing or a line of it cannot be used, or a recording is missing.
    """
    path = folder / MANIFEST
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # alone: a text may hold what else parts lines
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError(f"{path}: cannot be read ({error})") from error
    return [_entry(folder, line, f"{path} line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _entry(folder: Path, line: str, place: str) -> Entry:
    known = [field.name for field in fields(Entry)]
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"{place}: is no JSON ({error})") from error
    if not isinstance(record, dict) or not all(isinstance(value, str) for value in record.values()):
        raise LibraryError(f"{place}: must be an object of texts")
    if unknown := sorted(record.keys() - set(known)):
        raise LibraryError(f"{place}: unknown key '{unknown[0]}'; known keys are {', '.join(known)}")
    for name in ("recording", "description"):
        if not record.get(name):
            raise LibraryError(f"{place}: lacks '{name}'")
    recording = folder / record.pop("recording")
    # os.path tells of any name, where a Path raises for one that no file can have.
    if not os.path.isfile(recording) or not recording.resolve().is_relative_to(folder.resolve()):
        raise LibraryError(f"{place}: there is no recording {recording.name:.80} in the library's folder")
    return Entry(recording, **record)


def _unit(vectors: Tensor) -> Tensor:
    return functional.normalize(vectors.float(), dim=-1)
