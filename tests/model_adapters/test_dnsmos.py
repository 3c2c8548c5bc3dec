"""DNSMOS, with the weights of the package speechmos, on real speech."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.errors import ConfigurationError, DataError
from evalkit.types import Message, Request
from model_adapters.dnsmos import SCORES, Dnsmos
from tests.model_adapters.conftest import asking, noise

pytestmark = pytest.mark.slow  # librosa compiles for twenty seconds

ONE_WINDOW = 9.1  # seconds; shorter recordings are repeated, and take longer


@pytest.fixture(autouse=True)
def speechmos() -> None:
    pytest.importorskip("speechmos", reason="speechmos is not installed")
    pytest.importorskip("librosa", reason="librosa, which speechmos uses, is not installed")


def ratings(adapter: Dnsmos, *paths: Path) -> list[float]:
    return [float(response.text) for response in adapter.generate([asking(path) for path in paths])]


@pytest.mark.slow
def test_clean_read_speech_is_rated_as_known_and_noise_costs_a_point(shared_data: Path, tmp_path: Path) -> None:
    """P.808 of LibriSpeech is known to be 3.7 to 3.8 on average, and 2.4 with noise added."""
    clean = [
        shared_data / folder / "audio" / f"{name}.flac"
        for folder, name in (
            ("librispeech_clean", "1089-134686-0000"),
            ("librispeech_clean", "2412-153948-0001"),
            ("librispeech_test_other", "1998-15444-0002"),
            ("librispeech_test_other", "2033-164914-0000"),
        )
    ]
    adapter = Dnsmos(score="p808")
    assert np.mean(ratings(adapter, *clean)) == pytest.approx(3.75, abs=0.2)
    rng = np.random.default_rng(0)
    noisy = []
    for path in clean[:2]:
        samples, rate = soundfile.read(path)
        noisy.append(tmp_path / f"{path.stem}.wav")
        soundfile.write(noisy[-1], (samples + rng.normal(scale=samples.std() / 2, size=len(samples))).clip(-1, 1), rate)
    assert np.mean(ratings(adapter, *noisy)) == pytest.approx(2.4, abs=0.2)


@pytest.mark.slow
def test_each_score_is_the_package_s_own(tmp_path: Path) -> None:
    from speechmos import dnsmos

    path = noise(tmp_path / "noise.wav", ONE_WINDOW)
    expected = dnsmos.run(asking(path).audio[0].waveform(16_000), 16_000)
    for score in SCORES:
        assert ratings(Dnsmos(score=score), path) == [pytest.approx(expected[f"{score}_mos"], abs=1e-3)]
    assert len({round(float(expected[f"{score}_mos"]), 3) for score in SCORES}) == len(SCORES)


def test_full_scale_recordings_that_overshoot_when_resampled_are_rated(tmp_path: Path) -> None:
    """The package refuses samples beyond 1."""
    square = np.sign(np.sin(2 * np.pi * 220 * np.arange(round(ONE_WINDOW * 44_100)) / 44_100)).astype(np.float32)
    path = tmp_path / "square.wav"
    soundfile.write(path, square, 44_100, subtype="FLOAT")
    request = asking(path)
    assert np.abs(request.audio[0].waveform(16_000)).max() > 1
    assert 0 < ratings(Dnsmos(), path)[0] < 5


def test_a_request_must_hold_one_recording() -> None:
    with pytest.raises(DataError, match="this request has 0"):
        Dnsmos().generate([Request((Message("user", ("How does it sound?",)),))])


def test_the_fingerprint_is_json_and_knows_the_score() -> None:
    fingerprint = dict(Dnsmos().fingerprint())
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    assert Dnsmos(score="sig").fingerprint() != fingerprint


def test_an_unknown_score_and_a_missing_package_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="'mos' must be one of ovrl, sig, bak, p808"):
        Dnsmos(score="mos")
    monkeypatch.setitem(sys.modules, "speechmos", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[mos\]'"):
        Dnsmos()
