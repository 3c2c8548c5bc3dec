"""The speech tokenizer and the speaker encoder, against recorded outputs."""

import numpy as np
import pytest
import torch

from step_audio_2.log_mel import log_mel_spectrogram
from step_audio_2.speech.speaker_encoder import SpeakerEncoder, SpeakerEncoderConfig
from step_audio_2.speech.speech_tokenizer import SpeechTokenizer, SpeechTokenizerConfig, tokenize_long
from tests.step_audio_2.golden import golden, golden_json, golden_state_dict


@pytest.fixture(scope="module")
def tokenizer() -> SpeechTokenizer:
    tokenizer = SpeechTokenizer(SpeechTokenizerConfig(**golden_json("s3tok_config")))
    tokenizer.load_state_dict(golden_state_dict("s3tok"))
    return tokenizer


@pytest.mark.parametrize("index", [0, 1])
def test_one_recording(tokenizer: SpeechTokenizer, index: int) -> None:
    recorded = golden("s3tok_io")
    waveform = torch.from_numpy(recorded[f"wav{index}_int16"] / np.float32(32768))
    mel = log_mel_spectrogram(waveform, padding=0)
    np.testing.assert_allclose(mel, recorded[f"mel{index}"], atol=1e-5)
    with torch.inference_mode():
        hidden, lengths = tokenizer.encoder(mel[None], torch.tensor([mel.shape[1]]))
        projected = tokenizer.quantizer(hidden)
    np.testing.assert_allclose(hidden[0], recorded[f"hidden{index}"], atol=1e-4)
    np.testing.assert_allclose(projected[0], recorded[f"proj{index}"], atol=1e-4)
    assert lengths.tolist() == recorded[f"codes{index}_len"].tolist()
    assert tokenizer.tokenize(mel).tolist() == recorded[f"codes{index}"].tolist()


def test_a_padded_batch_has_the_same_codes(tokenizer: SpeechTokenizer) -> None:
    recorded = golden("s3tok_io")
    mels = [torch.from_numpy(recorded[f"mel{index}"]) for index in range(2)]
    frames = torch.tensor([mel.shape[1] for mel in mels])
    batch = torch.full((2, 128, int(frames.max())), 0.7)
    for row, mel in zip(batch, mels, strict=True):
        row[:, : mel.shape[1]] = mel
    with torch.inference_mode():
        codes, lengths = tokenizer(batch, frames)
    assert lengths.tolist() == recorded["batch_len"].tolist()
    for row, length, expected in zip(codes, lengths, recorded["batch_codes"], strict=True):
        assert row[:length].tolist() == expected[:length].tolist()


def test_how_many_codes_a_spectrogram_has(tokenizer: SpeechTokenizer) -> None:
    for frames, codes in golden("s3tok_io")["token_len_table"].tolist():
        assert len(tokenizer.tokenize(torch.zeros(128, frames))) == codes


@pytest.mark.parametrize(
    ("frames", "windows"),
    [
        (3000, [(0, 3000)]),
        (3001, [(0, 3000), (2600, 3001)]),
        (5600, [(0, 3000), (2600, 5600)]),
        (5601, [(0, 3000), (2600, 5600), (5200, 5601)]),
    ],
)
def test_long_recordings_are_taken_in_windows(frames: int, windows: list[tuple[int, int]]) -> None:
    taken = []

    def tokenize(mel: torch.Tensor) -> torch.Tensor:
        """Every fourth frame's own number."""
        taken.append((int(mel[0, 0]), int(mel[0, -1]) + 1))
        return mel[0, ::4]

    codes = tokenize_long(tokenize, torch.arange(frames).repeat(128, 1))
    assert taken == windows
    assert codes.tolist() == list(range(0, frames, 4))


@pytest.mark.parametrize(("fbank", "embedding"), [("fbank", "emb"), ("fbank2", "emb2")])
def test_speaker_embedding_equals_recorded(fbank: str, embedding: str) -> None:
    encoder = SpeakerEncoder(SpeakerEncoderConfig(**golden_json("campplus_config")))
    encoder.load_state_dict(golden_state_dict("campplus"))
    recorded = golden("campplus_io")
    embedded = encoder.embed(torch.from_numpy(recorded[fbank][0]))
    np.testing.assert_allclose(embedded, recorded[embedding][0], atol=1e-4)
