"""Whisper on CTranslate2, through the library faster-whisper (https://github.com/SYSTRAN/faster-whisper)."""

import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.hints import install_command
from evalkit.types import Request, Response
from model_adapters.shared.hub import fetching
from model_adapters.shared.one_recording import recording
from model_adapters.shared.weights import folder_digest
from model_adapters.whisper.languages import language_token, understood_languages
from model_adapters.whisper.packaged_weights import PREFIX, packaged_folder

_SAMPLE_RATE = 16_000
_WINDOW_SECONDS = 30


class FasterWhisper(ModelAdapter):
    """Whisper checkpoints in CTranslate2's format.

    One recording is decoded at a time, so an answer depends on nothing but its recording. Multilingual checkpoints
    detect the language of a request that has no language hint.

    Args:
        path: a CTranslate2 folder; or ``package:NAME`` for weights that come as a Python package (see
            ``packaged_weights``); or a name on the Hugging Face hub, such as ``Systran/faster-whisper-large-v3``; or
            one of faster-whisper's short names, such as ``small.en``.
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: precision of the arithmetic, such as ``int8`` or ``float16``; ``default`` is that of the weights.
        cpu_threads: threads of one transcription on a CPU; 0 for the library's choice.
        beam_size: width of the beam search; 1 is greedy.
        temperature: 0 for the likeliest text; above it words are drawn at random, and two runs differ.
        without_timestamps: decode text alone. Recordings longer than Whisper's window of 30 seconds are decoded with
            timestamps all the same: they keep a window from ending in the middle of a word.
        condition_on_previous_text: show the text of one window to the next, for recordings longer than a window.
        initial_prompt: text that Whisper is made to believe came before, such as a sentence in the wanted script.
        revision: branch, tag or commit of a name on the hub.
        local_files_only: never ask the hub, use what was downloaded before.

    Raises:
        ConfigurationError: the library or the weights are not there, or cannot be used on this machine.
    """

    def __init__(
        self,
        path: str,
        *,
        device: str = "auto",
        compute_type: str = "default",
        cpu_threads: int = 0,
        beam_size: int = 5,
        temperature: float = 0.0,
        without_timestamps: bool = True,
        condition_on_previous_text: bool = False,
        initial_prompt: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
    ) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise ConfigurationError(
                f"Whisper needs the library faster-whisper: {install_command('whisper')} ({error})"
            ) from error
        folder, hub = _find_weights(path, revision, local_files_only)
        self._weights = hub or {"sha256": folder_digest(folder)}
        try:
            self._whisper = WhisperModel(
                str(folder), device=device, compute_type=compute_type, cpu_threads=cpu_threads, local_files_only=True
            )
        except (RuntimeError, ValueError) as error:
            raise ConfigurationError(f"{path}: CTranslate2 cannot load it here: {error}") from error
        bands, wanted_bands = len(self._whisper.feature_extractor.mel_filters), self._whisper.model.n_mels
        if bands != wanted_bands:
            raise ConfigurationError(
                f"{folder}: the model hears {wanted_bands} mel bands and would be given {bands}; copy "
                "preprocessor_config.json from the checkpoint the model was made of"
            )
        self._without_timestamps = without_timestamps
        self._decoding = {
            "beam_size": beam_size,
            "temperature": temperature,
            "condition_on_previous_text": condition_on_previous_text,
            "initial_prompt": initial_prompt,
        }
        self._language_tokens = frozenset(
            code
            for code in self._whisper.supported_languages
            if not self._whisper.model.is_multilingual
            or self._whisper.hf_tokenizer.token_to_id(f"<|{code}|>") is not None
        )
        self.capabilities = Capabilities(
            languages=understood_languages(self._language_tokens), sample_rate=_SAMPLE_RATE
        )

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Transcribe each request's recording."""
        return [Response(text=self._transcribe(request)) for request in requests]

    def _transcribe(self, request: Request) -> str:
        waveform = recording(request, _SAMPLE_RATE)
        segments, _ = self._whisper.transcribe(
            waveform,
            language=language_token(request.language, self._language_tokens),
            without_timestamps=self._without_timestamps and len(waveform) <= _WINDOW_SECONDS * _SAMPLE_RATE,
            **self._decoding,
        )
        return "".join(segment.text for segment in segments).strip()

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights by content, or by hub name and commit; the arithmetic; the decoding settings."""
        return {
            "adapter": "faster_whisper",
            "weights": self._weights,
            "device": self._whisper.model.device,
            "compute_type": self._whisper.model.compute_type,
            "decoding": {**self._decoding, "without_timestamps": self._without_timestamps},
            "versions": {name: metadata.version(name) for name in ("faster-whisper", "ctranslate2")},
        }

    def close(self) -> None:
        """Free the weights."""
        self._whisper.model.unload_model()


def _find_weights(path: str, revision: str | None, local_files_only: bool) -> tuple[Path, dict[str, str] | None]:
    """Return the folder of the weights and, if they are from the hub, their name and commit."""
    if path.startswith(PREFIX):
        return packaged_folder(path.removeprefix(PREFIX)), None
    folder = Path(path).expanduser()
    if folder.is_dir():
        _check_folder(folder)
        return folder, None
    from faster_whisper import available_models, download_model

    if path not in available_models() and not re.fullmatch(r"[\w.-]+/[\w.-]+", path):
        raise ConfigurationError(
            f"{path}: no such folder, nor a name on the Hugging Face hub (OWNER/NAME); faster-whisper's short names "
            f"are {', '.join(available_models())}"
        )
    with fetching(path):
        folder = Path(download_model(path, revision=revision, local_files_only=local_files_only))
    _check_folder(folder)
    return folder, {"hub": path, "commit": folder.name}


def _check_folder(folder: Path) -> None:
    if not (folder / "model.bin").is_file():
        raise ConfigurationError(
            f"{folder}: no model.bin, so not a CTranslate2 folder; convert a transformers checkpoint with "
            "ct2-transformers-converter, or use model=transformers_asr for it"
        )
    if not (folder / "tokenizer.json").is_file():
        raise ConfigurationError(f"{folder}: no tokenizer.json; copy it from the checkpoint the model was made of")
