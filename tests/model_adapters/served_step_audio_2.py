"""The model of this repository behind a server of StepFun's protocol, so that its two adapters can be compared."""

import re
from pathlib import Path
from typing import Any

import torch

from step_audio_2.assistant import Assistant
from step_audio_2.chat import AudioPart, Part, render_base
from step_audio_2.generation import batch, new_tokens
from step_audio_2.special_tokens import AUDIO_START, FIRST_AUDIO_CODE
from tests.servers.backends import Answer, ServedRequest
from tests.servers.step_audio_answers import prompt_of

_BLOCK = re.compile(r"<audio_start>(?:<audio_patch>)+<audio_end>")


def ascii_only(assistant: Assistant) -> Assistant:
    """An assistant that writes plain letters only: a server sends text token by token, and no parts of characters."""
    weights = assistant.model.lm_head.weight
    with torch.no_grad():
        for token in range(AUDIO_START):
            written = assistant.tokenizer.decode([token])
            if token not in assistant.stop_tokens and not re.fullmatch(r"[a-z ]+", written):
                weights[token] = 0
    return assistant


class TinyBackend:
    """What the model writes, token by token, special tokens included.

    Args:
        folder: of a checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        self._assistant = ascii_only(Assistant.from_pretrained(folder))

    def __call__(self, request: ServedRequest) -> Answer:
        texts = _BLOCK.split(prompt_of(request))
        parts: list[Part] = [texts[0]]
        for sound, text in zip(request.sounds, texts[1:], strict=True):
            waveform = torch.from_numpy(sound.samples[:, 0] if sound.samples.ndim == 2 else sound.samples)
            parts += [AudioPart(waveform.float() / 32_768), text]
        prompt = render_base(parts, self._assistant.tokenizer)
        inputs = batch([prompt.input_ids], [prompt.mels], self._assistant.special.pad)
        settings: dict[str, Any] = {"do_sample": False, "max_new_tokens": request.fields["max_tokens"]}
        sequences = self._assistant.model.generate(**inputs, **settings, eos_token_id=self._assistant.stop_tokens)
        stop = self._assistant.stop_tokens
        (ids,) = new_tokens(sequences, len(prompt.input_ids), stop)
        kept = [token for token in ids if token not in stop]
        return Answer(("".join(self._written(token) for token in kept),))

    def _written(self, token: int) -> str:
        if token >= FIRST_AUDIO_CODE:
            return f"<audio_{token - FIRST_AUDIO_CODE}>"
        text: str = self._assistant.tokenizer.decode([token])
        return text
