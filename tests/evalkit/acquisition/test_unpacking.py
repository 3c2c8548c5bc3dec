"""Archives as data sets come in, well-meant and not."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from evalkit.acquisition.unpacking import Placement, unpack
from evalkit.errors import DataError

FILES = {
    "LibriSpeech/README.TXT": b"read me",
    "LibriSpeech/test-clean/1/2/1-2.trans.txt": b"1-2-0000 HELLO\n",
    "LibriSpeech/test-clean/1/2/1-2-0000.flac": b"sound" * 1000,
}


def tar(path: Path, files: Mapping[str, bytes], mode: str = "w:gz", *more: tarfile.TarInfo) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in more:
            archive.addfile(info)
    return path


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


Pack = Callable[[Path, Mapping[str, bytes]], Path]


@pytest.mark.parametrize(
    ("make", "name"), [(tar, "a.tar.gz"), (zipped, "a.zip"), (lambda path, files: tar(path, files, "w"), "a.tar")]
)
def test_the_part_that_is_wanted_lands_where_it_belongs(tmp_path: Path, make: Pack, name: str) -> None:
    archive = make(tmp_path / name, FILES)
    into = tmp_path / "data" / "librispeech"
    placements = [Placement(("wav", "transcript"), tmp_path / "no"), Placement(("test-clean",), into)]
    assert unpack(archive, placements) == (into, 2)
    assert tree(tmp_path / "data") == {
        "librispeech/test-clean/1/2/1-2.trans.txt": b"1-2-0000 HELLO\n",
        "librispeech/test-clean/1/2/1-2-0000.flac": b"sound" * 1000,
    }
    assert unpack(archive, placements) == (into, 0)
    (into / "test-clean/1/2/1-2.trans.txt").unlink()
    assert unpack(archive, placements) == (into, 1)


def test_parts_side_by_side_are_found_at_the_outermost_place(tmp_path: Path) -> None:
    files = {"x/clips/1.mp3": b"1", "x/validated.tsv": b"v", "x/old/clips/2.mp3": b"2", "x/old/validated.tsv": b"w"}
    archive = tar(tmp_path / "zh-CN.tar.gz", {**files, "clips/3.mp3": b"3"})
    unpack(archive, [Placement(("clips", "validated.tsv"), tmp_path / "data")])
    assert tree(tmp_path / "data") == {"clips/1.mp3": b"1", "validated.tsv": b"v"}


def test_the_name_of_an_archive_may_decide(tmp_path: Path) -> None:
    files = {"test/1.wav": b"1", "test.tsv": b"t"}
    placements = [Placement(("test",), tmp_path / "t", "cvss_t_*"), Placement(("test",), tmp_path / "c")]
    assert unpack(tar(tmp_path / "cvss_t_zh.tar.gz", files), placements)[0] == tmp_path / "t"
    assert unpack(tar(tmp_path / "cvss_c_zh.tar.gz", files), placements)[0] == tmp_path / "c"


def test_an_archive_of_something_else_is_refused_or_unpacked_whole(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "other.zip", {"a/b.txt": b"b"})
    with pytest.raises(DataError, match="not an archive of this data set, which would hold clips and test.tsv"):
        unpack(archive, [Placement(("clips", "test.tsv"), tmp_path / "data")])
    assert unpack(archive, [], otherwise=tmp_path / "whole") == (tmp_path / "whole", 1)
    assert tree(tmp_path / "whole") == {"a/b.txt": b"b"}


@pytest.mark.parametrize("name", ["../evil", "wav/../../evil", "/tmp/evil", "wav/..", "C:\\evil", "..\\evil"])
@pytest.mark.parametrize("make", [tar, zipped])
def test_names_that_lead_out_are_refused_before_anything_is_written(tmp_path: Path, make: Pack, name: str) -> None:
    archive = make(tmp_path / "evil.zip", {"wav/good.wav": b"good", name: b"evil"})
    into = tmp_path / "inner" / "data"
    with pytest.raises(DataError, match="nothing was unpacked"):
        unpack(archive, [Placement(("wav",), into)])
    assert not (tmp_path / "inner").exists()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "evil",
    [
        link("wav/link", "/etc"),
        link("wav/link", "../../.."),
        link("wav/link", "good.wav"),
        link("wav/hard", "/etc/passwd", tarfile.LNKTYPE),
        link("wav/pipe", "", tarfile.FIFOTYPE),
        link("wav/device", "", tarfile.CHRTYPE),
    ],
    ids=lambda info: f"{info.name} {info.linkname}",
)
def test_links_and_devices_are_refused(tmp_path: Path, evil: tarfile.TarInfo) -> None:
    archive = tar(tmp_path / "evil.tar", {"wav/good.wav": b"good"}, "w", evil)
    with pytest.raises(DataError, match=r"is a link or no plain file; nothing was unpacked"):
        unpack(archive, [Placement(("wav",), tmp_path / "data")])
    assert not (tmp_path / "data").exists()


def test_a_link_in_a_zip_file_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        info = zipfile.ZipInfo("wav/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"'wav/link' is a link"):
        unpack(tmp_path / "evil.zip", [Placement(("wav",), tmp_path / "data")])


def test_a_different_file_is_kept(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"wav/1.wav": b"new", "wav/2.wav": b"two"})
    (tmp_path / "wav").mkdir()
    (tmp_path / "wav" / "1.wav").write_bytes(b"old")
    with pytest.raises(DataError, match=r"1\.wav: is there already and differs from wav/1\.wav in .*move it away"):
        unpack(archive, [Placement(("wav",), tmp_path)])
    assert (tmp_path / "wav" / "1.wav").read_bytes() == b"old"


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    placements = [Placement(("wav",), tmp_path / "data")]
    whole = tar(tmp_path / "whole.tar.gz", {f"wav/{n}.wav": bytes(range(256)) * 99 * n for n in range(1, 9)})
    (tmp_path / "cut.tar.gz").write_bytes(whole.read_bytes()[:-200])
    (tmp_path / "text.zip").write_text("not an archive")
    for name, complaint in [("cut.tar.gz", "damaged or cut short"), ("text.zip", "neither a tar nor a zip file")]:
        with pytest.raises(DataError, match=rf"{name}: .*{complaint}"):
            unpack(tmp_path / name, placements)
    content = bytearray(zipped(tmp_path / "a.zip", {"wav/1.wav": b"sound" * 100}).read_bytes())
    content[60] ^= 1
    (tmp_path / "flipped.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"flipped\.zip: damaged or cut short \(Bad CRC-32"):
        unpack(tmp_path / "flipped.zip", placements)
    assert not (tmp_path / "data" / "wav" / "1.wav").exists()


def test_what_does_not_fit_on_the_disk_is_not_begun(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "huge.zip", "w") as archive:
        archive.writestr("wav/huge.wav", b"sound")
        archive.filelist[0].file_size = 1 << 60
    with pytest.raises(DataError, match=r"needs 1152921504\.6 GB in .* where .* GB are free"):
        unpack(tmp_path / "huge.zip", [Placement(("wav",), tmp_path / "data")])
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [("compress_type", 9, "compression .*not supported; unpack it by hand"), ("flag_bits", 1, "encrypted; unpack it")],
)
def test_zip_files_of_kinds_that_are_not_read(tmp_path: Path, field: str, value: int, complaint: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("wav/1.wav", b"sound")
        setattr(archive.filelist[0], field, value)
    with pytest.raises(DataError, match=complaint):
        unpack(tmp_path / "a.zip", [Placement(("wav",), tmp_path / "data")])


def test_a_tar_file_that_ends_in_a_zip_file_is_a_tar_file(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"x": b"x"}).read_bytes()
    archive = tar(tmp_path / "outer.tar", {"wav/1.wav": b"1", "wav/inner.zip": inner}, "w")
    assert unpack(archive, [Placement(("wav",), tmp_path / "data")]) == (tmp_path / "data", 2)


def test_a_tar_that_leads_back_into_itself_ends(tmp_path: Path) -> None:
    """A size of -512, in the binary form of large numbers, makes the next header the same one."""
    info = tarfile.TarInfo("test-clean/a")
    header = bytearray(info.tobuf())
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(bytes(header) * 2 + bytes(1024))
    with pytest.raises(DataError, match=r"a\.tar: (damaged|neither)"):
        unpack(tmp_path / "a.tar", [Placement(("test-clean",), tmp_path / "data")])


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["d/.a.part", "d/a"], "beside a file that it would overwrite"),
        (["d/a", "d/a/b"], "beside a file that it would overwrite"),
        (["d/a", "d/a"], "twice"),
    ],
)
def test_members_that_would_overwrite_each_other_are_refused(tmp_path: Path, names: list[str], complaint: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(DataError, match=complaint):
        unpack(tmp_path / "a.tar", [Placement(("d",), tmp_path / "data")])
    assert not (tmp_path / "data").exists()


def test_a_plain_file_named_like_the_outer_folder_is_left_where_it_is(tmp_path: Path) -> None:
    archive = tar(tmp_path / "a.tar.gz", {"outer/test/a": b"x", "outer ": b"y"})
    assert unpack(archive, [Placement(("test",), tmp_path / "data")]) == (tmp_path / "data", 1)


def test_sizes_that_no_file_has_are_damage(tmp_path: Path) -> None:
    info = tarfile.TarInfo("d/a")
    info.pax_headers = {"size": "1" + "0" * 30}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    with pytest.raises(DataError, match=r"a\.tar: "):
        unpack(tmp_path / "a.tar", [Placement(("d",), tmp_path / "data")])
