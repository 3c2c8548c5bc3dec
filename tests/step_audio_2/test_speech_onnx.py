"""The speech tokenizer and the speaker model from ONNX files, as the published folder holds them."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from step_audio_2.errors import CheckpointError
from step_audio_2.speech.onnx_models import OnnxSpeakerEncoder, OnnxSpeechTokenizer
from step_audio_2.speech.speaker_encoder import SpeakerEncoder
from step_audio_2.speech.speech_tokenizer import SpeechTokenizer
from step_audio_2.speech.token2wav import Token2Wav
from step_audio_2.testing.tiny_token2wav import SPEAKER, TOKENIZER, write_tiny_token2wav

pytestmark = pytest.mark.slow  # writing the files takes seconds

pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")
pytest.importorskip("onnx", reason="writing ONNX files needs the package onnx")


class FirstOutput(torch.nn.Module):
    """The tokenizer as published: codes alone come out, and a length of 32 bits goes in."""

    def __init__(self, tokenizer: SpeechTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, feats: torch.Tensor, feats_length: torch.Tensor) -> torch.Tensor:
        return self.tokenizer(feats, feats_length)[0]


def export(model: torch.nn.Module, inputs: dict[str, torch.Tensor], frames: int, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            dynamic_axes={next(iter(inputs)): {frames: "frames"}},
            opset_version=17,
            dynamo=False,
        )
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("onnx")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer, speaker = SpeechTokenizer(TOKENIZER), SpeakerEncoder(SPEAKER)
    mel, length = torch.randn(1, 128, 200), torch.tensor([200], dtype=torch.int32)
    export(FirstOutput(tokenizer), {"feats": mel, "feats_length": length}, 2, folder / "speech_tokenizer_v2_25hz.onnx")
    export(speaker, {"input": torch.randn(1, 250, 80)}, 1, folder / "campplus.onnx")
    return {"folder": folder, "tokenizer": tokenizer, "speaker": speaker}


@pytest.mark.parametrize("frames", [200, 31, 777])
def test_codes_equal_those_of_our_own_network(models: dict[str, Any], frames: int) -> None:
    onnx = OnnxSpeechTokenizer(models["folder"] / "speech_tokenizer_v2_25hz.onnx")
    mel = torch.randn(128, frames, generator=torch.Generator().manual_seed(frames))
    codes = onnx.tokenize(mel)
    assert codes.dtype == torch.int64
    assert torch.equal(codes, models["tokenizer"].tokenize(mel))


@pytest.mark.parametrize("frames", [250, 20, 333])
def test_embeddings_equal_those_of_our_own_network(models: dict[str, Any], frames: int) -> None:
    onnx = OnnxSpeakerEncoder(models["folder"] / "campplus.onnx")
    fbank = torch.randn(frames, 80, generator=torch.Generator().manual_seed(frames))
    torch.testing.assert_close(onnx.embed(fbank), models["speaker"].embed(fbank), atol=1e-4, rtol=1e-4)


def test_a_folder_as_published(models: dict[str, Any], tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    folder = write_tiny_token2wav(tmp_path / "token2wav")
    soundfile.write(tmp_path / "prompt.wav", np.random.default_rng(0).normal(0, 0.1, 24_000), 24_000)
    expected = Token2Wav.from_pretrained(folder).voice(tmp_path / "prompt.wav")
    for name in ("speech_tokenizer_v2_25hz", "campplus"):
        (folder / f"{name}.safetensors").unlink()
        shutil.copy(models["folder"] / f"{name}.onnx", folder)
    token2wav = Token2Wav.from_pretrained(folder)
    voice = token2wav.voice(tmp_path / "prompt.wav")
    assert voice.prompt_token.shape == expected.prompt_token.shape
    assert voice.speaker_embedding.shape == (1, 192)
    assert len(token2wav([1, 2, 3], voice)) == 2880


def test_files_that_do_not_fit(models: dict[str, Any], tmp_path: Path) -> None:
    tokenizer, speaker = (models["folder"] / f"{name}.onnx" for name in ("speech_tokenizer_v2_25hz", "campplus"))
    with pytest.raises(CheckpointError, match=r"a spectrogram and its length are wanted .* not input tensor\(float\)"):
        OnnxSpeechTokenizer(speaker)
    with pytest.raises(
        CheckpointError, match=r"as the only input, not feats tensor\(float\), feats_length tensor\(int32\)"
    ):
        OnnxSpeakerEncoder(tokenizer)
    broken = tmp_path / "campplus.onnx"
    broken.write_bytes(speaker.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"campplus.onnx: cannot be read as an ONNX model") as caught:
        OnnxSpeakerEncoder(broken)
    assert "\n" not in str(caught.value)
