"""The two networks that describe a prompt, run from their published ONNX files by onnxruntime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from step_audio_2.errors import CheckpointError

_NUMBER_TYPES = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}


class _OnnxModel:
    """A network in an ONNX file, run by onnxruntime on the CPU.

    Args:
        path: of the file.

    Raises:
        CheckpointError: the file cannot be read.
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(f"{path}: reading it takes the package onnxruntime, which is not installed") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        # What onnxruntime raises has no common base but this.
        except Exception as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"{path}: cannot be read as an ONNX model ({reason})") from error
        self._path = path
        self._inputs = self._session.get_inputs()

    def _wrong_inputs(self, wanted: str) -> CheckpointError:
        found = ", ".join(f"{entry.name} {entry.type}" for entry in self._inputs) or "nothing"
        return CheckpointError(f"{self._path}: {wanted}, not {found}")

    def _run(self, feed: Mapping[str, Any]) -> Any:
        """Return the first output, flat, for inputs by their names."""
        return self._session.run(None, feed)[0].reshape(-1)


class OnnxSpeechTokenizer(_OnnxModel):
    """The speech tokenizer as an ONNX file: a spectrogram and its length go in, codes come out.

    Args:
        path: the file, published as ``speech_tokenizer_v2_25hz.onnx``.

    Raises:
        CheckpointError: the file cannot be read or has other inputs.
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        features = [entry for entry in self._inputs if entry.type == "tensor(float)"]
        lengths = [entry for entry in self._inputs if entry.type in _NUMBER_TYPES]
        if len(self._inputs) != 2 or len(features) != 1 or len(lengths) != 1:
            raise self._wrong_inputs("a spectrogram and its length are wanted as inputs")
        self._features = features[0].name
        self._length, self._length_type = lengths[0].name, _NUMBER_TYPES[lengths[0].type]

    def tokenize(self, mel: Tensor) -> Tensor:
        """Return the codes [codes] of one spectrogram [128, frames] of at most 30 seconds."""
        feed = {self._features: _row(mel), self._length: np.array([mel.shape[1]], dtype=self._length_type)}
        return torch.from_numpy(self._run(feed).astype(np.int64))


class OnnxSpeakerEncoder(_OnnxModel):
    """CAM++ as an ONNX file: filter-bank energies go in, an embedding comes out.

    Args:
        path: the file, published as ``campplus.onnx``.

    Raises:
        CheckpointError: the file cannot be read or has other inputs.
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if [entry.type for entry in self._inputs] != ["tensor(float)"]:
            raise self._wrong_inputs("filter-bank energies are wanted as the only input")
        self._features = self._inputs[0].name

    def embed(self, fbank: Tensor) -> Tensor:
        """Return the embedding [192] of one speaker's features [frames, 80]."""
        return torch.from_numpy(self._run({self._features: _row(fbank)}))


def _row(features: Tensor) -> Any:
    """Return a batch of one, as onnxruntime takes it."""
    return features[None].to(device="cpu", dtype=torch.float32).numpy()
