"""Audio files as people have them: every container, any rate and channel count, and all the ways to be broken."""

import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from evalkit.audio import Audio, Waveform
from evalkit.errors import AudioError, DataError

CONTAINERS = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "wav_24": {"format": "WAV", "subtype": "PCM_24"},
    "wav_float": {"format": "WAV", "subtype": "FLOAT"},
    "wav_ulaw": {"format": "WAV", "subtype": "ULAW"},
    "aiff": {"format": "AIFF", "subtype": "PCM_16"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "flac_24": {"format": "FLAC", "subtype": "PCM_24"},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    "vorbis": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
}


def tone(rate: int, seconds: float = 2.0, channels: int = 1, frequency: float = 440.0) -> npt.NDArray[np.float32]:
    """A tone with a little noise, so that no codec can make it vanish; [samples, channels]."""
    times = np.arange(round(rate * seconds)) / rate
    noise = np.random.default_rng(0).normal(0, 0.003, (len(times), channels))
    return (0.3 * np.sin(2 * np.pi * frequency * times)[:, None] + noise).astype(np.float32)


def write(
    folder: Path, container: str, rate: int = 16000, seconds: float = 2.0, channels: int = 1, name: str = "speech.bin"
) -> Path:
    path = folder / name
    soundfile.write(path, tone(rate, seconds, channels), rate, **CONTAINERS[container])
    return path


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def strongest_frequency(waveform: Waveform, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return np.argmax(spectrum) * rate / len(waveform)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_every_container_keeps_length_pitch_and_level(tmp_path: Path, container: str, rate: int) -> None:
    audio = Audio("speech", write(tmp_path, container, rate))
    waveform = audio.waveform(16000)
    assert waveform.dtype == np.float32
    assert waveform.shape == (32000,)
    assert strongest_frequency(waveform, 16000) == pytest.approx(440, abs=1)
    assert np.sqrt(np.mean(waveform**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.03)
    assert audio.duration == 2.0


@pytest.mark.parametrize("channels", [2, 6])
def test_8_khz_with_channels_becomes_16_khz_mono(tmp_path: Path, channels: int) -> None:
    waveform = Audio("a", write(tmp_path, "wav", 8000, channels=channels)).waveform(16000)
    assert waveform.shape == (32000,)
    assert strongest_frequency(waveform, 16000) == pytest.approx(440, abs=1)


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    left, right = tone(16000, 0.5)[:, 0], tone(16000, 0.5, frequency=1000)[:, 0]
    soundfile.write(path, np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    np.testing.assert_allclose(Audio("a", path).waveform(16000), (left + right) / 2, atol=1e-7)


def test_pcm_at_the_wanted_rate_is_not_touched(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32767, 5000, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    np.testing.assert_array_equal(Audio("a", tmp_path / "a.wav").waveform(16000), samples / np.float32(32768))


def test_resampling_is_that_of_soxr(tmp_path: Path) -> None:
    path = write(tmp_path, "wav_float", 44100, seconds=1.2345)
    original, rate = soundfile.read(path, dtype="float32")
    waveform = Audio("a", path).waveform(16000)
    assert len(waveform) == round(len(original) * 16000 / 44100)
    np.testing.assert_array_equal(waveform, soxr.resample(original, rate, 16000))


def test_a_long_recording_is_read_block_by_block_without_a_seam(tmp_path: Path) -> None:
    path = write(tmp_path, "wav_float", 48000, seconds=45, channels=2)  # more frames than a block has
    expected = soundfile.read(path, dtype="float32")[0].mean(axis=1)
    np.testing.assert_allclose(Audio("a", path).waveform(48000), expected, atol=1e-7)


def test_the_waveform_is_kept_until_it_is_released(tmp_path: Path) -> None:
    path = write(tmp_path, "wav")
    audio = Audio("a", path)
    first = audio.waveform(16000)
    path.unlink()
    assert audio.waveform(16000) is first
    audio.release()
    with pytest.raises(AudioError, match="no such audio file"):
        audio.waveform(16000)


def test_another_rate_is_decoded_anew(tmp_path: Path) -> None:
    audio = Audio("a", write(tmp_path, "wav"))
    assert (len(audio.waveform(16000)), len(audio.waveform(8000))) == (32000, 16000)


@pytest.mark.parametrize("container", ["flac", "mp3", "opus"])
def test_bytes_decode_as_the_file_does(tmp_path: Path, container: str) -> None:
    path = write(tmp_path, container)
    from_bytes = Audio("a", content=path.read_bytes).waveform(16000)
    np.testing.assert_array_equal(from_bytes, Audio("a", path).waveform(16000))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("share", [0.1, 0.6, 0.9])
@pytest.mark.parametrize("in_memory", [False, True])
def test_a_file_cut_short_is_refused(tmp_path: Path, container: str, share: float, in_memory: bool) -> None:
    path = write(tmp_path, container, seconds=5.0)
    cut(path, share)
    audio = Audio("a", content=path.read_bytes) if in_memory else Audio("a", path)
    with pytest.raises(AudioError, match=r"cut short|damaged"):
        audio.waveform(16000)


def test_a_truncated_flac_is_said_to_be_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path, "flac", seconds=5.0)
    cut(path, 0.6)
    with pytest.raises(AudioError, match=r"speech\.bin: the audio is cut short or damaged \(flac decoder lost sync\)"):
        Audio("a", path).waveform(16000)


def test_a_cut_wav_says_how_much_is_there(tmp_path: Path) -> None:
    path = write(tmp_path, "wav", seconds=5.0)
    cut(path, 0.6)
    with pytest.raises(AudioError, match=r"it holds 3\.00 of the 5\.00 seconds that its header promises"):
        Audio("a", path).waveform(16000)


def test_damage_in_the_middle_of_a_flac_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "flac")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(AudioError, match="damaged"):
        Audio("a", path).waveform(16000)


@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\xf0\xff\x7f"])
def test_a_wav_written_to_a_pipe_is_complete_though_its_header_says_otherwise(tmp_path: Path, size: bytes) -> None:
    path = write(tmp_path, "wav")
    content = bytearray(path.read_bytes())
    position = content.index(b"data") + 4
    content[position : position + 4] = size
    path.write_bytes(content)
    assert len(Audio("a", path).waveform(16000)) == 32000


def test_a_wav_whose_header_counts_itself_is_complete(tmp_path: Path) -> None:
    path = write(tmp_path, "wav")
    content = bytearray(path.read_bytes())
    position = content.index(b"data") + 4
    content[position : position + 4] = len(content).to_bytes(4, "little")
    path.write_bytes(content)
    assert len(Audio("a", path).waveform(16000)) == 32000


def test_an_mp3_without_a_length_tag_is_not_suspected(tmp_path: Path) -> None:
    # Loud, then silent, at a variable bit rate: libsndfile's guess from the first frame's bit rate is far too long.
    path = tmp_path / "a.mp3"
    samples = np.concatenate([np.zeros(48000), np.random.default_rng(0).normal(0, 0.2, 48000), np.zeros(48000)])
    soundfile.write(path, samples, 16000, subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.5)
    content = path.read_bytes()
    assert b"Xing" in content[:64]
    path.write_bytes(content[content.index(content[:2], 10) :])
    with soundfile.SoundFile(path) as file:
        assert file.frames > 150_000
    assert len(Audio("a", path).waveform(16000)) == pytest.approx(144_000, abs=2400)


def test_a_length_tag_behind_an_id3_tag_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, "mp3", seconds=5.0)
    id3 = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)
    path.write_bytes(id3 + path.read_bytes())
    assert len(Audio("a", path).waveform(16000)) == 80_000
    cut(path, 0.6)
    with pytest.raises(AudioError, match="cut short"):
        Audio("a", path).waveform(16000)


