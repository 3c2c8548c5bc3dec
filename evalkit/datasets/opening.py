"""One entry for configurations: a data set on this machine if it is there, else from the hub."""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.arguments import check_arguments
from evalkit.datasets.clustered_by_id import ClusteredById
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.hub import HubDataset
from evalkit.datasets.layouts.aishell import TRANSCRIPT, AishellFolder
from evalkit.datasets.layouts.common_voice import CommonVoiceFolder, is_common_voice
from evalkit.datasets.layouts.covost import TABLES, CovostFolder
from evalkit.datasets.layouts.cvss import CLIPS_OF_A_SPLIT, CvssFolder
from evalkit.datasets.layouts.fleurs import FleursFolder, is_fleurs
from evalkit.datasets.layouts.kaldi import KaldiFolder
from evalkit.datasets.layouts.lhotse import LhotseCuts, cut_files
from evalkit.datasets.layouts.librispeech import TRANSCRIPTS, LibriSpeechFolder
from evalkit.datasets.layouts.transcripts import TranscriptFile, find_transcript
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.tables import MANIFEST_SUFFIXES, table_suffix
from evalkit.errors import ConfigurationError, DataError, EvalkitError
from evalkit.hints import hint
from evalkit.object_store import address_of
from evalkit.types import Sample

_ELSEWHERE = "say where it lies with tasks.<name>.dataset.path= or data_root="


def open_dataset(
    path: str | Path | None = None,
    *,
    hub: Mapping[str, Any] | None = None,
    layout: str = "auto",
    language: str | None = None,
    cluster_by_id: Mapping[str, str] | None = None,
    **options: Any,
) -> Dataset:
    r"""Open a data set from ``path`` if something is there, else from the hub; it is read when it is iterated.

    Args:
        path: a manifest, or a folder with ``manifest.jsonl`` or ``metadata.jsonl`` (``.json``, ``.csv``, ``.tsv``) or
            ``data.list``; a Kaldi, AISHELL, LibriSpeech, Common Voice, FLEURS, CoVoST or CVSS folder; cuts of Lhotse; a
            parquet file, a folder of them, or a folder that ``save_to_disk`` wrote; or references alone, a ``.trn``
            file or Kaldi's ``text``.
        hub: arguments of ``HubDataset``; a ``path`` in a format of the hub takes columns and split from here.
        layout: of ``path``: ``manifest``, ``kaldi``, ``aishell``, ``librispeech``, ``common_voice``, ``fleurs``,
            ``lhotse``, ``covost``, ``cvss``, ``hub``, ``transcripts``, or ``auto``.
        language: of samples that do not name theirs.
        cluster_by_id: for a field of ``Sample.clusters`` the regular expression of an id, of which the first group is
            the label, such as ``{speaker: '(\d+)-.*'}``; for samples that the data set has no label for.
        **options: further arguments of the class that reads the layout of ``path``.

    Raises:
        ConfigurationError: there is neither ``path`` nor ``hub``, or the layout or an option is unknown.
    """
    if path is None and not hub:
        raise ConfigurationError("dataset: neither path= nor hub= says where the data is")
    _check_options(hub or {}, _options(HubDataset), "dataset hub")
    if hub and not hub.get("repository"):
        raise ConfigurationError("dataset hub: repository= is missing")
    if layout != "auto" and layout not in _LAYOUTS:
        raise ConfigurationError(
            f"dataset: no layout {layout!r}{hint(layout, _LAYOUTS)} (there are auto, {', '.join(_LAYOUTS)})"
        )
    readers = [reader for name, (reader, _) in _LAYOUTS.items() if layout in ("auto", name)]
    _check_options(options, {option for reader in readers for option in _options(reader)[1:]}, "dataset")
    if language is not None:
        options["language"] = language
    dataset = _LocalOrHub(None if path is None else Path(path).expanduser(), dict(hub or {}), layout, options)
    return ClusteredById(dataset, cluster_by_id) if cluster_by_id else dataset


