"""Granite Speech of IBM (versions 3.3 and 4.1 plus), which writes down and translates recordings."""

import importlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError, DataError, first_line
from evalkit.hints import install_command
from evalkit.types import Message, Request
from model_adapters.transformers.conversation import sound
from model_adapters.transformers.written import WritingCheckpoint

_SAMPLE_RATE = 16_000


class GraniteSpeech(WritingCheckpoint):
    """A Granite Speech.

    Its encoder sees the padding of a batch, so that only requests whose recordings are equally long share one. What it
    learnt about speech lies in an adapter (LoRA) that a recording switches on; without the library peft transformers
    would load the checkpoint without it, and warn at most.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        **settings: batch_size, max_new_tokens, seed, device, dtype, revision and local_files_only, as
            ``WritingCheckpoint`` has them.

    Raises:
        ConfigurationError: a library or the weights are not there, the checkpoint's adapter included, or it is no
            Granite Speech.
    """

    name = "granite_speech"
    classes = {  # noqa: RUF012 - the base class says that it is a constant
        "granite_speech": "GraniteSpeechForConditionalGeneration",
        "granite_speech_plus": "GraniteSpeechPlusForConditionalGeneration",
    }
    extra = "granite-speech"

    def _load(self, path: str, dtype: Any, source: Mapping[str, Any]) -> tuple[Any, Any]:
        for library in ("peft", "torchaudio"):
            try:
                importlib.import_module(library)
            except (ImportError, OSError, RuntimeError) as error:  # one built for another PyTorch raises the last two
                raise ConfigurationError(
                    f"Granite Speech needs the library {library}: {install_command(self.extra)} ({first_line(error)})"
                ) from error
        model, processor = super()._load(path, dtype, source)
        check_adapter_weights(model, path)
        return model, processor

    def _form(self, request: Request) -> Hashable:
        return tuple(len(sound(recording, _SAMPLE_RATE)) for recording in request.audio)

    def _inputs(self, requests: Sequence[Request]) -> Any:
        return self._processor(
            text=[prompt(self._processor.tokenizer, self._processor.audio_token, request) for request in requests],
            audio=[sound(recording, _SAMPLE_RATE) for request in requests for recording in request.audio] or None,
            text_kwargs={"padding": True, "padding_side": "left"},
            return_tensors="pt",
        )


def prompt(tokenizer: Any, audio_token: str, request: Request) -> str:
    """Return the text that the model continues: its template takes plain texts, where a token stands for a recording.

    Args:
        tokenizer: of the checkpoint, with its chat template.
        audio_token: what stands for a recording.
        request: to put.

    Raises:
        DataError: the words of the request hold that token.
    """
    conversation = [{"role": message.role, "content": _text(message, audio_token)} for message in request.messages]
    text: str = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
    return text


def check_adapter_weights(model: Any, path: str) -> None:
    """Refuse a model whose checkpoint should have an adapter for speech and was loaded without one.

    Raises:
        ConfigurationError: it is not there.
    """
    if model.config.has_lora_adapter and not model._hf_peft_config_loaded:
        raise ConfigurationError(
            f"{path}: no adapter_config.json with the weights for speech, without which its answers mean nothing"
        )


def _text(message: Message, audio_token: str) -> str:
    words = [part for part in message.content if not isinstance(part, Audio)]
    if any(audio_token in part for part in words):
        raise DataError(f"the words of the question hold {audio_token}, which stands for a recording")
    return "".join(audio_token if isinstance(part, Audio) else part for part in message.content)
