"""Speech recognition checkpoints of the library transformers: Whisper, other encoder-decoders, and CTC models."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from itertools import groupby
from typing import Any

from evalkit.adapter import Capabilities
from evalkit.audio import Waveform
from evalkit.errors import ConfigurationError
from evalkit.types import Request, Response
from model_adapters.shared.one_recording import recording
from model_adapters.shared.torch_memory import OnTorch
from model_adapters.transformers.checkpoint import (
    checked_dtype,
    chosen_device,
    import_torch,
    load_complete,
    loading,
    weights_identity,
)
from model_adapters.whisper.languages import language_token, understood_languages

# Encoder-decoders that take a recording and nothing else; others want a prompt, and an adapter of their own.
_ENCODER_DECODERS = frozenset({"moonshine", "speech-encoder-decoder", "speech_to_text", "whisper"})
# For checkpoints that set no limit: the library's own, 20 tokens, cuts sentences short without a word.
_MOST_TOKENS = 448


class TransformersAsr(OnTorch):
    """A checkpoint for speech recognition, decoded greedily unless ``generation`` says otherwise.

    What shares a batch changes no answer. Whisper hears every recording in a window of 30 seconds, so recordings are
    batched freely, and longer ones go through the library's long-form decoding one by one. Recordings would have to
    be padded for any other model, and many models notice (Wav2Vec 2.0 base, Moonshine), so only those of exactly
    equal length share a batch. Code that comes with a checkpoint is never run.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        device: ``cpu``, ``cuda``, ``cuda:1`` and so on, or ``auto`` for a GPU if there is one.
        dtype: ``float32``, ``float16`` or ``bfloat16``. In the last two, rounding may let a batch change a token.
        batch_size: how many recordings to get at once.
        languages: codes of the languages a checkpoint was trained for, None for any; Whisper knows its own.
        generation: settings of ``generate`` by their names in transformers, such as ``num_beams``.
        revision: branch, tag or commit of a name on the hub.
        local_files_only: never ask the hub, use what was downloaded before.

    Raises:
        ConfigurationError: the libraries or the weights are not there, or the checkpoint is not of a kind it takes.
    """

    def __init__(
        self,
        path: str,
        *,
        device: str = "auto",
        dtype: str = "float32",
        batch_size: int = 8,
        languages: Sequence[str] | None = None,
        generation: Mapping[str, Any] | None = None,
        revision: str = "main",
        local_files_only: bool = False,
    ) -> None:
        import_torch()
        self._dtype = dtype
        self._device = chosen_device(device)
        source = {"revision": revision, "local_files_only": local_files_only, "trust_remote_code": False}
        with loading(path):
            self._processor, model = _load(path, checked_dtype(dtype), source)
            self._model = model.eval().to(self._device)
        self._weights = weights_identity(path, revision)
        self._generation = {"do_sample": False, "num_beams": 1, **(generation or {})}
        self._language_tokens: tuple[str, ...] = ()
        if model.config.model_type == "whisper":
            self._language_tokens = _language_tokens(model)
            languages = sorted(understood_languages(self._language_tokens))
        elif model.can_generate() and not (
            model.generation_config.max_length or model.generation_config.max_new_tokens
        ):
            self._generation.setdefault("max_new_tokens", _MOST_TOKENS)
        self._sample_rate: int = self._processor.feature_extractor.sampling_rate
        self.capabilities = Capabilities(
            languages=None if languages is None else frozenset(languages),
            sample_rate=self._sample_rate,
            batch_size=batch_size,
        )

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Transcribe each request's recording."""
        waveforms = [recording(request, self._sample_rate) for request in requests]
        texts = [""] * len(requests)
        for together in self._batches(requests, waveforms):
            language = requests[together[0]].language
            transcripts = self._transcribe([waveforms[index] for index in together], language)
            for index, text in zip(together, transcripts, strict=True):
                texts[index] = text.strip()
        return [Response(text=text) for text in texts]

    def cost(self, request: Request) -> float:
        """Return the seconds of the recording, and for Whisper those of the window in which it hears any recording."""
        window = self._processor.feature_extractor.chunk_length if self._language_tokens else 0
        return float(window) + super().cost(request)

    def _batches(self, requests: Sequence[Request], waveforms: Sequence[Waveform]) -> Iterable[list[int]]:
        """Return the positions of the recordings that can be decoded together without any of them noticing."""
        batches: dict[tuple[str | None, int], list[int]] = {}
        for index, (request, waveform) in enumerate(zip(requests, waveforms, strict=True)):
            # Only these share a batch: equally long recordings, or for Whisper all that fit its window.
            alike = len(waveform)
            if self._language_tokens:
                alike = index + 1 if self._is_long(waveform) else 0
            batches.setdefault((request.language, alike), []).append(index)
        return batches.values()

    def _is_long(self, waveform: Waveform) -> bool:
        return bool(len(waveform) > self._processor.feature_extractor.n_samples)

    def _transcribe(self, waveforms: list[Waveform], language: str | None) -> list[str]:
        import torch

        preparation: dict[str, Any] = {}
        generation = dict(self._generation)
        if self._language_tokens:
            if self._is_long(waveforms[0]):
                preparation = {"truncation": False, "padding": "longest"}
                generation["return_timestamps"] = True
            if self._model.generation_config.is_multilingual:
                generation |= {"task": "transcribe", "language": language_token(language, self._language_tokens)}
        inputs = self._processor(waveforms, sampling_rate=self._sample_rate, return_tensors="pt", **preparation)
        inputs = inputs.to(self._device, dtype=self._model.dtype)
        with torch.inference_mode():
            if self._model.can_generate():
                tokens = self._model.generate(**inputs, **generation)
                return list(self._processor.batch_decode(tokens, skip_special_tokens=True))
            frames = self._model(**inputs).logits.argmax(dim=-1)
        tokens = merge_frames(frames.tolist(), blank=self._processor.tokenizer.pad_token_id)
        return list(self._processor.batch_decode(tokens, skip_special_tokens=True, group_tokens=False))

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights by content, or by hub name and commit; the arithmetic; the decoding settings."""
        return {
            "adapter": "transformers_asr",
            "weights": self._weights,
            "device": self._model.device.type,
            "dtype": self._dtype,
            "generation": self._generation,
            "versions": {name: metadata.version(name) for name in ("torch", "transformers")},
        }

    def close(self) -> None:
        """Free the weights."""
        import torch

        del self._model
        torch.cuda.empty_cache()


def merge_frames(frames: Iterable[Sequence[int]], *, blank: int) -> list[list[int]]:
    """Return the tokens that CTC reads from those of its frames: each run of equal ones once, and no blanks.

    The library would leave out the blank among the special tokens before it merges, and double letters with it.

    >>> merge_frames([[7, 7, 0, 7, 8, 0]], blank=0)
    [[7, 7, 8]]
    """
    return [[token for token, _ in groupby(row) if token != blank] for row in frames]


def _load(path: str, dtype: Any, source: Mapping[str, Any]) -> tuple[Any, Any]:
    """Load processor and model of a checkpoint, once it is known to be of a kind that can be used."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(path, **source)
    if config.model_type in _ENCODER_DECODERS:
        model_class = transformers.AutoModelForSpeechSeq2Seq
    elif type(config) in transformers.MODEL_FOR_CTC_MAPPING:
        model_class = transformers.AutoModelForCTC
    else:
        raise ConfigurationError(
            f"{path}: a checkpoint of type '{config.model_type}' is no recogniser that works without a prompt; "
            f"usable are CTC models and {', '.join(sorted(_ENCODER_DECODERS))}"
        )
    processor = transformers.AutoProcessor.from_pretrained(path, **source)
    why = "it was not trained for speech recognition"
    model = load_complete(model_class.from_pretrained, path, dtype, source, why)
    return processor, model


def _language_tokens(whisper: Any) -> tuple[str, ...]:
    """Return the language codes of a Whisper checkpoint's tokens; ``en`` alone for the English-only ones."""
    settings = whisper.generation_config
    if not hasattr(settings, "is_multilingual"):
        raise ConfigurationError(
            f"{whisper.name_or_path}: its generation_config.json does not say which languages it knows; "
            "copy that file from the Whisper checkpoint it was trained from"
        )
    return tuple(token.strip("<|>") for token in settings.lang_to_id) if settings.is_multilingual else ("en",)
