"""Checkpoints of transformers that are asked in words and recordings, and answer in words."""

import json
from abc import abstractmethod
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.adapter import Capabilities
from evalkit.errors import ConfigurationError
from evalkit.types import Request, Response, Usage
from model_adapters.shared.decoding import SETTINGS, decoding_settings, request_seed
from model_adapters.transformers.prompted import PromptedCheckpoint

# Without `stop`: a text to stop at is looked for token by token, and a byte of a Chinese character has no text.
_SETTINGS = tuple(name for name in SETTINGS if name != "stop")


class WritingCheckpoint(PromptedCheckpoint):
    """A checkpoint that writes answers: greedily, unless a prompt profile says otherwise.

    Nothing of how a checkpoint would decode by itself is used but the tokens at which it stops. Sampled answers are
    made one by one, from seeds that depend on the question, so that they do not depend on what else is asked.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        batch_size: how many requests to get at once.
        max_new_tokens: the most that an answer may have, where a prompt profile does not say.
        seed: of what sampled answers draw.
        **loading: device, dtype, revision and local_files_only, as ``PromptedCheckpoint`` has them.

    Raises:
        ConfigurationError: the libraries or the weights are not there, or the checkpoint is of another kind.
    """

    def __init__(
        self, path: str, *, batch_size: int = 8, max_new_tokens: int = 1024, seed: int = 0, **loading: Any
    ) -> None:
        super().__init__(path, **loading)
        self._max_new_tokens = max_new_tokens
        self._seed = seed
        self._identity |= {"max_new_tokens": max_new_tokens, "seed": seed}
        self._stop = self._reset_decoding(path)
        self.capabilities = Capabilities(sample_rate=16_000, batch_size=batch_size)

    def _reset_decoding(self, path: str) -> list[int]:
        """Drop the checkpoint's own decoding settings, and return the ids of the tokens that end an answer."""
        from transformers import GenerationConfig

        own = self._model.generation_config
        stop = own.eos_token_id
        if stop is None:
            stop = self._model.config.get_text_config().eos_token_id
        if stop is None:
            raise ConfigurationError(f"{path}: neither generation_config.json nor config.json names an eos_token_id")
        ids = [stop] if isinstance(stop, int) else list(stop)
        padding = ids[0] if own.pad_token_id is None else own.pad_token_id
        self._model.generation_config = GenerationConfig(
            bos_token_id=own.bos_token_id, eos_token_id=ids, pad_token_id=padding
        )
        return ids

    def _alike(self, request: Request) -> Hashable:
        return json.dumps(dict(request.generation), sort_keys=True), self._form(request)

    @abstractmethod
    def _form(self, request: Request) -> Hashable:
        """Return what requests with equal decoding settings must agree in to be answered in one batch."""

    @abstractmethod
    def _inputs(self, requests: Sequence[Request]) -> Any:
        """Return what ``generate`` takes: a padded batch of tensors, ``input_ids`` and ``attention_mask`` among it."""

    def _answer(self, requests: Sequence[Request]) -> list[Response]:
        settings = {
            "max_new_tokens": self._max_new_tokens,
            "num_beams": 1,
            **decoding_settings(requests[0].generation, model=self.name, known=_SETTINGS),
        }
        if not settings["do_sample"]:
            return self._generated(requests, settings)
        # Said outright: the library would choose among the 50 likeliest.
        settings = {"top_k": 0, "top_p": 1.0, **settings}
        return [self._sampled(request, settings) for request in requests]

    def _sampled(self, request: Request, settings: Mapping[str, Any]) -> Response:
        import torch

        answers = []
        for number in range(request.replies):
            torch.manual_seed(request_seed(request, self._seed, number))
            answers += self._generated([request], settings)
        first, texts = answers[0], tuple(answer.text for answer in answers)
        return replace(first, replies=texts) if len(texts) > 1 else first

    def _generated(self, requests: Sequence[Request], settings: Mapping[str, Any]) -> list[Response]:
        import torch

        inputs = self._inputs(requests).to(self._model.device, dtype=self._model.dtype)
        with torch.inference_mode():
            tokens = self._model.generate(**inputs, **settings)
        return self._responses(requests, inputs, tokens[:, inputs["input_ids"].shape[1] :])

    def _responses(
        self,
        requests: Sequence[Request],  # noqa: ARG002 - how an answer is read may depend on what was asked
        inputs: Any,
        answers: Any,
    ) -> list[Response]:
        """Return a response to each request, of the tokens [answers, longest] that followed its prompt."""
        return responses_of(
            self._processor.tokenizer,
            answers,
            stop=self._stop,
            input_tokens=inputs["attention_mask"].sum(dim=1).tolist(),
        )


def responses_of(tokenizer: Any, answers: Any, *, stop: Collection[int], input_tokens: Sequence[int]) -> list[Response]:
    """Return a response for each row of tokens.

    Args:
        tokenizer: of the model.
        answers: the tokens [answers, longest] that follow the prompt; a stop token ends each, unless it was cut short,
            and what comes after it does not count.
        stop: ids of the tokens that end an answer.
        input_tokens: how many each prompt has.
    """
    responses = []
    for row, read in zip(answers.tolist(), input_tokens, strict=True):
        length = next((place for place, token in enumerate(row) if token in stop), None)
        tokens = row[:length]
        responses.append(
            Response(
                text=tokenizer.decode(tokens, skip_special_tokens=True).strip(),
                finish_reason="length" if length is None else "stop",
                usage=Usage(input_tokens=int(read), output_tokens=len(tokens)),
            )
        )
    return responses
