"""Data sets held against what is known of them, with every fault that they can have."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.acquisition.verification import Verification, verify
from evalkit.audio import Audio
from evalkit.datasets import Dataset, Manifest
from evalkit.errors import AudioError, DataError
from tasks.asr import Transcription
from tests.conftest import write_jsonl

RATE = 8000


def sound(path: Path, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).normal(scale=0.1, size=round(seconds * RATE))
    soundfile.write(path, noise, RATE)
    return path


def manifest(folder: Path, lengths: Sequence[float], **columns: Sequence[Any]) -> Manifest:
    rows = []
    for number, length in enumerate(lengths):
        sound(folder / f"u{number}.flac", length)
        rows.append({"id": f"u{number}", "audio": f"u{number}.flac", "text": f"text {number}"})
        rows[-1] |= {column: values[number] for column, values in columns.items()}
    return Manifest(write_jsonl(folder / "manifest.jsonl", rows), groups=list(columns), language="en")


def report_of(dataset: Dataset, expected: int | None = None, decode: bool = False, **facts: Any) -> Verification:
    return verify(
        Transcription(name="t", title="T", language="en", dataset=dataset, expected_samples=expected),
        facts,
        decode=decode,
    )


def statuses(report: Verification) -> dict[str, str]:
    return {check.name: check.status for check in report.checks if check.status}


def test_a_complete_data_set(tmp_path: Path) -> None:
    dataset = manifest(tmp_path, [9, 18, 9, 36], speaker=["a", "b", "a", "b"])
    report = report_of(dataset, 4, hours=0.0205, group_sizes={"speaker": 2})
    assert report.summary == "ok"
    assert (report.samples, report.partial, report.differs) == (4, False, False)
    assert set(statuses(report).values()) == {"ok"}
    sizes = [(size.group, size.value, size.samples, round(size.hours * 3600, 6)) for size in report.groups]
    assert sizes == [("language", "en", 4, 72), ("speaker", "a", 2, 18), ("speaker", "b", 2, 54)]
    found = {check.name: check.found for check in report.checks}
    assert (found["hours"], found["clusters"]) == ("0.02", "2 by speaker")


@pytest.mark.parametrize(
    ("expected", "facts", "verdict", "differs"),
    [
        (None, {}, "ok", False),
        (2, {"hours": 0.005}, "ok", False),
        (2, {"hours": 0.0054}, "ok", False),
        (2, {"hours": 0.0056}, "differs from what is known: hours", True),
        (2, {"hours": 0.0056, "unconfirmed": ["hours"]}, "ok; look at: hours", False),
        (1, {}, "differs from what is known: samples", True),
        (1, {"unconfirmed": ["samples"]}, "ok; look at: samples", False),
        (1000, {"hours": 9}, "partial, 2 of 1,000 samples; differs from what is known: samples", True),
        (1000, {"unconfirmed": ["samples"]}, "partial, 2 of 1,000 samples; look at: samples", False),
        (2, {"group_sizes": {"speaker": {"a": 1, "b": 1}}}, "ok", False),
        (2, {"group_sizes": {"speaker": {"a": 2}}}, "differs from what is known: sizes by speaker", True),
        (2, {"group_sizes": {"speaker": 2}}, "differs from what is known: sizes by speaker", True),
        (2, {"group_sizes": {"dialect": 2}}, "differs from what is known: sizes by dialect", True),
    ],
)
def test_what_is_known_decides(
    tmp_path: Path, expected: int | None, facts: dict[str, Any], verdict: str, differs: bool
) -> None:
    report = report_of(manifest(tmp_path, [9, 9], speaker=["a", "b"]), expected, **facts)
    assert (report.summary, report.differs) == (verdict, differs)


def test_recordings_that_are_missing_or_cut_short_are_named(tmp_path: Path) -> None:
    dataset = manifest(tmp_path, [2, 2, 2, 2])
    (tmp_path / "u1.flac").unlink()
    whole = (tmp_path / "u2.flac").read_bytes()
    (tmp_path / "u2.flac").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "u3.flac").write_bytes(b"")
    for decode in (False, True):
        report = report_of(dataset, 4, decode)
        assert statuses(report)["recordings"] == "differs"
        assert [Path(fault.partition(":")[0]).name for fault in report.faults] == ["u1.flac", "u2.flac", "u3.flac"]
        assert "no such audio file" in report.faults[0]
        found = {check.name: check.found for check in report.checks}
        assert found["recordings"].startswith("1 of 4 readable")


def test_decoding_finds_what_headers_do_not_show(tmp_path: Path) -> None:
    dataset = manifest(tmp_path, [4])
    content = bytearray((tmp_path / "u0.flac").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    (tmp_path / "u0.flac").write_bytes(content)
    assert not report_of(dataset).faults
    assert "cut short or damaged" in report_of(dataset, decode=True).faults[0]


def test_empty_references_are_pointed_at(tmp_path: Path) -> None:
    report = report_of(manifest(tmp_path, [1, 1, 1], text=["a", "", "  "]), 3)
    assert report.empty == ("u1", "u2")
    assert (report.summary, report.differs) == ("ok; look at: references", False)


def test_a_data_set_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: id 'u0' was already used"):
        report_of(manifest(tmp_path, [1, 1], id=["u0", "u0"]))


def test_the_fingerprint_is_that_of_a_run(tmp_path: Path) -> None:
    dataset = manifest(tmp_path, [1, 1])
    first = {check.name: check.found for check in report_of(dataset).checks}["fingerprint"]
    (tmp_path / "manifest.jsonl").write_text((tmp_path / "manifest.jsonl").read_text().replace("text 1", "text I"))
    assert first != {check.name: check.found for check in report_of(dataset).checks}["fingerprint"]
    assert len(first) == 32


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_lengths_by_header(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=5 * 16_000)
    soundfile.write(tmp_path / "a", noise, 16_000, format=kind)
    content = (tmp_path / "a").read_bytes()
    assert Audio("a", tmp_path / "a").seconds() == pytest.approx(5, abs=0.1)
    assert Audio("a", content=lambda: content).seconds() == pytest.approx(5, abs=0.1)
    (tmp_path / "cut").write_bytes(content[: len(content) * 2 // 3])
    if kind != "MP3":
        with pytest.raises(AudioError, match="cut short or damaged|cut short"):
            Audio("cut", tmp_path / "cut").seconds()


def test_recordings_that_headers_give_away(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.empty(0), 16_000)
    (tmp_path / "text.wav").write_text("not audio")
    sound(tmp_path / "outside.wav")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link.wav").symlink_to(tmp_path / "outside.wav")
    for audio, complaint in _bad(tmp_path):
        with pytest.raises(AudioError, match=complaint):
            audio.seconds()


def _bad(folder: Path) -> Iterable[tuple[Audio, str]]:
    yield Audio("silent", folder / "silent.wav"), "holds no samples"
    yield Audio("text", folder / "text.wav"), "cannot be read as audio"
    yield Audio("link", folder / "root" / "link.wav", root=folder / "root"), "a link leads out of the data root"
    yield Audio("no", folder / "no.wav"), "no such audio file"
    yield Audio("empty", content=lambda: io.BytesIO().getvalue()), "cannot be read as audio"
