"""The audio front end against the recorded outputs of the original."""

from typing import Any

import pytest
import torch

from step_audio_2.log_mel import audio_token_count, log_mel_spectrogram, padded_mels, pieces
from tests.step_audio_2.golden import golden, golden_json

RECORDED = (("0_0", 0, 0), ("1_0", 1, 0), ("2_0", 2, 0), ("2_1", 2, 1))


def waveform(number: int) -> torch.Tensor:
    """A recording of the golden files, in -1..1."""
    return torch.from_numpy(golden("frontend")[f"wav{number}"]).to(torch.float32) / 32_768


@pytest.mark.parametrize(("name", "number", "piece"), RECORDED)
def test_spectrograms_are_those_of_the_original(name: str, number: int, piece: int) -> None:
    expected = torch.from_numpy(golden("frontend")[f"mel{name}"])
    mel = log_mel_spectrogram(pieces(waveform(number))[piece])
    assert mel.shape == expected.shape
    difference = (mel - expected).abs()
    # Near the floor a value is the logarithm of the little that is left of large terms. There the recorded float32
    # values lie up to 4e-5 from those of float64, and a processor that rounds otherwise may lie as far from both.
    assert difference.max() < 5e-5
    assert (difference > 1e-5).float().mean() < 1e-4
    assert log_mel_spectrogram(pieces(waveform(number))[piece].numpy()).equal(mel)


def test_pieces_frames_and_tokens_are_counted_as_in_the_original() -> None:
    rows: list[dict[str, Any]] = golden_json("token_counts")
    for row in rows:
        cut = pieces(torch.zeros(row["num_samples"]))
        assert len(cut) == row["chunks"]
        frames = [(len(piece) + 479) // 160 for piece in cut]
        assert frames == row["mel_frames"]
        assert [audio_token_count(count) for count in frames] == row["tokens"]
    assert len(rows) > 20


@pytest.mark.parametrize("samples", [1, 159, 160, 161, 320, 321, 16_000])
def test_any_length_has_as_many_frames_as_counted(samples: int) -> None:
    mel = log_mel_spectrogram(torch.linspace(-1, 1, samples))
    assert mel.shape == (128, (samples + 479) // 160)
    assert bool(mel.isfinite().all())


def test_the_floor_is_eight_powers_of_ten_below_the_loudest_of_a_piece() -> None:
    silence_after_a_bang = torch.cat([torch.ones(400), torch.zeros(16_000)])
    mel = log_mel_spectrogram(silence_after_a_bang)
    assert mel.min() == pytest.approx(float(mel.max()) - 8 / 4)
    assert log_mel_spectrogram(torch.zeros(16_000)).max() == pytest.approx((-10 + 4) / 4)


def test_what_is_no_waveform_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[2, 16000\]"):
        log_mel_spectrogram(torch.zeros(2, 16_000))
    with pytest.raises(ValueError, match=r"\[0\]"):
        log_mel_spectrogram(torch.zeros(0), padding=0)


def test_a_batch_is_filled_up_with_zeros_and_its_lengths_are_two_frames_short() -> None:
    mels = [torch.ones(128, 12), torch.ones(128, 5)]
    batch, lengths = padded_mels(mels)
    assert batch.shape == (2, 128, 12)
    assert lengths.tolist() == [10, 3]
    assert batch[1, :, 5:].abs().max() == 0
    assert batch[1, :, :5].min() == 1
