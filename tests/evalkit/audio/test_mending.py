"""Recordings written to a pipe, with tags in front, or with headers that claim what cannot be."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.audio.encoding import write_flac
from evalkit.errors import AudioError

RATE = 16_000
SAMPLES = np.random.default_rng(0).normal(0, 0.1, (2 * RATE, 2)).astype(np.float32)


def wav(subtype: str, channels: int = 1, container: str = "WAV") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, SAMPLES[:, :channels], RATE, format=container, subtype=subtype)
    return buffer.getvalue()


def with_sizes(content: bytes, data_size: int, outer_size: int = 0xFFFFFFFF) -> bytes:
    changed = bytearray(content)
    struct.pack_into("<I", changed, 4, outer_size)
    struct.pack_into("<I", changed, content.index(b"data") + 4, data_size)
    return bytes(changed)


@pytest.mark.parametrize("mark", [0, 0x7F000000, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 44])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
@pytest.mark.parametrize(("container", "channels"), [("WAV", 1), ("WAV", 2), ("WAVEX", 2)])
@pytest.mark.parametrize("rounded", [False, True])
def test_a_size_that_was_never_filled_in_is_no_promise(
    tmp_path: Path, mark: int, subtype: str, container: str, channels: int, rounded: bool
) -> None:
    content = wav(subtype, channels, container)
    block = soundfile.SoundFile(io.BytesIO(content)).channels * {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3}.get(subtype, 4)
    size = mark // block * block if rounded else mark
    file = tmp_path / "a.wav"
    file.write_bytes(with_sizes(content, size, outer_size=0 if mark == 0 else 0xFFFFFFFF))
    expected = Audio("a", content=lambda: content).waveform(RATE)
    np.testing.assert_array_equal(Audio("a", file).waveform(RATE), expected)
    np.testing.assert_array_equal(Audio("a", content=file.read_bytes).waveform(RATE), expected)
    assert Audio("a", file).seconds() == 2.0


def test_a_size_that_is_merely_large_is_a_promise() -> None:
    for size in (100_000, 0x40000000, 0x7F100000):
        content = io.BytesIO(with_sizes(wav("PCM_16"), size))
        with pytest.raises(AudioError, match=r"cut short, it holds 2\.00 of"):
            Audio("a", content=content.getvalue).waveform(RATE)


def test_the_wide_form_of_a_wav_without_its_sizes_is_read() -> None:
    content = bytearray(wav("PCM_16", container="RF64"))
    position = content.index(b"ds64") + 8
    for filler in (b"\0", b"\xff"):
        content[position : position + 24] = filler * 24
        assert Audio("a", content=lambda: bytes(content)).waveform(RATE).shape == (2 * RATE,)


def test_an_empty_wav_with_words_behind_its_sound_stays_empty() -> None:
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", RATE, 1, format="WAV", subtype="PCM_16") as file:
        file.title = "nothing was said here"
    with pytest.raises(AudioError, match="holds no samples"):
        Audio("a", content=buffer.getvalue).waveform(RATE)


@pytest.mark.parametrize("tag_size", [0, 500, 4096, 100_000])
@pytest.mark.parametrize("seconds", [0.1, 0.3, 2.0])
def test_a_tag_before_a_flac_changes_nothing(tmp_path: Path, tag_size: int, seconds: float) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, SAMPLES[: round(seconds * RATE), 0], RATE, format="FLAC")
    size = bytes((tag_size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    file = tmp_path / "a.flac"
    file.write_bytes(b"ID3\x03\x00\x00" + size + bytes(tag_size) + buffer.getvalue())
    expected = Audio("a", content=buffer.getvalue).waveform(RATE)
    np.testing.assert_array_equal(Audio("a", file).waveform(RATE), expected)
    assert Audio("a", file).seconds() == seconds
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(AudioError, match="cut short"):
        Audio("a", file).seconds()


def _id3(size: int, version: int = 3) -> bytes:
    return (
        b"ID3" + bytes([version, 0, 0, size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + bytes(size)
    )


@pytest.mark.parametrize(
    ("container", "before", "behind"),
    [
        ("FLAC", _id3(100) + _id3(5000, 4), b""),
        ("FLAC", b"", b"TAG" + bytes(125)),
        ("FLAC", _id3(4096), b"TAG" + bytes(125)),
        ("OGG", _id3(0), b""),
        ("OGG", _id3(5000), b""),
        ("WAV", _id3(0), b""),
        ("WAV", _id3(4096, 2), b""),
    ],
)
@pytest.mark.parametrize("in_memory", [False, True])
def test_tags_of_mp3_around_another_file_change_nothing(
    tmp_path: Path, container: str, before: bytes, behind: bytes, in_memory: bool
) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(0).normal(0, 0.1, RATE), RATE, format=container)
    content = before + buffer.getvalue() + behind
    file = tmp_path / "a"
    file.write_bytes(content)
    audio = Audio("a", content=lambda: content) if in_memory else Audio("a", file)
    np.testing.assert_array_equal(audio.waveform(RATE), Audio("a", content=buffer.getvalue).waveform(RATE))
    assert Audio("a", file).seconds() == 1


def test_real_cases_of_streamed_and_tagged_files_are_read(shared_data: Path) -> None:
    cases = shared_data.parent / "cases"
    if not cases.is_dir():
        pytest.skip(f"no cases at {cases}")
    for name, seconds in (("72_sox_pipe_24bit_0.1s.wav", 0.1), ("75_id3v2_before_flac_0.3s.flac", 0.3)):
        audio = Audio(name, cases / name)
        assert audio.seconds() == pytest.approx(seconds)
        audio.waveform(RATE)
        assert audio.duration == pytest.approx(seconds)


@pytest.mark.parametrize("rate", [1, 999, 700_000, 10_000_000])
def test_a_rate_that_no_recording_has_is_refused_before_anything_is_decoded(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", SAMPLES[:100, 0], rate)
    audio = Audio("a", tmp_path / "a.wav")
    for read in (lambda: audio.waveform(RATE), audio.seconds, lambda: write_flac(audio, tmp_path / "a.flac")):
        with pytest.raises(AudioError, match=rf"its rate is {rate:,} Hz; recordings have 1,000 to 655,350 Hz"):
            read()


def test_hours_of_silence_in_few_bytes_are_refused() -> None:
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 1000, 1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(15):
            file.write(np.zeros(1_000_000, np.int16))
    for streamed in (False, True):
        content = bytearray(buffer.getvalue())
        if streamed:
            content[21] &= 0xF0
            content[22:26] = bytes(4)
        with pytest.raises(AudioError, match=r"is longer than 4\.0 hours; cut it into parts"):
            Audio("a", content=io.BytesIO(content).getvalue).waveform(RATE)


def test_what_flac_cannot_hold_is_an_audio_error_and_leaves_no_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.1, np.nan, 0.2], np.float32), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite numbers"):
        write_flac(Audio("a", tmp_path / "a.wav"), tmp_path / "a.flac")
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]