def test_a_flac_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path, "flac")
    expected = Audio("a", path).waveform(16000)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36-bit count of samples in the STREAMINFO block
    content[22:26] = bytes(4)
    path.write_bytes(content)
    np.testing.assert_array_equal(Audio("a", path).waveform(16000), expected)
    np.testing.assert_array_equal(Audio("a", content=path.read_bytes).waveform(16000), expected)
    assert Audio("a", path).seconds() == 2.0
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match="cut short or damaged"):
        Audio("a", path).waveform(16000)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.wav", b""),
        ("empty.flac", b""),
        ("text.wav", b"This is a transcript, not a recording.\n" * 20),
        ("text.mp3", b"This is a transcript, not a recording.\n" * 20),
        ("headerless.raw", bytes(1000)),
        ("video.webm", b"\x1a\x45\xdf\xa3" + bytes(1000)),
    ],
)
def test_what_is_not_audio_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"{name}: cannot be read as audio"):
        Audio("a", path).waveform(16000)


@pytest.mark.parametrize("container", ["wav", "vorbis"])
def test_no_samples_is_an_error(tmp_path: Path, container: str) -> None:
    with pytest.raises(AudioError, match="no samples"):
        Audio("a", write(tmp_path, container, seconds=0)).waveform(16000)


def test_too_short_to_give_one_sample_after_resampling_is_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones(1, np.float32), 48000)
    with pytest.raises(AudioError, match="no samples"):
        Audio("a", tmp_path / "a.wav").waveform(16000)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_numbers_are_an_error(tmp_path: Path, value: float) -> None:
    samples = tone(16000)[:, 0]
    samples[100] = value
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        Audio("a", tmp_path / "a.wav").waveform(16000)


