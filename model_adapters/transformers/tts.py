"""Text-to-speech checkpoints of the library transformers that make a waveform: VITS and MMS-TTS, Bark and others."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Literal, get_args

import numpy as np

from evalkit.adapter import ModelAdapter
from evalkit.audio import Waveform
from evalkit.errors import ConfigurationError
from evalkit.hints import check_choice
from evalkit.types import Failure, Request, Response
from model_adapters.shared.voice import said, voice_capabilities, words_to_say
from model_adapters.transformers.checkpoint import (
    checked_dtype,
    chosen_device,
    import_torch,
    load_complete,
    loading,
    weights_identity,
)

UnknownCharacters = Literal["refuse", "leave_out"]


class TransformersTts(ModelAdapter):
    """A checkpoint that speaks what is written: any that the library's pipeline ``text-to-audio`` takes.

    Most draw random numbers (VITS: for duration and timbre), from a seed that is set anew for every text; texts are
    spoken one at a time, so that what is asked together changes no answer. A voice with an alphabet (VITS) leaves
    out what is not in it without a word; here that is a failure which says so. Code that comes with a checkpoint is
    never run.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        preparation: arguments of the checkpoint's processor, such as Bark's ``voice_preset``.
        synthesis: arguments of ``generate``, such as ``tgt_lang`` of SeamlessM4T, for the checkpoints that have it.
        languages: codes of the languages that it speaks; None for any.
        unknown_characters: what to do about letters and digits that are not in the alphabet: ``refuse`` the text, or
            ``leave_out`` the characters and note them.
        seed: of what is drawn at random.
        device: ``cpu``, ``cuda``, ``cuda:1`` and so on, or ``auto`` for a GPU if there is one.
        dtype: ``float32``, ``float16`` or ``bfloat16``.
        revision: branch, tag or commit of a name on the hub.
        local_files_only: never ask the hub, use what was downloaded before.

    Raises:
        ConfigurationError: the libraries or the weights are not there, or the checkpoint does not speak.
    """

    def __init__(
        self,
        path: str,
        *,
        preparation: Mapping[str, Any] | None = None,
        synthesis: Mapping[str, Any] | None = None,
        languages: Sequence[str] | None = None,
        unknown_characters: UnknownCharacters = "refuse",
        seed: int = 0,
        device: str = "auto",
        dtype: str = "float32",
        revision: str = "main",
        local_files_only: bool = False,
    ) -> None:
        check_choice("unknown_characters", unknown_characters, get_args(UnknownCharacters))
        import_torch()
        source = {"revision": revision, "local_files_only": local_files_only, "trust_remote_code": False}
        with loading(path):
            self._pipeline = _pipeline(path, chosen_device(device), checked_dtype(dtype), source)
        self._weights = weights_identity(path, revision)
        self._leaves_out = unknown_characters == "leave_out"
        self._seed = seed
        self._settings = {
            "preparation": dict(preparation or {}),
            "synthesis": dict(synthesis or {}),
            "seed": seed,
            "dtype": dtype,
        }
        # The pipeline does not take arguments of `generate`, not even none, for a checkpoint that has it not.
        self._arguments: dict[str, Any] = {
            "preprocess_params": self._settings["preparation"],
            **({"generate_kwargs": self._settings["synthesis"]} if synthesis else {}),
        }
        self._alphabet = _alphabet(path, self._pipeline.tokenizer)
        self.capabilities = voice_capabilities(None if languages is None else frozenset(languages))

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Speak each request's words."""
        return [self._speak(words_to_say(request), request.attempt) for request in requests]

    def _speak(self, words: str, attempt: int) -> Response:
        if unknown := self._unknown(words):
            shown = " ".join(unknown)
            sayable = any(character.isalnum() and character not in unknown for character in words.lower())
            if not (self._leaves_out and sayable):
                return Response(failure=Failure("refused", f"the voice's alphabet does not have {shown}"))
            return said(words, *self._waveform(words, attempt), (f"not in the voice's alphabet, left out: {shown}",))
        return said(words, *self._waveform(words, attempt))

    def _unknown(self, words: str) -> list[str]:
        """Return the letters and digits of a text that the voice would leave out, each once."""
        if self._alphabet is None:
            return []
        characters = dict.fromkeys(self._pipeline.tokenizer.normalize_text(words))
        return [each for each in characters if each.isalnum() and each not in self._alphabet]

    def _waveform(self, words: str, attempt: int) -> tuple[Waveform, int]:
        import torch

        devices = [self._pipeline.device] if self._pipeline.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(self._seed + attempt)
            spoken = self._pipeline(words, **self._arguments)
        audio = np.asarray(spoken["audio"], dtype=np.float32)
        return audio.reshape(-1, audio.shape[-1]).mean(axis=0), int(spoken["sampling_rate"])

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights by content, or by hub name and commit; the seed, the voice and the other settings."""
        return {
            "adapter": "transformers_tts",
            "weights": self._weights,
            "device": self._pipeline.device.type,
            **self._settings,
            "versions": {name: metadata.version(name) for name in ("torch", "transformers")},
        }

    def close(self) -> None:
        """Free the weights."""
        import torch

        del self._pipeline
        torch.cuda.empty_cache()


def _pipeline(path: str, device: str, dtype: Any, source: Mapping[str, Any]) -> Any:
    """Load a checkpoint, once it is known to be of a kind that speaks."""
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_TO_WAVEFORM_MAPPING_NAMES

    kind = transformers.AutoConfig.from_pretrained(path, **source).model_type
    if kind not in MODEL_FOR_TEXT_TO_WAVEFORM_MAPPING_NAMES:
        raise ConfigurationError(f"{path}: a checkpoint of type '{kind}' makes no speech of text by itself")
    model_class = transformers.AutoModelForTextToWaveform
    model = load_complete(model_class.from_pretrained, path, dtype, source, "it was not trained to speak")
    processor = transformers.AutoProcessor.from_pretrained(path, **source)  # the tokenizer, where there is no other
    tokenizer = getattr(processor, "tokenizer", processor)
    return transformers.pipeline(
        "text-to-audio",
        model=model.eval(),
        tokenizer=tokenizer,
        processor=processor,
        device=device,
        trust_remote_code=False,
    )


def _alphabet(path: str, tokenizer: Any) -> frozenset[str] | None:
    """Return the characters that a checkpoint of VITS has sounds for; None where other libraries make sounds of text.

    Raises:
        ConfigurationError: such a library is missing.
    """
    import transformers

    if not isinstance(tokenizer, transformers.VitsTokenizer):
        return None
    try:
        tokenizer("a")
    except ImportError as error:
        raise ConfigurationError(f"{path}: a library that makes phonemes of its text is missing ({error})") from error
    if tokenizer.phonemize or not tokenizer.normalize:
        return None
    return frozenset(tokenizer.get_vocab())
