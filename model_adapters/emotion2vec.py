"""emotion2vec, which hears emotions in speech, on the library FunASR (https://github.com/modelscope/FunASR).

Ma et al., "emotion2vec: Self-Supervised Pre-Training for Speech Emotion Representation" (arXiv 2312.15185).
"""

import json
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.types import Request, Response
from model_adapters.shared.funasr_models import find_folder, import_funasr, load
from model_adapters.shared.one_recording import recording
from model_adapters.shared.weights import file_digest

_SAMPLE_RATE = 16_000
_DECIMALS = 7
_FILES = ("config.yaml", "model.pt", "tokens.txt")
# FunASR evaluates this setting as Python, so that nothing but a sum of lists of numbers may reach it.
_LAYERS = re.compile(r"[\d\s()\[\],+*]+")
_FOR_TRAINING = r"\.decoder\."


class Emotion2vec(ModelAdapter):
    """A checkpoint of emotion2vec+; the large one is the emotion classifier of URO-Bench.

    The reply is a JSON object of probabilities by label, as FunASR names them (``开心/happy``, ``<unk>``). Labels that
    ``tokens.txt`` marks as unused (``unuse_0``) are left out of the choice, so that copies of a checkpoint that differ
    in this file alone give other probabilities. Of a checkpoint nothing is taken but the architecture's numbers,
    the labels and the weights; code or packages that it asks for are not run or installed.

    Args:
        path: a folder that holds ``config.yaml``, ``model.pt`` and ``tokens.txt``; or a name on the Hugging Face hub.
        device: ``cpu``, ``cuda``, ``cuda:1`` and so on, or ``auto`` for a GPU if there is one.
        revision: branch, tag or commit of a name on the hub.
        local_files_only: never ask the hub, use what was downloaded before.

    Raises:
        ConfigurationError: the library or the weights are not there, or are not of a kind it takes.
    """

    capabilities = Capabilities(sample_rate=_SAMPLE_RATE)

    def __init__(
        self, path: str, *, device: str = "auto", revision: str = "main", local_files_only: bool = False
    ) -> None:
        auto_model = import_funasr("emotion2vec", "emotion2vec")
        folder = find_folder(path, wanted=_FILES, required=_FILES, revision=revision, local_files_only=local_files_only)
        self._weights = {name: file_digest(folder / name) for name in _FILES}
        settings = {
            "model": "Emotion2vec",
            **_architecture(folder),
            "tokenizer": "CharTokenizer",
            "tokenizer_conf": {"token_list": str(folder / "tokens.txt"), "unk_symbol": "<unk>"},
            "init_param": str(folder / "model.pt"),
        }
        self._model = load(auto_model, folder, settings, device=device, untrained=_FOR_TRAINING)
        self._device = str(self._model.kwargs["device"])

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Classify each request's recording, one at a time."""
        return [Response(text=self._classify(request)) for request in requests]

    def _classify(self, request: Request) -> str:
        waveform = recording(request, _SAMPLE_RATE)
        (heard,) = self._model.generate(waveform, granularity="utterance", extract_embedding=False)
        probabilities = zip(heard["labels"], heard["scores"], strict=True)
        return json.dumps({label: round(value, _DECIMALS) for label, value in probabilities}, ensure_ascii=False)

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights, labels and architecture by content; the device; the versions of the libraries."""
        return {
            "adapter": "emotion2vec",
            "weights": {"sha256": self._weights},
            "device": self._device,
            "versions": {name: metadata.version(name) for name in ("funasr", "torch")},
        }

    def close(self) -> None:
        """Free the weights."""
        import torch

        del self._model
        torch.cuda.empty_cache()


def _architecture(folder: Path) -> dict[str, Any]:
    """Return what FunASR is told of ``config.yaml``: sizes of the network, and the names of weights in ``model.pt``."""
    path = folder / "config.yaml"
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        name, sizes = config["model"], config["model_conf"]
        layers = sizes["modalities"]["audio"]["feature_encoder_spec"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path}: not the configuration of a FunASR model ({error})") from error
    if name != "Emotion2vec":
        raise ConfigurationError(f"{path}: the model is '{name}', not Emotion2vec")
    if not _LAYERS.fullmatch(str(layers)):
        raise ConfigurationError(f"{path}: feature_encoder_spec must be a sum of lists of numbers, not {layers!r}")
    return {"model_conf": sizes, "scope_map": list(config.get("scope_map") or [])}