def test_a_missing_file_a_folder_and_no_source_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"missing\.wav: no such audio file"):
        Audio("a", tmp_path / "missing.wav").waveform(16000)
    with pytest.raises(AudioError, match="is a folder"):
        Audio("a", tmp_path).waveform(16000)
    with pytest.raises(AudioError, match="set1/a: the audio itself is not at hand"):
        Audio.from_json({"locator": "set1/a", "duration": 1.5}).waveform(16000)


def test_a_link_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    outside = write(tmp_path, "wav")
    os.symlink(outside, root / "a.wav")
    with pytest.raises(DataError, match=r"a\.wav: a link leads out of the data root .*data; allow it with .*root="):
        Audio("a", root / "a.wav", root=root).waveform(16000)
    assert len(Audio("a", root / "a.wav", root=tmp_path).waveform(16000)) == 32000


def test_a_root_reached_by_a_link_holds_its_files(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    write(tmp_path / "disk", "wav", name="a.wav")
    os.symlink(tmp_path / "disk", tmp_path / "data")
    assert len(Audio("a", tmp_path / "data" / "a.wav", root=tmp_path / "data").waveform(16000)) == 32000


def test_equal_by_locator_and_json_round_trip(tmp_path: Path) -> None:
    audio = Audio("x/1", tmp_path / "a.wav", duration=1.5)
    assert audio == Audio("x/1")
    assert hash(audio) == hash(Audio("x/1"))
    assert audio != Audio("x/2", tmp_path / "a.wav", duration=1.5)
    back = Audio.from_json(json.loads(json.dumps(audio.to_json())))
    assert (back, back.duration, back.path) == (audio, 1.5, None)
    assert audio.path == tmp_path / "a.wav"


@pytest.mark.slow
def test_all_real_recordings_decode_to_their_stated_duration(shared_data: Path) -> None:
    manifests = sorted(shared_data.glob("*/manifest.jsonl"))
    assert len(manifests) == 15
    for manifest in manifests:
        for line in manifest.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            audio = Audio(row["id"], manifest.parent / row["audio"])
            samples = len(audio.waveform(16000))
            assert audio.duration is not None
            assert audio.duration == pytest.approx(row["duration"], abs=0.02), row["id"]
            assert samples == pytest.approx(audio.duration * 16000, abs=1), row["id"]
