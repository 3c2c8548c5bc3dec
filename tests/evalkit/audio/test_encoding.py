"""Recordings as WAV: what a server hears is what a model in this process would hear."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.audio import Audio
from evalkit.audio.encoding import wav_bytes
from evalkit.errors import AudioError
from tests.conftest import DEMO_SPEECH


def _sine(rate: int, channels: int, seconds: float = 0.5) -> npt.NDArray[np.float64]:
    time = np.arange(round(rate * seconds)) / rate
    return np.stack([0.4 * np.sin(2 * np.pi * 300 * (place + 1) * time) for place in range(channels)], axis=1)


def _file(path: Path, samples: npt.NDArray[Any], rate: int, **options: Any) -> Audio:
    soundfile.write(path, samples, rate, **options)
    return Audio(path.name, path)


def _decoded(wav: bytes) -> tuple[npt.NDArray[np.int16], int]:
    with soundfile.SoundFile(io.BytesIO(wav)) as file:
        assert (file.format, file.subtype, file.channels) == ("WAV", "PCM_16", 1)
        return file.read(dtype="int16"), file.samplerate


@pytest.mark.parametrize(
    ("name", "rate", "channels", "options"),
    [
        ("a.flac", 16_000, 1, {}),
        ("a.flac", 48_000, 2, {"subtype": "PCM_24"}),
        ("a.mp3", 44_100, 2, {}),
        ("a.mp3", 16_000, 1, {}),
        ("a.ogg", 22_050, 1, {}),
        ("a.wav", 44_100, 2, {}),
        ("a.wav", 16_000, 2, {}),
        ("a.wav", 16_000, 1, {"subtype": "FLOAT"}),
        ("a.wav", 16_000, 1, {"subtype": "PCM_U8"}),
        ("a.wav", 8_000, 1, {}),
    ],
)
@pytest.mark.parametrize("wanted_rate", [16_000, 24_000])
def test_samples_are_those_that_evalkit_decodes(
    tmp_path: Path, name: str, rate: int, channels: int, options: dict[str, Any], wanted_rate: int
) -> None:
    audio = _file(tmp_path / name, _sine(rate, channels), rate, **options)
    samples, sent_rate = _decoded(wav_bytes(audio, wanted_rate))
    heard = Audio(name, tmp_path / name).waveform(wanted_rate)
    assert sent_rate == wanted_rate
    assert len(samples) == len(heard)
    np.testing.assert_array_less(np.abs(samples / 32_768 - heard), 1 / 65_536 + 1e-7)
    assert np.abs(heard).max() > 0.1


def test_a_plain_wav_goes_as_it_is(tmp_path: Path) -> None:
    audio = _file(tmp_path / "a.wav", _sine(16_000, 1), 16_000)
    plain = (tmp_path / "a.wav").read_bytes()
    assert wav_bytes(audio, 16_000) == plain
    assert wav_bytes(audio, 8_000) != plain


def test_a_wav_with_more_than_sound_in_it_or_a_wrong_length_is_made_plain(tmp_path: Path) -> None:
    _file(tmp_path / "a.wav", _sine(16_000, 1), 16_000)
    plain = (tmp_path / "a.wav").read_bytes()
    extended = plain + b"LIST\x04\x00\x00\x00INFO"
    extended = extended[:4] + (len(extended) - 8).to_bytes(4, "little") + extended[8:]
    assert wav_bytes(Audio("a", content=lambda: extended), 16_000) == plain
    endless = plain[:4] + b"\xff\xff\xff\xff" + plain[8:40] + b"\xff\xff\xff\xff" + plain[44:]
    assert wav_bytes(Audio("a", content=lambda: endless), 16_000) == plain


def test_what_is_too_loud_is_clipped_not_wrapped_around(tmp_path: Path) -> None:
    audio = _file(tmp_path / "a.wav", np.array([1.5, -1.5, 1.0, -1.0, 0.0]), 16_000, subtype="FLOAT")
    samples, _ = _decoded(wav_bytes(audio, 16_000))
    assert samples.tolist() == [32_767, -32_768, 32_767, -32_768, 0]


@settings(max_examples=50, deadline=None)
@given(
    samples=st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=300), container=st.sampled_from(("FLAC", "WAV"))
)
def test_sixteen_bits_come_through_bit_by_bit(samples: list[int], container: str) -> None:
    encoded = io.BytesIO()
    soundfile.write(encoded, np.array(samples, np.int16), 16_000, format=container, subtype="PCM_16")
    sent, _ = _decoded(wav_bytes(Audio("a", content=encoded.getvalue), 16_000))
    assert sent.tolist() == samples


def test_the_decoded_samples_are_not_kept(tmp_path: Path) -> None:
    audio = Audio("a", DEMO_SPEECH / "manifest.jsonl")
    recording = Audio("b", next(iter(sorted((DEMO_SPEECH / "audio").iterdir()))))
    wav_bytes(recording, 16_000)
    assert recording._waveform is None
    with pytest.raises(AudioError, match=r"manifest\.jsonl: cannot be read as audio"):
        wav_bytes(audio, 16_000)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"absent\.wav: no such audio file"):
        wav_bytes(Audio("absent.wav", tmp_path / "absent.wav"), 16_000)
    for content in (b"", b"RIFF", b"fLaC" + bytes(100)):
        with pytest.raises(AudioError, match="broken"):
            wav_bytes(Audio("broken", content=lambda: content), 16_000)  # noqa: B023 - called at once
