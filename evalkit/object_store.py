"""Folders on object stores, such as ``s3://bucket/runs/night``, and the copies of them that evalkit works on.

What lies on an object store can neither be appended to nor locked, so evalkit reads and writes a copy on this machine,
below ``objects`` of the cache folder, and brings the two into line: before something is read, and while and after
something is written. Whoever writes holds the folder by an object of the name ``.held``, which is made only where there
is none. fsspec speaks to the stores; credentials are found where its implementations look for them, and never stand in
an address.
"""

import json
import logging
import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any

from evalkit.errors import ConfigurationError, EvalkitError, StoreError, one_line
from evalkit.file_systems import cache_folder
from evalkit.process_identity import ProcessIdentity

HELD = ".held"
SECONDS_BETWEEN = 60.0
"""How often what is written is brought to the object store meanwhile."""

_ADDRESS = re.compile(r"(?!https?:|file:)([a-z][a-z0-9+]*)://(.+)", re.DOTALL)
_BATCH = 256  # files that are under way at once
_TAGS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")
_log = logging.getLogger("evalkit")


def is_address(text: str) -> bool:
    """Tell whether a text is the address of something on an object store, and no path."""
    return _ADDRESS.fullmatch(text) is not None


def copy_of(address: str) -> Path:
    """Return where the copy of an address lies on this machine, whether or not it is there.

    Raises:
        ConfigurationError: it is no address that can be copied, or holds credentials.
    """
    match = _ADDRESS.fullmatch(address)
    parts = [part for part in match[2].split("/") if part] if match else []
    if match is None or not parts or {".", ".."} & set(parts):
        raise ConfigurationError(f"{address}: is no address of a folder on an object store, such as s3://bucket/runs")
    if "@" in parts[0]:
        raise ConfigurationError(
            f"{match[1]}://…@{parts[0].rpartition('@')[2]}: an address must hold no credentials; put them where the "
            "library of the store looks for them, such as the environment"
        )
    return cache_folder() / "objects" / match[1] / Path(*parts)


def address_of(path: Path) -> str | None:
    """Return the address whose copy a path is; None for any other path."""
    place = cache_folder() / "objects"
    if not path.is_relative_to(place):
        return None
    protocol, *parts = path.relative_to(place).parts
    return f"{protocol}://{'/'.join(parts)}" if parts else None


