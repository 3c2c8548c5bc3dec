"""Kimi-Audio by its authors' package, in a Python of its own (``model.python=``): it does not go beside this evalkit's.

Repository MoonshotAI/Kimi-Audio, package ``kimia_infer``, whose class ``KimiAudio`` has the call, the messages and the
settings that are used here. Runs with nothing of evalkit's but ``evalkit_worker``.
"""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from evalkit_worker import ConfigurationError, Message, Request, Response, Sound

_HEARS = 16_000
_SPEAKS = 24_000
# What requests call decoding settings, and what the package does.
_NAMES = {
    "max_new_tokens": "max_new_tokens",
    "temperature": "text_temperature",
    "top_k": "text_top_k",
    "repetition_penalty": "text_repetition_penalty",
}
_DESCRIBING = ("config.json", "model.safetensors.index.json")


class KimiAudio:
    """Kimi-Audio-7B-Instruct: writes, and speaks if it is told to; one conversation at a time, on a CUDA device.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        speech_output: whether it can be asked to speak, for which its detokenizer is loaded too.
        settings: of the package's ``generate``, by its own names, such as ``text_temperature``.
        seed: of what is drawn at random; the same for every request, so that none depends on those before it.
        longest_audio: seconds of one recording, and of all of a conversation; what is longer is refused.
        longest_spoken: the same of a conversation that it answers by speech, for which its context is shorter.

    Raises:
        ConfigurationError: the package is not there.
    """

    def __init__(
        self,
        path: str,
        *,
        speech_output: bool = False,
        settings: Mapping[str, Any] | None = None,
        seed: int = 0,
        longest_audio: float | None = None,
        longest_spoken: float | None = None,
    ) -> None:
        try:
            import torch
            from kimia_infer.api.kimia import KimiAudio as Package
        except (ImportError, OSError) as error:
            raise ConfigurationError(
                "Kimi-Audio needs its authors' package kimia_infer in the environment that model.python= names: see "
                f"docs/other_python.md ({error})"
            ) from error
        self.capabilities = {
            "sample_rate": _HEARS,
            "batch_size": 1,
            "speech_output": speech_output,
            "longest_audio": longest_audio,
            "beyond": "refuses",
        }
        self._torch = torch
        self._path = path
        self._seed = seed
        self._longest = {"text": longest_audio, "speech": longest_spoken}
        self._settings = dict(settings or {})
        self._model = Package(model_path=path, load_detokenizer=speech_output)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer the requests, one after another."""
        return [self._answer(request) for request in requests]

    def fingerprint(self) -> dict[str, Any]:
        """Return what decides its answers: weights by their description, settings, versions."""
        versions = {}
        for name in ("kimia_infer", "torch", "transformers"):
            with suppress(metadata.PackageNotFoundError):  # the first may be a folder on the path
                versions[name] = metadata.version(name)
        files = [file for name in _DESCRIBING if (file := Path(self._path) / name).is_file()]
        return {
            "adapter": "kimi_audio",
            "path": self._path,
            "weights": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
            "settings": self._settings,
            "seed": self._seed,
            "versions": versions,
        }

    def _answer(self, request: Request) -> Response:
        settings = {**self._settings, **_settings_of(request.generation)}
        seconds = sum(len(sound.samples) / sound.rate for sound in request.sounds)
        longest = self._longest[request.output]
        if longest is not None and seconds > longest:
            reason = f"{seconds:.1f} s of recordings, and it answers no more than {longest:g} s by {request.output}"
            return Response(failure={"kind": "too_long", "message": reason})
        with TemporaryDirectory() as folder:  # the package takes recordings as files alone
            messages = [part for message in request.messages for part in _parts(message, Path(folder))]
            answers = [self._one(request, messages, settings, number) for number in range(request.replies)]
        text, speech = answers[0]
        replies = tuple(reply for reply, _ in answers) if request.replies > 1 else ()
        return Response(text, speech=speech, replies=replies)

    def _one(
        self, request: Request, messages: list[dict[str, str]], settings: Mapping[str, Any], number: int
    ) -> tuple[str, Sound | None]:
        self._torch.manual_seed(self._seed + 1_000 * request.attempt + number)
        spoken = request.output == "speech"
        samples, text = self._model.generate(messages, output_type="both" if spoken else "text", **settings)
        if not spoken or samples is None:
            return text, None
        return text, Sound(samples.detach().float().cpu().reshape(-1).numpy(), _SPEAKS)


def _settings_of(generation: Mapping[str, Any]) -> dict[str, Any]:
    """Return decoding settings of a request by the package's names.

    Raises:
        ConfigurationError: it has no such setting.
    """
    wanted = dict(generation)
    if wanted.pop("do_sample", None) is False:
        wanted["temperature"] = 0.0
    for name in wanted:
        if name not in _NAMES:
            raise ConfigurationError(f"Kimi-Audio has no decoding setting '{name}' (there are {', '.join(_NAMES)})")
    return {_NAMES[name]: value for name, value in wanted.items()}


def _parts(message: Message, folder: Path) -> list[dict[str, str]]:
    """Return a turn as the package has it: each part by itself, what is heard as a file.

    Raises:
        ValueError: it is no turn of the user or the assistant.
    """
    if message.role not in ("user", "assistant"):
        raise ValueError(f"Kimi-Audio takes no message of the role '{message.role}'")
    parts = []
    for part in message.content:
        if isinstance(part, Sound):
            if message.role == "user":  # what it said itself it is given in words
                parts.append(("audio", str(_written(part, folder))))
        elif part:
            parts.append(("text", part))
    return [{"role": message.role, "message_type": kind, "content": content} for kind, content in parts]


def _written(sound: Sound, folder: Path) -> Path:
    """Write a recording as a WAV file of 16 bits, and return where it lies."""
    path = folder / f"{len(list(folder.iterdir()))}.wav"
    samples = np.clip(np.rint(sound.samples * 32_768), -32_768, 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.rate)
        file.writeframes(samples.tobytes())
    return path
