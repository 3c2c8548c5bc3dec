"""Audio classification checkpoints of the library transformers: emotion, gender, language and the like."""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any

from evalkit.adapter import Capabilities
from evalkit.audio import Waveform
from evalkit.errors import ConfigurationError
from evalkit.types import Request, Response
from model_adapters.shared.one_recording import recording
from model_adapters.shared.torch_memory import OnTorch
from model_adapters.transformers.checkpoint import chosen_device, import_torch, load_weights, loading, weights_identity

# Their feature extractors cut or fill every recording to one length, so whatever shares a batch is equally long.
_FIXED_WINDOW = frozenset({"audio-spectrogram-transformer", "whisper"})
# Replaces what is masked in training; checkpoints may lack it, and nothing is masked here.
_TRAINING_ONLY = "masked_spec_embed"
_DECIMALS = 7


class AudioClassifier(OnTorch):
    """A checkpoint that puts recordings into classes: Wav2Vec 2.0, HuBERT, WavLM, AST, Whisper and others.

    The reply is a JSON object of probabilities by label, which sum to 1: what the role ``emotion_classifier`` is asked
    for. What shares a batch changes no answer: only recordings of exactly equal length do, unless the model hears all
    of them through one window (AST, Whisper), beyond which it hears nothing. Code that comes with a checkpoint is
    never run.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        labels: what a benchmark calls the checkpoint's labels, such as ``{"ang": "angry"}``; probabilities of labels
            with one name are added up, and a label that is not listed keeps its name.
        device: ``cpu``, ``cuda``, ``cuda:1`` and so on, or ``auto`` for a GPU if there is one.
        batch_size: how many recordings to get at once.
        revision: branch, tag or commit of a name on the hub.
        local_files_only: never ask the hub, use what was downloaded before.

    Raises:
        ConfigurationError: the libraries or the weights are not there, the checkpoint is no trained classifier with
            classes that exclude one another, or ``labels`` names a label that it does not have.
    """

    def __init__(
        self,
        path: str,
        *,
        labels: Mapping[str, str] | None = None,
        device: str = "auto",
        batch_size: int = 8,
        revision: str = "main",
        local_files_only: bool = False,
    ) -> None:
        import_torch()
        source = {"revision": revision, "local_files_only": local_files_only, "trust_remote_code": False}
        with loading(path):
            self._extractor, model = _load(path, source)
            self._model = model.eval().to(chosen_device(device))
        self._weights = weights_identity(path, revision)
        self._labels = _renamed(
            path, [str(model.config.id2label[index]) for index in range(model.config.num_labels)], labels
        )
        self._fixed_window = model.config.model_type in _FIXED_WINDOW
        self.capabilities = Capabilities(sample_rate=self._extractor.sampling_rate, batch_size=batch_size)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Classify each request's recording."""
        waveforms = [recording(request, self._extractor.sampling_rate) for request in requests]
        texts = [""] * len(requests)
        for together in self._batches(waveforms):
            for index, text in zip(together, self._classify([waveforms[index] for index in together]), strict=True):
                texts[index] = text
        return [Response(text=text) for text in texts]

    def _batches(self, waveforms: Sequence[Waveform]) -> Iterable[list[int]]:
        """Return the positions of the recordings that can be classified together without any of them noticing."""
        batches: dict[int, list[int]] = {}
        for index, waveform in enumerate(waveforms):
            batches.setdefault(0 if self._fixed_window else len(waveform), []).append(index)
        return batches.values()

    def _classify(self, waveforms: list[Waveform]) -> list[str]:
        import torch

        inputs = self._extractor(waveforms, sampling_rate=self._extractor.sampling_rate, return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(**inputs.to(self._model.device)).logits
        # In double precision, so that rounding alone keeps the sum from being exactly 1.
        return [self._reply(probabilities) for probabilities in logits.double().softmax(dim=-1).tolist()]

    def _reply(self, probabilities: Sequence[float]) -> str:
        by_label = dict.fromkeys(self._labels, 0.0)
        for label, probability in zip(self._labels, probabilities, strict=True):
            by_label[label] += probability
        return json.dumps({label: round(value, _DECIMALS) for label, value in by_label.items()}, ensure_ascii=False)

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights by content, or by hub name and commit; the arithmetic; the classes' names, in order."""
        return {
            "adapter": "audio_classifier",
            "weights": self._weights,
            "device": self._model.device.type,
            "labels": self._labels,
            "versions": {name: metadata.version(name) for name in ("torch", "transformers")},
        }

    def close(self) -> None:
        """Free the weights."""
        import torch

        del self._model
        torch.cuda.empty_cache()


def _load(path: str, source: Mapping[str, Any]) -> tuple[Any, Any]:
    """Load feature extractor and model of a checkpoint, once it is known to be a classifier of the right kind."""
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(path, **source)
    if type(config) not in transformers.MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING:
        raise ConfigurationError(f"{path}: a checkpoint of type '{config.model_type}' does not classify audio")
    if config.problem_type not in (None, "single_label_classification"):
        raise ConfigurationError(
            f"{path}: its problem_type is {config.problem_type}; wanted are classes that exclude one another"
        )
    extractor = transformers.AutoFeatureExtractor.from_pretrained(path, **source)
    model_class = transformers.AutoModelForAudioClassification
    model, missing = load_weights(model_class.from_pretrained, path, torch.float32, source)
    if missing := [key for key in missing if not key.endswith(_TRAINING_ONLY)]:
        raise ConfigurationError(
            f"{path}: no trained weights for {', '.join(missing[:3])}; it was not trained for audio classification, or "
            "not with this library"
        )
    return extractor, model


def _renamed(path: str, own: Sequence[str], names: Mapping[str, str] | None) -> list[str]:
    """Return the checkpoint's labels in its order, by the names that a benchmark has for them."""
    names = names or {}
    if unknown := sorted(set(names) - set(own)):
        raise ConfigurationError(f"labels: {path} has no label '{unknown[0]}'; it has {', '.join(own)}")
    return [names.get(label, label) for label in own]