class _LocalOrHub(Dataset):
    """Decides where its samples come from when they are first asked for."""

    def __init__(self, path: Path | None, hub: dict[str, Any], layout: str, options: dict[str, Any]) -> None:
        self._path = path
        self._hub = hub
        self._layout = layout
        self._options = options
        self._dataset: Dataset | None = None
        self.source = str(path or hub.get("repository"))

    @property
    def at_hand(self) -> bool:
        """Whether there is something at the local path; a hub's copy may have to be fetched."""
        return self._path is not None and self._path.exists()

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        if self._dataset is None:
            self._dataset = self._find()
            self.source = self._dataset.source
        yield from self._dataset._placed_samples()

    def _find(self) -> Dataset:
        if self._path is not None and self._path.exists():
            return self._local(self._path)
        if not self._hub:
            where = (self._path and address_of(self._path)) or self._path
            raise DataError(f"{where}: no such file or folder; put the data set there or {_ELSEWHERE}")
        language = {key: value for key, value in self._options.items() if key == "language"}
        dataset = HubDataset(**{**language, **self._hub})
        try:
            dataset.load()
        except EvalkitError as error:
            if self._path is None:
                raise
            raise DataError(f"{self._path}: no such file or folder ({_ELSEWHERE}), and {error}") from error
        return dataset

    def _local(self, path: Path) -> Dataset:
        for name, (reader, find) in _LAYOUTS.items():
            chosen = self._layout == name == "transcripts" and path.is_file()  # which no name has to tell
            if self._layout in ("auto", name) and (found := path if chosen else find(path)):
                options = dict(self._options)
                if reader is HubDataset:
                    remote = ("repository", "revision")
                    # What the hub's tables are like holds for a copy of them, whatever other forms have.
                    options |= {key: value for key, value in self._hub.items() if key not in remote}
                _check_options(options, _options(reader)[1:], f"{found}: a data set of layout {name}")
                check_arguments(reader, options, "dataset")
                return reader(found, **options)
        wanted = "a data set" if self._layout == "auto" else f"of layout {self._layout}"
        raise DataError(f"{path}: not recognised as {wanted} ({_remedy(path)})")


def _remedy(path: Path) -> str:
    """Say what to do about a path that is not recognised."""
    tables = (
        [file for file in sorted(path.iterdir()) if table_suffix(file) in MANIFEST_SUFFIXES] if path.is_dir() else []
    )
    if tables:
        return f"name the table itself, such as {tables[0]}, or call it manifest{table_suffix(tables[0])}"
    return f"see docs/data_sets.md for what is read, or {_ELSEWHERE}"


def _find_manifest(path: Path) -> Path | None:
    if path.is_file():
        special = cut_files(path) or is_common_voice(path)
        return path if table_suffix(path) in MANIFEST_SUFFIXES and not special else None
    names = (*(f"{stem}{suffix}" for stem in ("manifest", "metadata") for suffix in MANIFEST_SUFFIXES), "data.list")
    return next((file for name in names if (file := path / name).is_file()), None)


def _find_covost(path: Path) -> Path | None:
    """Return a folder with tables of CoVoST, or one of them, which is no manifest although it ends in ``.tsv``."""
    return path if path.is_file() and path.match(TABLES) else _holding(TABLES)(path)


def _find_table(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix.lower() == ".parquet" else None
    return _holding("dataset_dict.json", "state.json", "*.parquet", "*/*.parquet", "*/*/*.parquet")(path)


def _if(recognises: Callable[[Path], object]) -> Callable[[Path], Path | None]:
    """Return a finder that answers with the path it is given if that is recognised, else with None."""
    return lambda path: path if recognises(path) else None


def _holding(*patterns: str) -> Callable[[Path], Path | None]:
    """Return a finder that recognises a folder by a file in it."""
    return lambda path: path if any(next(path.glob(pattern), None) for pattern in patterns) else None


# For each layout its reader, and what gives the file or folder to read if a path is of that layout.
_LAYOUTS: Mapping[str, tuple[Callable[..., Dataset], Callable[[Path], Path | None]]] = {
    "covost": (CovostFolder, _find_covost),
    "manifest": (Manifest, _find_manifest),
    "common_voice": (CommonVoiceFolder, _if(is_common_voice)),
    "lhotse": (LhotseCuts, _if(cut_files)),
    "fleurs": (FleursFolder, _if(is_fleurs)),
    "kaldi": (KaldiFolder, _holding("wav.scp")),
    "aishell": (AishellFolder, _holding(TRANSCRIPT)),
    "librispeech": (LibriSpeechFolder, _holding(TRANSCRIPTS)),
    "cvss": (CvssFolder, _holding(CLIPS_OF_A_SPLIT)),
    "hub": (HubDataset, _find_table),
    "transcripts": (TranscriptFile, find_transcript),
}


def _options(reader: Callable[..., Dataset]) -> list[str]:
    """Return the parameter names of a reader; the first is the path."""
    return list(inspect.signature(reader).parameters)


def _check_options(options: Mapping[str, Any], known: Collection[str], what: str) -> None:
    for option in options:
        if option not in known:
            raise ConfigurationError(
                f"{what} has no option {option!r}{hint(option, known)} (there are {', '.join(sorted(known))})"
            )
