"""Piper, a fast neural voice, run as the program that it is: github.com/OHF-Voice/piper1-gpl.

Its licence is the GPL, so it is no part of evalkit and is not imported: it stands in an environment of its own.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evalkit.adapter import ModelAdapter
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.types import Request, Response
from model_adapters.shared.voice import said, voice_capabilities, words_to_say
from model_adapters.shared.weights import file_digest

_INSTALLATION = "python -m venv VENV && VENV/bin/pip install piper-tts, then program=VENV/bin/piper"


class Piper(ModelAdapter):
    """A voice of Piper; a batch of texts is spoken by one process, a text being one line that it reads.

    Args:
        path: the voice, a file ``.onnx`` beside its ``.onnx.json``.
        program: the command ``piper``, or the path of that program in an environment of its own.
        languages: codes of the languages that the voice speaks; None for any.
        speaker: number of the speaker, for a voice of several.
        length_scale: how long sounds last, 1 being usual; None for the voice's own.
        noise_scale: how much the sound varies at random; 0 for speech that is the same every time.
        noise_w_scale: how much the durations do.
        batch_size: texts for one process.

    Raises:
        ConfigurationError: the program or the voice is not there.
    """

    def __init__(
        self,
        path: str,
        *,
        program: str = "piper",
        languages: Sequence[str] | None = None,
        speaker: int | None = None,
        length_scale: float | None = None,
        noise_scale: float = 0.0,
        noise_w_scale: float = 0.0,
        batch_size: int = 16,
    ) -> None:
        found = shutil.which(Path(program).expanduser())
        if found is None:
            raise ConfigurationError(f"{program}: no such program; {_INSTALLATION}")
        voice = Path(path).expanduser()
        for file in (voice, Path(f"{voice}.json")):
            if not file.is_file():
                raise ConfigurationError(f"{file}: no such file; a voice is a file .onnx beside its .onnx.json")
        self.capabilities = voice_capabilities(None if languages is None else frozenset(languages), batch_size)
        self._settings = {
            "speaker": speaker,
            "length-scale": length_scale,
            "noise-scale": noise_scale,
            "noise-w-scale": noise_w_scale,
        }
        options = [f"--{name}={value}" for name, value in self._settings.items() if value is not None]
        self._command = [found, f"--model={voice}", *options]
        self._voice = {file.suffix: file_digest(file) for file in (voice, Path(f"{voice}.json"))}

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Speak each request's words."""
        lines = [words_to_say(request) for request in requests]
        with TemporaryDirectory(prefix="evalkit-piper-") as folder:
            done = subprocess.run(  # noqa: S603 - the user's own program, and no shell
                [*self._command, f"--output-dir={folder}"],
                input="".join(f"{line}\n" for line in lines),
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
            # Named by a clock that only goes forward.
            files = sorted(Path(folder).glob("*.wav"), key=lambda file: int(file.stem))
            if done.returncode or len(files) != len(lines):
                last = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
                raise RuntimeError(f"piper spoke {len(files)} of {len(lines)} texts and ended with {last}")
            return [said(line, *Audio(file.name, file).read_mono()) for line, file in zip(lines, files, strict=True)]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the voice by content, and the settings."""
        return {"adapter": "piper", "voice": self._voice, **self._settings}
