"""Where long recordings are divided."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.audio.pieces import pieces

RATE = 1_000


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def test_a_recording_is_divided_in_its_pauses() -> None:
    wave = noise(70)
    for pause in (27.3, 54.0):
        wave[round(pause * RATE) : round((pause + 0.4) * RATE)] = 0
    found = pieces(wave, RATE, 30)
    assert [start for start, _ in found] == [0, pytest.approx(27.5, abs=0.2), pytest.approx(54.2, abs=0.2)]


@pytest.mark.parametrize(("seconds", "longest"), [(30, 30), (30.01, 30), (61, 30), (95.5, 30), (5, 1.5), (999, 300)])
def test_pieces_cover_the_whole_and_none_is_longer_or_tiny(seconds: float, longest: float) -> None:
    found = pieces(noise(seconds), RATE, longest)
    assert found[0][0] == 0
    assert found[-1][1] == pytest.approx(seconds)
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(found))
    lengths = [end - start for start, end in found]
    assert max(lengths) <= longest + 1e-9
    assert min(lengths) >= min(seconds, longest / 2, 1)


@pytest.mark.parametrize("decoded", [False, True])
def test_a_part_sounds_like_its_stretch_of_the_recording_and_so_does_a_part_of_it(
    tmp_path: Path, decoded: bool
) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, noise(10), RATE, subtype="FLOAT")
    whole = Audio("long.wav", path)
    wave = whole.waveform(RATE)
    if not decoded:
        whole.release()
    part = whole.part(2, 7)
    assert part.locator == "long.wav#t=2,7"
    np.testing.assert_array_equal(part.waveform(RATE), wave[2_000:7_000])
    np.testing.assert_array_equal(part.part(1, 2.5).waveform(RATE), wave[3_000:4_500])
    digests = {each.digest() for each in (whole, part, whole.part(0, 5))}
    assert len(digests) == 3
