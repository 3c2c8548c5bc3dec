"""Chat models that hear, from checkpoints of the library transformers that its Auto classes and templates cover."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

from evalkit.adapter import Beyond, Capabilities, ModelAdapter
from evalkit.types import Failure, Request, Response, Usage
from model_adapters.shared.seeds import seed_of
from model_adapters.transformers.chat_checkpoint import (
    add_lora,
    feature_extractor,
    load_model,
    load_processor,
    stop_ids,
)
from model_adapters.transformers.checkpoint import checked_dtype, chosen_device, import_torch, loading, weights_identity
from model_adapters.transformers.conversation import model_inputs, recordings, refusal, sound_lengths
from model_adapters.transformers.decoding import Decoding, decoding_of, generation_config


class TransformersChat(ModelAdapter):
    """A checkpoint that is talked to about recordings: Qwen2-Audio, Qwen-Omni's thinkers, Audio Flamingo 3, and others.

    It is asked by its processor's chat template, or where its authors give recognition a request of its own
    (``apply_transcription_request``) and the model does nothing else, by that. Decoding is explicit: greedy, unless a
    prompt profile says otherwise, whatever the checkpoint's own settings are. What shares a batch changes no greedy
    answer in float32: texts are padded on the left, and where a family's answers change with the padding of sound
    (Gemma 3n, Phi-4-multimodal, Fun-ASR-Nano) only recordings of equal length share a batch. Sampled answers are drawn
    one by one, by the seed and the question. Code that comes with a checkpoint is never run.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        device: ``cpu``, ``cuda``, ``cuda:1`` and so on, or ``auto`` for a GPU if there is one.
        dtype: ``float32``, ``float16`` or ``bfloat16``; ``auto`` for bfloat16 on a GPU, as such models are published
            and evaluated, and float32 elsewhere. In the 16-bit ones, rounding may let a batch change a token.
        device_map: how to spread the model over several GPUs, such as ``auto``; goes before ``device``.
        batch_size: how many requests to get at once.
        languages: codes of the languages that the model was made for, None for any.
        chat_template: in Jinja, or a file that holds it, in place of the checkpoint's: for checkpoints without one, or
            to leave out the system message that some put where a conversation has none.
        lora: the folder within the checkpoint with weights in PEFT's format that belong to it.
        longest_audio: seconds of one recording that the model is to get, where that is less than its processor takes.
        beyond: what becomes of longer recordings; see ``Capabilities``.
        seed: of what sampled answers draw.
        revision: branch, tag or commit of a name on the hub.
        local_files_only: never ask the hub, use what was downloaded before.

    Raises:
        ConfigurationError: a library or the weights are not there, or the checkpoint is not of a kind it takes.
    """

    def __init__(
        self,
        path: str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        device_map: str | None = None,
        batch_size: int = 8,
        languages: Sequence[str] | None = None,
        chat_template: str | None = None,
        lora: str | None = None,
        longest_audio: float | None = None,
        beyond: Beyond = "cuts",
        seed: int = 0,
        revision: str = "main",
        local_files_only: bool = False,
    ) -> None:
        import_torch()
        import transformers

        source = {"revision": revision, "local_files_only": local_files_only, "trust_remote_code": False}
        device = chosen_device(device)
        if dtype == "auto":
            dtype = "float32" if device == "cpu" else "bfloat16"
        with loading(path):
            self._processor, self._family = load_processor(path, source, chat_template)
            model = load_model(path, self._family, source, dtype=checked_dtype(dtype), device_map=device_map)
            if lora is not None:
                add_lora(model, path, lora, source)
            self._model = (model if device_map is not None else model.to(device)).eval()
        self._sample_rate: int = feature_extractor(self._processor).sampling_rate
        self._stop_ids = stop_ids(self._model, self._processor.tokenizer, self._family)
        # What generate() is not told it takes from here: samplers and penalties that nobody asked for.
        self._model.generation_config = transformers.GenerationConfig()
        limits = [limit for limit in (longest_audio, self._family.longest_audio(self._processor)) if limit is not None]
        self.capabilities = Capabilities(
            languages=None if languages is None else frozenset(languages),
            sample_rate=self._sample_rate,
            batch_size=batch_size,
            longest_audio=min(limits, default=None),
            beyond=beyond,
        )
        template = json.dumps(self._processor.chat_template)
        self._identity: dict[str, Any] = {
            "weights": weights_identity(path, model),
            "lora": lora,
            "chat_template": hashlib.sha256(template.encode()).hexdigest(),
            "dtype": dtype,
            "seed": seed,
        }
        self._seed = seed

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer requests, those together that can share a batch without any of them noticing.

        Raises:
            ConfigurationError: a decoding setting is not known.
            AudioError: a recording cannot be read.
        """
        responses: dict[int, Response] = {}
        alike: dict[Any, list[int]] = {}
        for index, request in enumerate(requests):
            if (reason := refusal(self._processor, self._family, request)) is not None:
                responses[index] = Response(failure=Failure("refused", reason))
                continue
            settings = json.dumps(dict(request.generation), sort_keys=True)
            lengths = sound_lengths(request, self._sample_rate) if self._family.equal_lengths else ()
            alike.setdefault((settings, len(recordings(request)), lengths), []).append(index)
        for together in alike.values():
            batch = [requests[index] for index in together]
            decoding = decoding_of(batch[0].generation, self._family)
            answer = self._sampled if decoding.samples else self._greedy
            responses |= zip(together, answer(batch, decoding), strict=True)
        return [responses[index] for index in range(len(requests))]

    def _greedy(self, batch: Sequence[Request], decoding: Decoding) -> list[Response]:
        return [
            replace(answer, replies=(answer.text,) * request.replies if request.replies > 1 else ())
            for request, answer in zip(batch, self._answers(batch, decoding), strict=True)
        ]

    def _sampled(self, batch: Sequence[Request], decoding: Decoding) -> list[Response]:
        """Answer each request by itself: what is drawn would otherwise depend on what else is in the batch."""
        torch = import_torch()
        responses = []
        for request in batch:
            replies = []
            for number in range(request.replies):
                torch.manual_seed(seed_of(request, self._seed, number))
                replies += self._answers([request], decoding)
            texts = tuple(reply.text for reply in replies)
            usage = sum((reply.usage or Usage() for reply in replies), Usage())
            responses.append(replace(replies[0], replies=texts if len(texts) > 1 else (), usage=usage))
        return responses

    def _answers(self, batch: Sequence[Request], decoding: Decoding) -> list[Response]:
        """Generate one answer to each request."""
        torch = import_torch()
        tokenizer = self._processor.tokenizer
        inputs = model_inputs(self._processor, self._family, batch).to(self._model.device, dtype=self._model.dtype)
        audio_id = getattr(self._processor, "audio_token_id", None)
        config = generation_config(decoding, self._stop_ids, tokenizer.pad_token_id, audio_id)
        stopping = {"stop_strings": list(decoding.stop), "tokenizer": tokenizer} if decoding.stop else {}
        with torch.inference_mode():
            sequences = self._model.generate(**inputs, generation_config=config, **stopping)
        written = sequences[:, inputs["input_ids"].shape[1] :].tolist()
        texts = self._processor.decode(written, skip_special_tokens=True, **decoding.reading)
        audio_tokens = (inputs["input_ids"] == (-1 if audio_id is None else audio_id)).sum(dim=1).tolist()
        read = inputs["attention_mask"].sum(dim=1).tolist()
        return [self._response(decoding, *answer) for answer in zip(texts, written, read, audio_tokens, strict=True)]

    def _response(
        self, decoding: Decoding, text: str, written: Sequence[int], read: int, audio_tokens: int
    ) -> Response:
        length = next((at for at, token in enumerate(written) if token in self._stop_ids), None)
        stopped = length is not None or any(stop in text for stop in decoding.stop)
        usage = Usage(
            input_tokens=read,
            output_tokens=len(written) if length is None else length,
            input_audio_tokens=audio_tokens,
        )
        return Response(decoding.answer(text), finish_reason="stop" if stopped else "length", usage=usage)

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights by content, or by hub name and commit; the template, the arithmetic, the longest audio."""
        return {
            "adapter": "transformers_chat",
            **self._identity,
            "device": self._model.device.type,
            "longest_audio": self.capabilities.longest_audio,
            "beyond": self.capabilities.beyond,
            "versions": {name: metadata.version(name) for name in ("torch", "transformers")},
        }

    def close(self) -> None:
        """Free the weights."""
        import torch

        del self._model
        torch.cuda.empty_cache()
