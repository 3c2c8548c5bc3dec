"""Chat models that hear, from checkpoints of the library transformers that its Auto classes and templates cover."""

import hashlib
import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.adapter import Beyond
from evalkit.errors import ConfigurationError
from evalkit.types import Failure, Request, Response, Usage
from model_adapters.transformers.chat_checkpoint import (
    add_lora,
    feature_extractor,
    load_model,
    load_processor,
    stop_ids,
)
from model_adapters.transformers.conversation import (
    is_transcription,
    model_inputs,
    recordings,
    refusal,
    sound_lengths,
)
from model_adapters.transformers.written import WritingCheckpoint

_ANSWER_AFTER = "answer_after"


class TransformersChat(WritingCheckpoint):
    """A checkpoint that is talked to about recordings: Qwen2-Audio, Qwen-Omni's thinkers, Audio Flamingo 3, and others.

    It is asked by its processor's chat template, or where its authors give recognition a request of its own
    (``apply_transcription_request``) and the model does nothing else, by that. What shares a batch changes no greedy
    answer in float32: texts are padded on the left, and where a family's answers change with the padding of sound
    (Gemma 3n, Phi-4-multimodal, Fun-ASR-Nano) only recordings of equal length share a batch.

    A prompt profile may set ``answer_after`` among the decoding settings, a regular expression: what stands after its
    first match is the answer, and everything where there is none. For models that are asked to write down the words of
    a recording before their translation.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        languages: codes of the languages that the model was made for, None for any.
        chat_template: in Jinja, or a file that holds it, in place of the checkpoint's: for checkpoints without one, or
            to leave out the system message that some put where a conversation has none.
        lora: the folder within the checkpoint with weights in PEFT's format that belong to it.
        longest_audio: seconds of one recording that the model is to get, where that is less than its processor takes.
        beyond: what becomes of longer recordings; see ``Capabilities``.
        **settings: batch_size, max_new_tokens, seed, device, dtype, revision and local_files_only, as
            ``WritingCheckpoint`` has them.

    Raises:
        ConfigurationError: a library or the weights are not there, or the checkpoint is not of a kind it takes.
    """

    name = "transformers_chat"

    def __init__(
        self,
        path: str,
        *,
        languages: Sequence[str] | None = None,
        chat_template: str | None = None,
        lora: str | None = None,
        longest_audio: float | None = None,
        beyond: Beyond = "cuts",
        **settings: Any,
    ) -> None:
        self._chat_template = chat_template
        self._lora = lora
        super().__init__(path, **settings)
        limits = [limit for limit in (longest_audio, self._family.longest_audio(self._processor)) if limit is not None]
        self.capabilities = replace(
            self.capabilities,
            languages=None if languages is None else frozenset(languages),
            sample_rate=feature_extractor(self._processor).sampling_rate,
            longest_audio=min(limits, default=None),
            beyond=beyond,
        )
        template = json.dumps(self._processor.chat_template).encode()
        self._identity |= {
            "chat_template": hashlib.sha256(template).hexdigest(),
            "lora": lora,
            "longest_audio": self.capabilities.longest_audio,
            "beyond": beyond,
        }

    def _load(self, path: str, dtype: Any, source: Mapping[str, Any]) -> tuple[Any, Any]:
        processor, self._family = load_processor(path, source, self._chat_template)
        model = load_model(path, self._family, dtype, source)
        if self._lora is not None:
            add_lora(model, path, self._lora, source)
        return model, processor

    def _reset_decoding(self, path: str) -> list[int]:
        import transformers

        tokenizer = self._processor.tokenizer
        stop = stop_ids(self._model, tokenizer, self._family)
        if not stop:
            raise ConfigurationError(f"{path}: names no token that ends an answer (eos_token)")
        # Sound stands in questions alone: a model that wrote its token would look for sound where there is none.
        audio = getattr(self._processor, "audio_token_id", None)
        self._model.generation_config = transformers.GenerationConfig(
            eos_token_id=stop,
            pad_token_id=tokenizer.pad_token_id,
            suppress_tokens=None if audio is None or audio in stop else [audio],
        )
        return stop

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer requests, those that may share a batch together; what the family does not take fails by itself.

        Raises:
            ConfigurationError: a decoding setting is not known.
            AudioError: a recording cannot be read.
        """
        reasons = [refusal(self._processor, self._family, request) for request in requests]
        askable = [request for request, reason in zip(requests, reasons, strict=True) if reason is None]
        answers = iter(super().generate(askable))
        return [next(answers) if reason is None else Response(failure=Failure("refused", reason)) for reason in reasons]

    def _form(self, request: Request) -> Hashable:
        rate = self.capabilities.sample_rate or 0
        lengths = sound_lengths(request, rate) if self._family.equal_lengths else ()
        return len(recordings(request)), lengths, is_transcription(self._processor, self._family, request)

    def _inputs(self, requests: Sequence[Request]) -> Any:
        return model_inputs(self._processor, self._family, requests)

    def _answer(self, requests: Sequence[Request]) -> list[Response]:
        settings = dict(requests[0].generation)
        beginning = _compiled(settings.pop(_ANSWER_AFTER, None))
        responses = super()._answer([replace(request, generation=settings) for request in requests])
        if beginning is not None:
            responses = [
                replace(
                    response,
                    text=_after(beginning, response.text),
                    replies=tuple(_after(beginning, reply) for reply in response.replies),
                )
                for response in responses
            ]
        return responses

    def _responses(self, requests: Sequence[Request], inputs: Any, answers: Any) -> list[Response]:
        responses = super()._responses(requests, inputs, answers)
        if self._family.reading and is_transcription(self._processor, self._family, requests[0]):
            texts = self._processor.decode(answers.tolist(), skip_special_tokens=True, **self._family.reading)
            responses = [replace(response, text=text.strip()) for response, text in zip(responses, texts, strict=True)]
        audio = getattr(self._processor, "audio_token_id", None)
        heard = [0] * len(responses) if audio is None else (inputs["input_ids"] == audio).sum(dim=1).tolist()
        return [
            replace(response, usage=replace(response.usage or Usage(), input_audio_tokens=count))
            for response, count in zip(responses, heard, strict=True)
        ]


def _compiled(pattern: Any) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except (TypeError, re.error) as error:
        raise ConfigurationError(f"{_ANSWER_AFTER}: {pattern!r} is no regular expression ({error})") from error


def _after(beginning: re.Pattern[str], text: str) -> str:
    match = beginning.search(text)
    return text if match is None else text[match.end() :].strip()