def fetched(address: str) -> Path:
    """Return the copy of a folder, or of a file with all that lies beside and below it, in line with what is there.

    A folder that a process of this machine is writing to is taken as it stands here, which is ahead of the store.

    Raises:
        ConfigurationError: it is no address that can be copied, or the library for its store is missing.
        StoreError: the store cannot be reached or read, or this machine not written to.
    """
    path = copy_of(address)
    with _in_our_words(address):
        folder = _Mirror.of(address)
        if folder.fs.isfile(folder.root):
            folder = _Mirror.of(address.rpartition("/")[0])
        if not folder.is_held_here():
            folder.pull()
    return path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Within the context, hold the folder whose copy a path is, and have what is written to it brought there.

    Nothing happens for a path that is no copy.

    Args:
        path: of a run folder.

    Raises:
        StoreError: another process holds the folder, or the store cannot be reached.
    """
    address = address_of(path)
    if address is None:
        yield
        return
    with _in_our_words(address):
        folder = _Mirror.of(address)
        # What a process of this machine left unfinished is here, and more of it than there.
        if not folder.hold():
            folder.pull()
            folder.write_holder(is_ahead=True)
    ended = threading.Event()
    pushing = threading.Thread(target=_push_now_and_then, args=(folder, ended), daemon=True, name="object store")
    pushing.start()
    try:
        yield
    finally:
        ended.set()
        pushing.join()
        with _in_our_words(address):
            folder.push()
            folder.release()


def _push_now_and_then(folder: "_Mirror", ended: threading.Event) -> None:
    while not ended.wait(SECONDS_BETWEEN):
        try:
            with _in_our_words(folder.address):
                folder.push()
        except EvalkitError as error:  # said once more, by the last push, if it stays so
            _log.warning("%s; tried again in a minute", error)


@contextmanager
def _in_our_words(address: str) -> Iterator[None]:
    """Raise what the library of a store raises as one line that names the address."""
    try:
        yield
    except EvalkitError:
        raise
    except ImportError as error:
        raise ConfigurationError(f"{address}: {one_line(error)} (s3fs is for s3://, gcsfs for gs://)") from error
    except Exception as error:  # every store's library has errors of its own
        raise StoreError(f"{address}: {type(error).__name__}: {one_line(error)}") from error


@dataclass(slots=True)
class _Known:
    """A file as it was when copy and store were last in line: its tag there, its size and time here."""

    tag: str
    size: int
    time: int


@dataclass(slots=True)
class _Mirror:
    """A folder on an object store and its copy.

    Attributes:
        address: of the folder.
        path: of the copy.
        fs: the store, as fsspec has it.
        root: of the folder within the store.
        known: the files that were in line.
    """

    address: str
    path: Path
    fs: Any
    root: str
    known: dict[str, _Known] = field(default_factory=dict)

    @classmethod
    def of(cls, address: str) -> "_Mirror":
        path = copy_of(address)
        from fsspec.core import url_to_fs

        fs, root = url_to_fs(address)
        mirror = cls(address, path, fs, str(root).rstrip("/"))
        if mirror._index.is_file():
            content = json.loads(mirror._index.read_text(encoding="utf-8"))
            mirror.known = {name: _Known(**known) for name, known in content.items()}
        return mirror

    @property
    def _index(self) -> Path:
        name = blake2b(self.address.rstrip("/").encode(), digest_size=12).hexdigest()
        return cache_folder() / "objects" / ".index" / f"{name}.json"

    def pull(self) -> None:
        """Fetch what is new or other on the store, and remove here what is gone from there."""
        there = self._listing()
        wanted = [name for name, tag in there.items() if not self._is_in_line(name, tag)]
        for start in range(0, len(wanted), _BATCH):
            names = wanted[start : start + _BATCH]
            for name in names:
                (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            self.fs.get([f"{self.root}/{name}" for name in names], [str(self.path / name) for name in names])
            self._note({name: there[name] for name in names})
        for name in set(self.known) - set(there):
            (self.path / name).unlink(missing_ok=True)
            del self.known[name]
        self._keep()

    def push(self) -> None:
        """Bring what is new or other here to the store, and remove there what is gone from here."""
        here = {
            path.relative_to(self.path).as_posix(): path.stat()
            for path in self.path.rglob("*")
            if path.is_file() and not path.is_symlink() and not _is_of_this_machine(path.name)
        }
        changed = [name for name, status in here.items() if self._has_changed(name, status)]
        for start in range(0, len(changed), _BATCH):
            names = changed[start : start + _BATCH]
            self.fs.put([str(self.path / name) for name in names], [f"{self.root}/{name}" for name in names])
        if gone := [name for name in self.known if name not in here]:
            self.fs.rm([f"{self.root}/{name}" for name in gone])
            for name in gone:
                del self.known[name]
        if changed:
            there = self._listing()
            for name in changed:
                # As it was before it was sent: what was added to it since is sent the next time.
                self.known[name] = _Known(there.get(name, ""), here[name].st_size, here[name].st_mtime_ns)
        self._keep()

    def hold(self) -> bool:
        """Take the folder, and tell whether the copy is ahead, as a process of this machine that is no more left it."""
        try:
            self.write_holder(is_ahead=False, mode="create")
        except FileExistsError:
            owner, holder = self._holder()
            if owner is not None and owner.is_known_to_be_gone() and holder.get("copy") == str(self.path):
                is_ahead = holder.get("is_ahead") is True
                self.write_holder(is_ahead=is_ahead)
                return is_ahead
            raise StoreError(
                f"{self.address}: is being written to by {owner or 'nobody knows whom'} since {holder.get('since')}; "
                f"if that has ended, delete {self.address}/{HELD}"
            ) from None
        return False

    def write_holder(self, *, is_ahead: bool, **how: str) -> None:
        """Say on the store that this process holds the folder, and whether its copy may be ahead of what is there."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"copy": str(self.path), "since": since, "is_ahead": is_ahead}
        content = json.dumps({**asdict(ProcessIdentity.this_process()), **record})
        self.fs.pipe_file(f"{self.root}/{HELD}", content.encode(), **how)

    def release(self) -> None:
        """Let others have the folder."""
        self.fs.rm_file(f"{self.root}/{HELD}")

    def is_held_here(self) -> bool:
        """Tell whether a process of this machine holds the folder, or held it when it ended."""
        owner, holder = self._holder()
        return owner is not None and (owner.host, holder.get("copy")) == (socket.gethostname(), str(self.path))

    def _holder(self) -> tuple[ProcessIdentity | None, Mapping[str, Any]]:
        """Return who holds the folder, and what else is said of that."""
        try:
            content: bytes = self.fs.cat_file(f"{self.root}/{HELD}")
        except FileNotFoundError:
            return None, {}
        owner = ProcessIdentity.read(content)
        return owner, json.loads(content) if owner is not None else {}

    def _listing(self) -> dict[str, str]:
        """Return the tag of every file, which is another one once its content is."""
        self.fs.invalidate_cache()
        found: Mapping[str, Mapping[str, Any]] = self.fs.find(self.root, detail=True)
        listing = {}
        for path, about in found.items():
            name = PurePosixPath(path).relative_to(PurePosixPath(self.root)).as_posix()
            if ".." in PurePosixPath(name).parts:
                raise StoreError(f"{self.address}: holds the name '{name}', which leads out of the folder")
            if name != HELD:
                tag = next((about[key] for key in _TAGS if about.get(key)), "")
                listing[name] = f"{tag} {about.get('size')}"
        return listing

    def _is_in_line(self, name: str, tag: str) -> bool:
        known = self.known.get(name)
        if known is None or known.tag != tag or not (self.path / name).is_file():
            return False
        return not self._has_changed(name, (self.path / name).stat())

    def _has_changed(self, name: str, status: os.stat_result) -> bool:
        known = self.known.get(name)
        return known is None or (known.size, known.time) != (status.st_size, status.st_mtime_ns)

    def _note(self, tags: Mapping[str, str]) -> None:
        for name, tag in tags.items():
            status = (self.path / name).stat()
            self.known[name] = _Known(tag, status.st_size, status.st_mtime_ns)
        self._keep()

    def _keep(self) -> None:
        self._index.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._index.with_suffix(f".{os.getpid()}.unfinished")
        unfinished.write_text(json.dumps({name: asdict(known) for name, known in self.known.items()}), encoding="utf-8")
        unfinished.replace(self._index)


def _is_of_this_machine(name: str) -> bool:
    """Tell whether a file means something here alone: those of a run folder's lock, and what is not written yet."""
    return name.startswith(".lock") or name.endswith(".unfinished")
