"""A folder on an object store and its copy on this machine, brought into line in either direction.

Whoever writes to the folder holds it: the object ``.held`` says who, and is made only where there is none. A file of
the same name in the copy, with the token of that hold, says that the copy is ahead of the store, and is not to be
overwritten by what is there.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Any

from evalkit.errors import StoreError
from evalkit.process_identity import ProcessIdentity

HELD = ".held"

SECONDS_TO_SETTLE = 1.0
"""How long whoever takes a folder waits before it looks whether another one took it at the same moment."""

_BATCH = 256  # files that are under way at once
_TAGS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")
_ONLY_APPENDED_TO = (".jsonl", ".log")
# Stores that append to an object without being sent again what it holds. S3 copies that, in a part of 5 MiB to 5 GiB.
_APPENDING = frozenset({"s3", "s3a"})
_LEAST_APPENDED_TO = 8 << 20
_MOST_APPENDED_TO = 5 << 30


@dataclass(slots=True)
class _Known:
    """A file as it was when copy and store were last in line: its tag there, its size and time here.

    The tag is empty from when the file was sent until the store was asked for it.
    """

    tag: str
    size: int
    time: int


@dataclass(slots=True)
class Mirror:
    """A folder on an object store and its copy.

    Attributes:
        address: of the folder.
        path: of the copy.
        index: the file that keeps which files were in line.
        fs: the store, as fsspec has it.
        root: of the folder within the store.
        known: the files that were in line.
        sent: of the logs that this process brought to the store, the inode.
        unkept: how many files the index lacks.
    """

    address: str
    path: Path
    index: Path
    fs: Any
    root: str
    known: dict[str, _Known] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    unkept: int = 0

    @classmethod
    def of(cls, address: str, path: Path, index: Path) -> "Mirror":
        """Return the folder at an address, with what its index tells."""
        from fsspec.core import url_to_fs

        fs, root = url_to_fs(address)
        mirror = cls(address, path, index, fs, str(root).rstrip("/"))
        if index.is_file():
            content = json.loads(index.read_text(encoding="utf-8"))
            mirror.known = {name: _Known(**known) for name, known in content.items()}
        return mirror

    def is_ahead(self) -> bool:
        """Tell whether the copy is ahead of the store: a process of this machine holds the folder, or did as it ended.

        One whose hold was taken from it on the store is not, nor is a copy that was deleted and fetched again.
        """
        token = self._token_here()
        return token is not None and token == self._holder().get("token")

    def is_held(self) -> bool:
        """Tell whether a process holds the folder, on this machine or another, which is not known to be gone."""
        holder = self._holder()
        return bool(holder) and not self._was_left(holder)

    def hold(self) -> bool:
        """Take the folder, bring the copy into line with it unless it is ahead, and tell whether nobody had it before.

        Of one that nobody had before, ``settle`` then tells whether it really is this process's.

        Raises:
            StoreError: another process holds it.
        """
        token = secrets.token_hex(8)
        try:
            self.fs.invalidate_cache()
            if self.fs.exists(f"{self.root}/{HELD}"):  # asked first, as some stores make it where it is as well
                raise FileExistsError
            self._write_holder(token, mode="create")
            is_new = True
        except OSError as error:  # not every library makes a FileExistsError of what the store says
            holder = self._holder()
            if not holder and not isinstance(error, FileExistsError):
                raise
            is_new = holder.get("token") == token  # made by an attempt whose answer was lost
            if not is_new:
                token = self._take_over(token, holder)
        if self._token_here() == token:
            return is_new
        try:
            self.pull()
            _write(self.path / HELD, token)
        except BaseException:
            self._give_back(token)
            raise
        return is_new

    def settle(self) -> None:
        """Wait for a moment, and see that nobody else took the folder as well; of several the last one has it.

        Two can take it only where a store makes an object though there is one.

        Raises:
            StoreError: another process has it.
        """
        try:
            time.sleep(SECONDS_TO_SETTLE)
            if not self.is_ahead():
                raise self._in_use(self._holder())
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others have the folder."""
        self._give_back(self._token_here())

    def pull(self) -> None:
        """Fetch what is new or other on the store, and remove here what is gone from there.

        A folder within it whose copy is ahead stays as it is. Each file is in place once it is whole, as others may be
        reading the one before.
        """
        listing = self._listing()
        ahead = tuple(
            f"{folder}/"
            for name in listing
            if name.endswith(f"/{HELD}") and self._within(folder := name.removesuffix(f"/{HELD}")).is_ahead()
        )
        there = {name: tag for name, tag in listing.items() if not _is_hold(name) and not name.startswith(ahead)}
        wanted = [name for name, tag in there.items() if not self._is_in_line(name, tag)]
        for names in _batches(wanted):
            unfinished = [self.path / f"{name}.unfinished" for name in names]
            for path in unfinished:
                path.parent.mkdir(parents=True, exist_ok=True)
            self.fs.get([f"{self.root}/{name}" for name in names], [str(path) for path in unfinished])
            for name, path in zip(names, unfinished, strict=True):
                path.replace(self.path / name)
                status = (self.path / name).stat()
                self._note(name, there[name], status.st_size, status)
            self._keep_now_and_then()
        for name in [name for name in self.known if name not in there and not name.startswith(ahead)]:
            (self.path / name).unlink(missing_ok=True)
            del self.known[name]
        (self.path / HELD).unlink(missing_ok=True)  # of a hold that ended on the store
        self._keep()

    def push(self, *, last: bool) -> None:
        """Bring what is new or other here to the store, and remove there what is gone from here.

        Of a log that this process brought there before, what was added since is sent alone where the store can append.
        A folder within it that another process holds is left to that one, and so is a file that was fetched, has not
        changed since, and is another one there by now.

        Args:
            last: whether to see that all of it is there, and to send again what is not.

        Raises:
            StoreError: the folder is not held any more, or the copy was deleted.
        """
        self._refuse_lost_hold()
        here, others = self._files()
        for names in _batches([name for name, status in here.items() if self._has_changed(name, status)]):
            self._send(names, here)
            self._keep_now_and_then()
        for name in [name for name in self.known if name not in here and not name.startswith(others)]:
            with suppress(FileNotFoundError):  # somebody else removed it
                self.fs.rm_file(f"{self.root}/{name}")
            del self.known[name]
        if last:
            there = self._listing()
            lost = [name for name in here if not self._is_there(name, there)]
            for names in _batches(lost):
                self._put(names, here)
            there = self._listing() if lost else there
            for name in here:
                self.known[name].tag = self.known[name].tag or there.get(name, "")
            self._keep()

    def _refuse_lost_hold(self) -> None:
        token = self._token_here()
        if token is None:
            raise StoreError(f"{self.address}: its copy at {self.path} was deleted, and nothing more is sent")
        if token != self._holder().get("token"):
            raise StoreError(
                f"{self.address}: is not held by this process any more, as {HELD} was deleted there or is another's; "
                f"what was written since is in {self.path} alone"
            )

    def _send(self, names: Sequence[str], here: Mapping[str, os.stat_result]) -> None:
        appended = [name for name in names if self._can_append(name, here[name])]
        for name in appended:
            self._append(name, here[name])
        self._put([name for name in names if name not in appended], here)

    def _put(self, names: Sequence[str], here: Mapping[str, os.stat_result]) -> None:
        """Send files whole."""
        self.fs.put([str(self.path / name) for name in names], [f"{self.root}/{name}" for name in names])
        for name in names:
            size = here[name].st_size
            if self._is_long_log(name, size):
                size = self._size_there(name)  # it may have grown as it was sent
                self.sent[name] = here[name].st_ino
            # Its time is that of before: what was added to it since is sent the next time.
            self._note(name, "", size, here[name])

    def _can_append(self, name: str, status: os.stat_result) -> bool:
        """Tell whether the beginning of a log is there as it is here, in whole lines, which nobody changes any more."""
        if not self._is_long_log(name, status.st_size) or self.sent.get(name) != status.st_ino:
            return False
        size = self.known[name].size
        if not size:
            return False
        with (self.path / name).open("rb") as file:
            file.seek(size - 1)
            return file.read(1) == b"\n" and self._size_there(name) == size

    def _append(self, name: str, status: os.stat_result) -> None:
        """Send the whole lines of a log that the store lacks."""
        size = self.known[name].size
        with (self.path / name).open("rb") as file:
            file.seek(size)
            added = file.read(status.st_size - size)
        added = added[: added.rfind(b"\n") + 1]
        inode = self.sent.pop(name)  # if this fails it is sent whole the next time
        if added:
            with self.fs.open(f"{self.root}/{name}", "ab") as file:
                file.write(added)
        self.sent[name] = inode
        self._note(name, "", size + len(added), status)

    def _is_long_log(self, name: str, size: int) -> bool:
        return (
            name.endswith(_ONLY_APPENDED_TO)
            and self.address.partition("://")[0] in _APPENDING
            and _LEAST_APPENDED_TO <= size < _MOST_APPENDED_TO
        )

    def _size_there(self, name: str) -> int:
        """Return the bytes of an object; 0 of one that somebody removed."""
        self.fs.invalidate_cache()
        try:
            return int(self.fs.info(f"{self.root}/{name}")["size"])
        except FileNotFoundError:
            return 0

    def _files(self) -> tuple[dict[str, os.stat_result], tuple[str, ...]]:
        """Return the files of the copy that are for others too, and the folders in it that another process holds."""
        files, others = {}, []
        for place, folders, names in os.walk(self.path):
            way = "" if Path(place) == self.path else f"{Path(place).relative_to(self.path).as_posix()}/"
            if way and HELD in names:
                others.append(way)
                folders.clear()
                continue
            for name in names:
                # What is renamed or removed at this moment is found the next time.
                with suppress(FileNotFoundError):
                    status = os.lstat(os.path.join(place, name))
                    if S_ISREG(status.st_mode) and not _is_of_this_machine(name):
                        files[f"{way}{name}"] = status
        return files, tuple(others)

    def _within(self, folder: str) -> "Mirror":
        return replace(self, address=f"{self.address}/{folder}", path=self.path / folder, root=f"{self.root}/{folder}")

    def _take_over(self, token: str, holder: Mapping[str, Any]) -> str:
        """Take the folder from a process of this machine that is gone, and return the token of the hold."""
        if not self._was_left(holder):
            raise self._in_use(holder) from None
        # What a process of this machine left unfinished is here, and more of it than there.
        if self.is_ahead():
            token = str(holder.get("token"))
        self._write_holder(token)
        return token

    def _was_left(self, holder: Mapping[str, Any]) -> bool:
        """Tell whether a hold is known to be that of a process which is gone, and wrote to this copy."""
        owner = _owner(holder)
        return owner is not None and owner.is_known_to_be_gone() and holder.get("copy") == str(self.path)

    def _give_back(self, token: str | None) -> None:
        if token is not None and token == self._holder().get("token"):  # else it is another's by now
            self.fs.rm_file(f"{self.root}/{HELD}")
        (self.path / HELD).unlink(missing_ok=True)

    def _in_use(self, holder: Mapping[str, Any]) -> StoreError:
        return StoreError(
            f"{self.address}: is being written to by {_owner(holder) or 'nobody knows whom'} since "
            f"{holder.get('since')}; if that has ended, delete {self.address}/{HELD}"
        )

    def _write_holder(self, token: str, **how: str) -> None:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"copy": str(self.path), "since": since, "token": token}
        content = json.dumps({**asdict(ProcessIdentity.this_process()), **record})
        self.fs.pipe_file(f"{self.root}/{HELD}", content.encode(), **how)

    def _holder(self) -> dict[str, Any]:
        """Return what is said on the store of who holds the folder; nothing where nobody does."""
        try:
            content = json.loads(self.fs.cat_file(f"{self.root}/{HELD}"))
        except (FileNotFoundError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _token_here(self) -> str | None:
        try:
            return (self.path / HELD).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def _listing(self) -> dict[str, str]:
        """Return the tag of every file, which is another one once its content is."""
        self.fs.invalidate_cache()
        found: Mapping[str, Mapping[str, Any]] = self.fs.find(self.root, detail=True)
        listing = {}
        for path, about in found.items():
            name = path.removeprefix(self.root).removeprefix("/")
            if not name or name.endswith("/"):
                continue  # an object that stands for a folder, as consoles of stores make them
            if ".." in PurePosixPath(name).parts:
                raise StoreError(f"{self.address}: holds the name '{name}', which leads out of the folder")
            tag = next((about[key] for key in _TAGS if about.get(key)), "")
            listing[name] = f"{tag} {about.get('size')}"
        return listing

    def _is_there(self, name: str, there: Mapping[str, str]) -> bool:
        """Tell whether a file arrived. What was only fetched and is another one there by now is somebody else's."""
        known = self.known[name]
        return name in there and (bool(known.tag) or there[name].endswith(f" {known.size}"))

    def _is_in_line(self, name: str, tag: str) -> bool:
        known = self.known.get(name)
        if known is None or known.tag != tag or not (self.path / name).is_file():
            return False
        return not self._has_changed(name, (self.path / name).stat())

    def _has_changed(self, name: str, status: os.stat_result) -> bool:
        known = self.known.get(name)
        return known is None or (known.size, known.time) != (status.st_size, status.st_mtime_ns)

    def _note(self, name: str, tag: str, size: int, status: os.stat_result) -> None:
        self.known[name] = _Known(tag, size, status.st_mtime_ns)
        self.unkept += 1

    def _keep_now_and_then(self) -> None:
        """Write the index once there is as much to it that all its writings take no more than a few of it whole."""
        if self.unkept >= max(_BATCH, len(self.known) // 4):
            self._keep()

    def _keep(self) -> None:
        content = json.dumps({name: asdict(known) for name, known in self.known.items()})
        _write(self.index, content)
        self.unkept = 0


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _BATCH] for start in range(0, len(names), _BATCH))


def _write(path: Path, text: str) -> None:
    """Write a text file at once, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _owner(holder: Mapping[str, Any]) -> ProcessIdentity | None:
    return ProcessIdentity.read(json.dumps(holder).encode())


def _is_hold(name: str) -> bool:
    return PurePosixPath(name).name == HELD


def _is_of_this_machine(name: str) -> bool:
    """Tell whether a file means something here alone: those of holds and locks, and what is not written yet."""
    return name == HELD or name.startswith(".lock") or name.endswith(".unfinished")
