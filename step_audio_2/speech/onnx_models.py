"""The two networks that describe a prompt, run from their published ONNX files by onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from step_audio_2.errors import CheckpointError

_NUMBER_TYPES = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}


class OnnxSpeechTokenizer:
    """The speech tokenizer as an ONNX file: a spectrogram and its length go in, codes come out.

    Args:
        path: the file, published as ``speech_tokenizer_v2_25hz.onnx``.

    Raises:
        CheckpointError: the file cannot be read or has other inputs.
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._session = _session(path)
        inputs = self._session.get_inputs()
        features = [entry for entry in inputs if entry.type == "tensor(float)"]
        lengths = [entry for entry in inputs if entry.type in _NUMBER_TYPES]
        if len(inputs) != 2 or len(features) != 1 or len(lengths) != 1:
            raise CheckpointError(
                f"{path}: a spectrogram and its length are wanted as inputs, not {_described(inputs)}"
            )
        self._features = features[0].name
        self._length, self._length_type = lengths[0].name, _NUMBER_TYPES[lengths[0].type]

    def tokenize(self, mel: Tensor) -> Tensor:
        """Codes [codes] of one spectrogram [128, frames] of at most 30 seconds."""
        feed = {
            self._features: mel[None].to(device="cpu", dtype=torch.float32).numpy(),
            self._length: np.array([mel.shape[1]], dtype=self._length_type),
        }
        return torch.from_numpy(self._session.run(None, feed)[0].reshape(-1).astype(np.int64))


class OnnxSpeakerEncoder:
    """CAM++ as an ONNX file: filter-bank energies go in, an embedding comes out.

    Args:
        path: the file, published as ``campplus.onnx``.

    Raises:
        CheckpointError: the file cannot be read or has other inputs.
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._session = _session(path)
        inputs = self._session.get_inputs()
        if [entry.type for entry in inputs] != ["tensor(float)"]:
            raise CheckpointError(
                f"{path}: filter-bank energies are wanted as the only input, not {_described(inputs)}"
            )
        self._features = inputs[0].name

    def embed(self, fbank: Tensor) -> Tensor:
        """The embedding [192] of one speaker's features [frames, 80]."""
        feed = {self._features: fbank[None].to(device="cpu", dtype=torch.float32).numpy()}
        return torch.from_numpy(self._session.run(None, feed)[0].reshape(-1))


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"{path}: reading it takes the package onnxruntime, which is not installed") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # What onnxruntime raises has no common base but this.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: cannot be read as an ONNX model ({reason})") from error


def _described(inputs: Any) -> str:
    return ", ".join(f"{entry.name} {entry.type}" for entry in inputs) or "nothing"
