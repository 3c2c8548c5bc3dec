"""Unpacking the archives that data sets come in. What they hold is untrusted, what lies on disk is kept."""

import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO

from evalkit.errors import DataError

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_CHUNK_BYTES = 1 << 20
_MOST_MEMBERS = 20_000_000
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the parts of an archive belong.

    Attributes:
        members: names of files or folders that lie side by side somewhere in the archive; they alone are unpacked.
        into: the folder that they are put into.
        name: pattern of the archive's file name, where ``members`` do not tell it from others.
    """

    members: tuple[str, ...]
    into: Path
    name: str = "*"


@dataclass(frozen=True, slots=True)
class _Member:
    """One file of an archive."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, placements: Sequence[Placement], *, otherwise: Path | None = None) -> tuple[Path, int]:
    """Unpack the part of an archive that the first fitting placement names.

    A file that is there already stays; an interrupted call leaves whole files only, and the next goes on from there.

    Args:
        archive: a tar file, compressed or not, or a zip file.
        placements: of which the first is taken whose members are all in the archive.
        otherwise: where to put everything if none fits.

    Returns:
        The folder, and how many files were new.

    Raises:
        DataError: the archive cannot be read, fits no placement, would write outside the folder, holds links or other
            than plain files, has another content than a file that is there already, or needs more space than there is.
    """
    with _opened(archive) as members:
        for placement in placements:
            prefix = _place_of(placement.members, members)
            if prefix is not None and fnmatch(archive.name, placement.name):
                wanted, into, depth = set(placement.members), placement.into, len(prefix)
                break
        else:
            if otherwise is None:
                known = "; or ".join(" and ".join(placement.members) for placement in placements)
                raise DataError(f"{archive}: not an archive of this data set, which would hold {known or 'anything'}")
            wanted, into, prefix, depth = set(), otherwise, (), 0
        chosen = [
            (into.joinpath(*member.path.parts[depth:]), member)
            for member in members
            if len(member.path.parts) > depth
            and member.path.parts[:depth] == prefix
            and (not wanted or member.path.parts[depth] in wanted)
        ]
        _check_collisions(archive, [file for file, _ in chosen])
        try:
            _check_space(archive, into, sum(member.size for file, member in chosen if not file.exists()))
            return into, sum(_write(archive, member, file) for file, member in chosen)
        except OSError as error:
            raise DataError(f"{archive}: cannot be unpacked into {into} ({error.strerror or error})") from error


@contextmanager
def _opened(archive: Path) -> Iterator[list[_Member]]:
    """Return the files of an archive, all of which are harmless to unpack."""
    try:
        # Tar first: one that is not compressed and ends in a zip file would pass for that.
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tarred:
                yield [_tarred(archive, tarred, info) for info in _members(tarred) if not info.isdir()]
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                yield [_zipped(archive, zipped, info) for info in zipped.infolist() if not info.is_dir()]
        else:
            raise DataError(f"{archive}: neither a tar nor a zip file, or one that is damaged")
    except _DAMAGE as error:
        raise DataError(f"{archive}: damaged or cut short ({error}); download it again") from error
    except NotImplementedError as error:
        raise DataError(f"{archive}: {error}; unpack it by hand") from error
    except OSError as error:
        raise DataError(f"{archive}: cannot be read ({error.strerror or error})") from error


def _members(tarred: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar file, each of which has to begin behind the one before it.

    Pythons before July 2025 read one of negative size, which leads back to where it began, for ever.
    """
    end = -1
    for number, info in enumerate(tarred):
        if info.size < 0 or info.offset <= end or number >= _MOST_MEMBERS:
            raise tarfile.ReadError(f"a member {info.name!r} of {info.size} bytes at {info.offset}")
        end = info.offset
        yield info


def _zipped(archive: Path, zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise DataError(f"{archive}: {info.filename!r} is a link or no plain file; nothing was unpacked")
    if info.flag_bits & 1:
        raise DataError(f"{archive}: {info.filename!r} is encrypted; unpack it by hand")
    return _Member(_harmless(archive, info.filename), info.file_size, lambda: zipped.open(info))


def _tarred(archive: Path, tarred: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    if not info.isreg():
        raise DataError(f"{archive}: {info.name!r} is a link or no plain file; nothing was unpacked")

    def opened() -> IO[bytes]:
        content = tarred.extractfile(info)
        assert content is not None  # noqa: S101 - a regular file has content
        return content

    try:
        tarfile.data_filter(info, ".")
    except tarfile.FilterError as error:
        raise DataError(f"{archive}: {error}; nothing was unpacked") from error
    return _Member(_harmless(archive, info.name), info.size, opened)


def _harmless(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or path.parts[0].endswith(":"):
        raise DataError(f"{archive}: {name!r} leads out of the archive; nothing was unpacked")
    return path


def _place_of(names: Sequence[str], members: Sequence[_Member]) -> tuple[str, ...] | None:
    """Return the outermost folder of an archive in which all the names lie side by side."""
    holders: dict[tuple[str, ...], set[str]] = {}
    for member in members:
        for depth, part in enumerate(member.path.parts):
            if part in names:
                holders.setdefault(member.path.parts[:depth], set()).add(part)
    complete = (folder for folder, held in holders.items() if held == set(names))
    return min(complete, key=len, default=None)


def _check_collisions(archive: Path, files: Sequence[Path]) -> None:
    """Refuse members of which one would be written over, or into, another.

    Raises:
        DataError: there are such.
    """
    there = set(files)
    for file in files:
        if _unfinished(file) in there or any(folder in there for folder in file.parents):
            raise DataError(f"{archive}: holds {file} beside a file that it would overwrite; nothing was unpacked")
    if len(there) < len(files):
        twice = next(file for file in files if files.count(file) > 1)
        raise DataError(f"{archive}: holds {twice} twice; nothing was unpacked")


def _unfinished(file: Path) -> Path:
    return file.with_name(f".{file.name}.part")


def _check_space(archive: Path, into: Path, needed: int) -> None:
    into = into.absolute()
    free = shutil.disk_usage(next(folder for folder in (into, *into.parents) if folder.exists())).free
    if needed > free:
        raise DataError(f"{archive}: needs {needed / 1e9:.1f} GB in {into}, where {free / 1e9:.1f} GB are free")


def _write(archive: Path, member: _Member, file: Path) -> bool:
    """Write one file, whole or not at all; False if it was there already."""
    if file.exists():
        if not file.is_file() or file.stat().st_size != member.size or not _same(member, file):
            raise DataError(f"{file}: is there already and differs from {member.path} in {archive}; move it away")
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _unfinished(file)
    with member.open() as content, unfinished.open("wb") as target:
        left = member.size
        while chunk := content.read(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:  # a packed file that is larger than the archive says, and may not end
                raise zipfile.BadZipFile(f"{member.path} is longer than {member.size:,} bytes")
            target.write(chunk)
    if left:
        raise EOFError(f"{member.path} is shorter than {member.size:,} bytes")
    os.replace(unfinished, file)
    return True


def _same(member: _Member, file: Path) -> bool:
    with member.open() as content, file.open("rb") as there:
        while chunk := content.read(_CHUNK_BYTES):
            if chunk != there.read(len(chunk)):
                return False
    return True
