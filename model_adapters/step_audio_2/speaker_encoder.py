"""The speaker encoder that comes with Step-Audio 2, in the role ``speaker_encoder``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.hints import install_command
from evalkit.types import Failure, Request, Response
from model_adapters.shared.one_recording import recording
from model_adapters.shared.weights import file_digest
from model_adapters.transformers.checkpoint import import_torch

_SAMPLE_RATE = 16_000
_SHORTEST = 0.2  # seconds, as of the voice of a prompt
_DIGITS = 7  # as many as float32 holds


class SpeakerEncoder(ModelAdapter):
    """CAM++, which replies to a recording with a vector of 192 numbers that tells who speaks, as JSON.

    Two recordings of one speaker have vectors with a high cosine. It is the network by which ``token2wav`` takes over a
    voice, so that it may be kinder to that synthesizer than another one would be.

    Args:
        path: of a checkpoint's folder ``token2wav``, which holds ``campplus.onnx``.

    Raises:
        ConfigurationError: a library is missing, or the network cannot be loaded.
    """

    capabilities = Capabilities(sample_rate=_SAMPLE_RATE)

    def __init__(self, path: str) -> None:
        import_torch("step-audio-2")
        try:
            from step_audio_2.errors import CheckpointError
            from step_audio_2.speech.filter_banks import kaldi_fbank
            from step_audio_2.speech.pretrained import load_speaker_encoder
        except ImportError as error:
            raise ConfigurationError(f"it needs more: {install_command('step-audio-2')} ({error})") from error
        try:
            file, self._embed = load_speaker_encoder(Path(path).expanduser())
        except (CheckpointError, ImportError) as error:
            raise ConfigurationError(f"speaker encoder: {error}") from error
        self._features = kaldi_fbank
        self._digest = file_digest(file)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Embed the recording of each request."""
        return [self._embedded(request) for request in requests]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights by content."""
        return {"adapter": "step_audio_2_speaker_encoder", "weights": {"sha256": self._digest}}

    def _embedded(self, request: Request) -> Response:
        import torch

        waveform = torch.from_numpy(recording(request, _SAMPLE_RATE))
        if len(waveform) < _SHORTEST * _SAMPLE_RATE:
            return Response(failure=Failure("refused", f"less than {_SHORTEST} s of sound tell no voice"))
        features = self._features(waveform)
        embedding = self._embed(features - features.mean(dim=0))
        return Response(json.dumps([float(f"{value:.{_DIGITS}g}") for value in embedding.tolist()]))
