"""UTMOS, the predictor of naturalness whose figures URO-Bench publishes: the strong learner of 2022.

Saeki et al., "UTMOS: UTokyo-SaruLab System for VoiceMOS Challenge 2022" (arXiv 2204.02152), in the form that
github.com/tarepan/SpeechMOS gives it (``utmos22_strong``, v1.2.0): Wav2Vec 2.0 base, an LSTM and two linear layers.
"""

import pickle
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.types import Request, Response
from model_adapters.shared.one_recording import recording
from model_adapters.shared.weights import file_digest
from model_adapters.transformers.checkpoint import chosen_device, import_torch

_SAMPLE_RATE = 16_000
_CONVOLUTIONS = 7
_HEAD_WIDTH = 64  # of an attention head in every size of Wav2Vec 2.0
# What fairseq calls a weight of Wav2Vec 2.0, and what transformers calls it.
_NAMES = (
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^mask_emb$", "masked_spec_embed"),
    (r"conv_layers\.(\d)\.0\.", r"conv_layers.\1.conv."),
    (r"conv_layers\.0\.2\.", "conv_layers.0.layer_norm."),
    (r"pos_conv\.0\.weight_g$", "pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"pos_conv\.0\.weight_v$", "pos_conv_embed.conv.parametrizations.weight.original1"),
    (r"pos_conv\.0\.bias$", "pos_conv_embed.conv.bias"),
    (r"\.self_attn\.", ".attention."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)


class Utmos(ModelAdapter):
    """Predicts a mean opinion score, about 1 to 5, for a recording; the reply is the number.

    The original is loaded through ``torch.hub``, which runs code from the network and unpickles what it downloads.
    Here the network is that of the library transformers, and the file of weights is read as weights and nothing else.
    Recordings of other rates than 16 kHz are resampled with soxr, in the original with torchaudio.

    Args:
        path: the file ``utmos22_strong_step7459_v1.pt`` of SpeechMOS's release v1.0.0 on GitHub.
        device: ``cpu``, ``cuda``, ``cuda:1`` and so on, or ``auto`` for a GPU if there is one.

    Raises:
        ConfigurationError: the libraries or the weights are not there, or the file does not hold these weights.
    """

    capabilities = Capabilities(sample_rate=_SAMPLE_RATE)

    def __init__(self, path: str, *, device: str = "auto") -> None:
        torch = import_torch()
        self._device = chosen_device(device)
        file = Path(path).expanduser()
        if not file.is_file():
            raise ConfigurationError(f"{file}: no such file; download utmos22_strong_step7459_v1.pt of SpeechMOS")
        try:
            self._parts = _load(torch.load(file, map_location="cpu", weights_only=True)).eval().to(self._device)
        except (AttributeError, EOFError, KeyError, RuntimeError, TypeError, pickle.UnpicklingError) as error:
            reason = "".join(str(error).strip().splitlines()[:1])
            raise ConfigurationError(
                f"{file}: does not hold the weights of utmos22_strong ({type(error).__name__}: {reason})"
            ) from error
        self._weights = {"sha256": file_digest(file)}

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Rate each request's recording, one at a time."""
        return [Response(text=f"{self._rate(request):.4f}") for request in requests]

    def _rate(self, request: Request) -> float:
        import torch

        waveform = torch.from_numpy(recording(request, _SAMPLE_RATE))[None].to(self._device)
        with torch.inference_mode():
            frames = self._parts["wav2vec2"](waveform).last_hidden_state
            judged = self._parts["embeddings"](torch.zeros(frames.shape[:2], dtype=torch.long, device=self._device))
            states, _ = self._parts["blstm"](torch.cat([frames, judged], dim=2))
            score = self._parts["projection"](states).mean() * 2 + 3  # it was trained on scores from -1 to 1
        return float(score)

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights by content, the device and the versions of the libraries."""
        return {
            "adapter": "utmos",
            "weights": self._weights,
            "device": self._device,
            "versions": {name: metadata.version(name) for name in ("torch", "transformers")},
        }

    def close(self) -> None:
        """Free the weights."""
        import torch

        del self._parts
        torch.cuda.empty_cache()


def _load(weights: Mapping[str, Any]) -> Any:
    """Return the parts of the network by name, of the sizes that the weights have."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    encoder = {_renamed(key): value for key, value in _under("wav2vec2", weights).items()}
    width = len(encoder["encoder.layer_norm.weight"])
    config = Wav2Vec2Config(
        hidden_size=width,
        num_attention_heads=width // _HEAD_WIDTH,
        num_hidden_layers=sum(key.endswith("attention.q_proj.weight") for key in encoder),
        intermediate_size=len(encoder["encoder.layers.0.feed_forward.intermediate_dense.bias"]),
        conv_dim=[len(encoder[f"feature_extractor.conv_layers.{layer}.conv.weight"]) for layer in range(_CONVOLUTIONS)],
    )
    # One domain and one listener were chosen when the weights were published, so that they are the same every time.
    embeddings = torch.cat([weights["domain_emb"], weights["judge_emb"]], dim=1)
    blstm, projection = _under("blstm", weights), _under("projection", weights)
    states, hidden = blstm["weight_hh_l0"].shape[1], len(projection["0.bias"])
    parts = torch.nn.ModuleDict(
        {
            "wav2vec2": Wav2Vec2Model(config),
            "embeddings": torch.nn.Embedding(1, embeddings.shape[1]),
            "blstm": torch.nn.LSTM(width + embeddings.shape[1], states, batch_first=True, bidirectional=True),
            "projection": torch.nn.Sequential(
                torch.nn.Linear(2 * states, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1)
            ),
        }
    )
    given = {"wav2vec2": encoder, "embeddings": {"weight": embeddings}, "blstm": blstm, "projection": projection}
    for name, part in parts.items():
        part.load_state_dict(given[name])
    return parts


def _under(part: str, weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights of a part, by their names within it."""
    return {key.removeprefix(f"{part}."): value for key, value in weights.items() if key.startswith(f"{part}.")}


def _renamed(key: str) -> str:
    for pattern, name in _NAMES:
        key = re.sub(pattern, name, key)
    return key
