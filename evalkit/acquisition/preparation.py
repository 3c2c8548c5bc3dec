"""Getting a data set to where a task looks for it: from archives, from the hub, or by saying what to do by hand."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.acquisition.downloading import download
from evalkit.acquisition.hub_copy import copy_tables, fetch_files, write_manifest
from evalkit.acquisition.unpacking import ARCHIVE_SUFFIXES, Placement, unpack
from evalkit.datasets.tables import MANIFEST_SUFFIXES
from evalkit.errors import ConfigurationError, DataError
from evalkit.task import Task

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HubFiles:
    """Files of a hub repository that are taken as they are.

    Attributes:
        repository: its id on the hub, ``OWNER/NAME``.
        patterns: which of its files, by their paths, such as ``test/*.wav``.
        into: the folder they are put into, with their paths.
        revision: a commit, tag or branch; None for the newest.
    """

    repository: str
    patterns: tuple[str, ...]
    into: Path
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """A file at a plain URL.

    Attributes:
        url: http or https.
        into: the folder that a plain file belongs into; None for an archive, which is unpacked by the placements.
        sha256: of its content, if known.
    """

    url: str
    into: Path | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How a data set that is distributed in its own way gets its layout.

    Attributes:
        root: the folder that data sets lie in.
        placements: where the parts of its archives belong.
        hub_files: what of it to take from a hub repository.
        downloads: what of it lies at plain URLs; taken only when asked for.
        unpack: patterns, relative to ``root``, of archives that come out of archives or from the hub.
        by_hand: what to do where none of this is possible.
    """

    root: Path
    placements: tuple[Placement, ...] = ()
    hub_files: HubFiles | None = None
    downloads: tuple[Download, ...] = ()
    unpack: tuple[str, ...] = ()
    by_hand: str = ""

    @classmethod
    def from_config(cls, config: Mapping[str, Any], root: Path) -> "Acquisition":
        """Return what a file of ``configs/data_set`` says, its folders relative to ``root``."""
        files = config.get("hub_files")
        return cls(
            root,
            tuple(
                Placement(tuple(entry["members"]), root / entry["into"], entry.get("name", "*"))
                for entry in config.get("archives", ())
            ),
            files and HubFiles(files["repository"], tuple(files["patterns"]), root / files["into"]),
            tuple(
                Download(entry["url"], root / entry["into"] if "into" in entry else None, entry.get("sha256"))
                for entry in config.get("downloads", ())
            ),
            tuple(config.get("unpack", ())),
            str(config.get("by_hand", "")).strip(),
        )


def place_archives(archives: Sequence[Path], acquisitions: Sequence[Acquisition], say: Say) -> None:
    """Unpack archives of any of several data sets.

    Raises:
        DataError: one is of none of them, or cannot be unpacked.
    """
    if archives and acquisitions:
        with one_at_a_time(acquisitions[0].root, say):
            _place(archives, acquisitions, say)


def _place(archives: Sequence[Path], acquisitions: Sequence[Acquisition], say: Say) -> None:
    placements = list(dict.fromkeys(placement for acquisition in acquisitions for placement in acquisition.placements))
    for archive in archives:
        if not archive.is_file():
            raise DataError(f"{archive}: no such file")
        if not placements:
            raise DataError(f"{archive}: the data sets chosen come in no archive")
        folder, new = unpack(archive, placements)
        say(f"{archive}: {new:,} new files in {folder}")


def prepare(task: Task, dataset: Mapping[str, Any], acquisition: Acquisition, *, download_urls: bool, say: Say) -> None:
    """Get a task's data set to where it is read from, unless it is there; a call that broke off is continued.

    Args:
        task: that reads it.
        dataset: its configuration: ``path`` and ``hub`` are used, and the columns where ``path`` is a manifest.
        acquisition: what there is to do beyond the hub's tables.
        download_urls: whether plain URLs may be fetched.
        say: tells the user what is being done.

    Raises:
        DataError: the data set is not there, and what there was to do did not help.
    """
    at_hand: list[Callable[[], None]] = [lambda: _unpack_found(acquisition, say)]
    from_afar: list[Callable[[], None]] = []
    if download_urls and acquisition.downloads:
        from_afar = [lambda: _download(acquisition, say), *at_hand]
    elif acquisition.hub_files:
        from_afar = [lambda: _fetch(acquisition.hub_files, say), *at_hand]
    elif dataset.get("hub"):
        from_afar = [lambda: _copy_from_hub(dataset, say)]
    state = _state_of(task, dataset)
    if state.problem is None:
        say(f"{task.name}: is there already")
        if not state.partial:
            return
    with one_at_a_time(acquisition.root, say):
        state = _state_of(task, dataset)  # another process may have come first
        for number, step in enumerate([*at_hand, *from_afar]):
            # A part that was chosen is not to be made whole from afar; one that was left half unpacked is.
            if state.problem is None and not (state.partial and number < len(at_hand)):
                continue
            try:
                step()
            except DataError as error:
                if task.data_at_hand and state.problem:
                    raise DataError(f"{state.problem}; {error}") from error
                raise
            state = _state_of(task, dataset)
    if state.problem is not None:
        raise DataError(state.problem)


@contextmanager
def one_at_a_time(root: Path, say: Say) -> Iterator[None]:
    """Within the context, be the user's only process on this machine that puts data sets into a folder; may wait."""
    # Not in the folder itself, which may not be there yet, or may only be read.
    name = hashlib.blake2b(os.fsencode(root.absolute()), digest_size=8).hexdigest()
    path = Path(tempfile.gettempdir()) / f"evalkit-{os.getuid()}-{name}.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{root}: another process prepares data there; waiting until it is done")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@dataclass(frozen=True, slots=True)
class _State:
    """The first thing that keeps a data set from being read whole, if any, and whether samples are missing."""

    problem: str | None
    partial: bool = False


def _state_of(task: Task, dataset: Mapping[str, Any]) -> _State:
    if not task.data_at_hand:
        return _State(f"{Path(str(dataset.get('path') or '')).expanduser()}: no such file or folder")
    samples = 0
    try:
        for samples, sample in enumerate(task.samples(), 1):  # noqa: B007 - counts them
            for audio in sample.audio:
                if audio.path is not None and not audio.path.is_file():
                    return _State(f"{audio.path}: no such audio file")
    except DataError as error:
        return _State(str(error))
    return _State(None, task.expected_samples is not None and samples < task.expected_samples)


def _unpack_found(acquisition: Acquisition, say: Say) -> None:
    for archive in sorted({file for pattern in acquisition.unpack for file in acquisition.root.glob(pattern)}):
        folder, new = unpack(archive, acquisition.placements, otherwise=archive.parent)
        say(f"{archive}: {new:,} new files in {folder}")


def _download(acquisition: Acquisition, say: Say) -> None:
    for entry in acquisition.downloads:
        name = entry.url.rpartition("/")[2]
        if entry.into is None and not name.endswith(ARCHIVE_SUFFIXES):
            raise DataError(f"{entry.url}: neither an archive, nor said where to put it")
        file = (entry.into or acquisition.root / "downloads") / name
        say(f"{entry.url}: to {file}")
        download(entry.url, file, sha256=entry.sha256)
        if entry.into is None:
            _place([file], [acquisition], say)


def _fetch(files: HubFiles | None, say: Say) -> None:
    if files is not None:
        say(f"{files.repository}: {', '.join(files.patterns)} to {files.into}")
        fetch_files(files.repository, files.patterns, files.into, files.revision)


def _copy_from_hub(dataset: Mapping[str, Any], say: Say) -> None:
    if not dataset.get("path"):
        raise ConfigurationError("dataset.path is null: say where the data set is to go, or give data_root=")
    path = Path(str(dataset["path"])).expanduser()
    hub = dataset["hub"]
    say(f"{hub['repository']}: to {path}")
    if path.suffix.lower() in MANIFEST_SUFFIXES:
        write_manifest(hub, path, dataset)
    else:
        copy_tables(hub, path)
