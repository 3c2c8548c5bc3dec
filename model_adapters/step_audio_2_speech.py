"""From codes of Step-Audio 2's codec to sound, which its server leaves to the client."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.audio import Audio, Waveform
from evalkit.errors import ConfigurationError
from evalkit.served.failures import PermanentError
from model_adapters.wav import wav_of_samples
from model_adapters.weights import file_digest

SPEECH_RATE = 24_000
"""Of synthesised speech, in hertz."""

Synthesizer = Callable[[Sequence[int]], Waveform]
"""Makes codes, 25 a second, into a waveform, mono float32 [samples] in -1..1 at ``SPEECH_RATE``."""


class Speech:
    """A synthesizer at work in a thread of its own, on one answer at a time, while the event loop goes on.

    Args:
        synthesizer: called from that thread only.
    """

    def __init__(self, synthesizer: Synthesizer) -> None:
        self._synthesizer = synthesizer
        self._thread: ThreadPoolExecutor | None = None

    async def of_codes(self, codes: Sequence[int]) -> Audio | None:
        """What these codes sound like; None if there are none.

        Raises:
            PermanentError: the synthesizer gives what is no sound.
        """
        if not codes:
            return None
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "synthesizer")
        wav = await asyncio.get_running_loop().run_in_executor(self._thread, self._wav, codes)
        return Audio("spoken answer", content=lambda: wav)

    def close(self) -> None:
        """End the thread once it has finished the answer that it is at; none other is begun."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    def _wav(self, codes: Sequence[int]) -> bytes:
        waveform = np.asarray(self._synthesizer(codes), np.float32)
        if waveform.ndim != 1 or not np.isfinite(waveform).all():
            raise PermanentError("the synthesizer gave no waveform of finite samples")
        return wav_of_samples(np.rint(waveform.clip(-1, 1) * 32_767).astype("<i2").tobytes(), SPEECH_RATE)


def load_synthesizer(token2wav: str, voice: str | None) -> Synthesizer:
    """The published synthesizer with one voice, on the GPU where there is one.

    Args:
        token2wav: the folder of that name which comes with the weights.
        voice: a recording of the voice in which to speak.

    Raises:
        ConfigurationError: a file, or what is needed to use it, is missing or damaged.
    """
    if voice is None:
        raise ConfigurationError("token2wav speaks in the voice of a recording: give one with voice=")
    try:
        import torch

        from step_audio_2 import CheckpointError, Token2Wav
        from step_audio_2.speech.voice import VoiceError

        model = Token2Wav.from_pretrained(token2wav, "cuda" if torch.cuda.is_available() else "cpu")
    except ImportError as error:
        raise ConfigurationError(f"token2wav needs more: pip install 'evalkit[step-audio-2]' ({error})") from error
    except CheckpointError as error:
        raise ConfigurationError(f"token2wav: {error}") from error
    try:
        prompt = model.voice(Path(voice).expanduser())
    except VoiceError as error:
        raise ConfigurationError(f"voice: {error}") from error

    def synthesize(codes: Sequence[int]) -> Waveform:
        waveform: Waveform = model(codes, prompt).numpy()
        return waveform

    return synthesize


def synthesizer_identity(token2wav: str, voice: str) -> dict[str, Any]:
    """What decides how codes sound: digests of the weights and of the voice."""
    files = sorted(path for path in Path(token2wav).expanduser().iterdir() if path.is_file())
    weights = {path.name: file_digest(path) for path in files}
    return {"token2wav": weights, "voice": file_digest(Path(voice).expanduser())}
