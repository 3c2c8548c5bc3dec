"""Folders on object stores, such as ``s3://bucket/runs/night``, and the copies of them that evalkit works on.

What lies on an object store can neither be appended to nor locked, so evalkit reads and writes a copy on this machine,
below ``objects`` of the cache folder, and brings the two into line: before something is read, and while and after
something is written. Whoever writes holds the folder by an object of the name ``.held``, which is made only where there
is none. fsspec speaks to the stores; credentials are found where its implementations look for them, and never stand in
an address.
"""

import fcntl
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from evalkit.errors import ConfigurationError, EvalkitError, StoreError, one_line
from evalkit.file_systems import cache_folder
from evalkit.object_mirror import HELD, Mirror

SECONDS_BETWEEN = 60.0
"""How often what is written is brought to the object store meanwhile."""

_ADDRESS = re.compile(r"(?!https?:|file:)([a-z][a-z0-9+]*)://(.+)", re.DOTALL)
_PAUSES = (1.0, 5.0, 15.0, 60.0, 60.0)  # before the last push is tried again
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
    with _in_our_words(address), _alone(path):
        folder = _mirror(address)
        if folder.fs.isfile(folder.root):
            folder = _mirror(address.rpartition("/")[0])
        if not any(_mirror(above).is_ahead() for above in _held_at_or_above(folder.path)):
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
        with _alone(path):
            folder = _mirror(address)
            is_new = folder.hold()
        if is_new:
            folder.settle()
    ended = threading.Event()
    pushing = threading.Thread(target=_push_now_and_then, args=(folder, ended), daemon=True, name="object store")
    pushing.start()
    try:
        yield
    finally:
        ended.set()
        pushing.join()
        _push_last(folder)
        with _in_our_words(address):
            folder.release()


def is_held(path: Path) -> bool:
    """Tell whether a process of any machine holds the folder whose copy a path is; of no other path.

    Raises:
        StoreError: the store cannot be reached.
    """
    address = address_of(path)
    if address is None:
        return False
    with _in_our_words(address):
        return _mirror(address).is_held()


def _mirror(address: str) -> Mirror:
    name = blake2b(address.rstrip("/").encode(), digest_size=12).hexdigest()
    return Mirror.of(address, copy_of(address), _indexes() / f"{name}.json")


def _held_at_or_above(path: Path) -> list[str]:
    """Return the addresses at and above that of a copy which were held here, and may be still."""
    places = [place for place in (path, *path.parents) if (place / HELD).is_file()]
    return [address for place in places if (address := address_of(place)) is not None]


def _indexes() -> Path:
    return cache_folder() / "objects" / ".index"


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Within the context, keep other processes of this machine from fetching anything of the bucket of a copy.

    Those that want the same then find it here, and none overwrites what another one has begun to write to.
    """
    bucket = path.relative_to(cache_folder() / "objects").parts[:2]
    _indexes().mkdir(parents=True, exist_ok=True)
    with (_indexes() / f"{'-'.join(bucket)}.lock").open("w") as file:
        with suppress(OSError):  # where files cannot be locked: each is in place once it is whole all the same
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _push_now_and_then(folder: Mirror, ended: threading.Event) -> None:
    while not ended.wait(SECONDS_BETWEEN):
        try:
            with _in_our_words(folder.address):
                folder.push(last=False)
        except EvalkitError as error:  # said once more, by the last push, if it stays so
            _log.warning("%s; tried again in a minute", error)


def _push_last(folder: Mirror) -> None:
    """Bring what is left to the store, waiting for one that is away for a while."""
    for pause in _PAUSES:
        try:
            with _in_our_words(folder.address):
                folder.push(last=True)
        except StoreError as error:
            if not _may_pass(error.__cause__):
                raise
            _log.warning("%s; tried again in %g seconds", error, pause)
            time.sleep(pause)
        else:
            return
    with _in_our_words(folder.address):
        folder.push(last=True)


def _may_pass(cause: BaseException | None) -> bool:
    """Tell whether what went wrong at a store may be over in a minute: not where it refuses, or lacks the bucket."""
    return cause is not None and not isinstance(cause, PermissionError | FileNotFoundError)


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
