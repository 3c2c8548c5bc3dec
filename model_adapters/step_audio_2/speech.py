"""Turn codes of Step-Audio 2's codec into sound, for the model in this process and for its server."""

import asyncio
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evalkit.audio import Audio, Waveform
from evalkit.audio.wav import wav_of_samples
from evalkit.errors import AudioError, ConfigurationError, PermanentError
from evalkit.hints import install_command
from evalkit.types import Request
from model_adapters.shared.weights import file_digest
from model_adapters.transformers.checkpoint import checked_dtype, chosen_device
from step_audio_2.checkpoint import DEFAULT_VOICE, TOKEN2WAV, default_voice

if TYPE_CHECKING:
    from step_audio_2.speech import Token2Wav, Voice

_WHERE_VOICES_ARE = f"github.com/stepfun-ai/Step-Audio2 has {DEFAULT_VOICE}"

SPEECH_RATE = 24_000
"""Of synthesised speech, in hertz."""

SPEECH_STEPS = 10
"""Of the flow from noise to a mel spectrogram, in the published model."""

Synthesizer = Callable[[Sequence[int]], Waveform]
"""Makes codes, 25 a second, into a waveform, mono float32 [samples] in -1..1 at ``SPEECH_RATE``."""


class Utterance(Protocol):
    """Speech that is made piece by piece, as by ``step_audio_2.speech.SpeechStream``; gives tensors [samples]."""

    def feed(self, codes: Sequence[int]) -> Any:
        """Take in codes, and give what can be said already."""

    def flush(self) -> Any:
        """Give what is left."""


class Speech:
    """A synthesizer at work in a thread of its own, on one answer at a time, while the event loop goes on.

    Args:
        synthesizer: makes codes that answer a request into sound; called from that thread only.
        begin: begins the answer to a request that is made piece by piece; called from that thread only. None if that
            cannot be.
    """

    def __init__(
        self,
        synthesizer: Callable[[Sequence[int], Request], Waveform],
        begin: Callable[[Request], Utterance] | None = None,
    ) -> None:
        self._synthesizer = synthesizer
        self._begin = begin
        self._thread: ThreadPoolExecutor | None = None

    def begin_stream(self, request: Request) -> "LiveSpeech | None":
        """Begin the speech of an answer that is still coming; None if the synthesizer makes whole answers only."""
        return None if self._begin is None else LiveSpeech(self._pool(), partial(self._begin, request))

    async def of_codes(self, codes: Sequence[int], request: Request) -> Audio | None:
        """Synthesize codes that answer a request; None if there are none.

        Raises:
            PermanentError: the synthesizer gives what is no sound.
            AudioError: a recording that a tool found cannot serve as a voice.
        """
        if not codes:
            return None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool(), self._spoken, codes, request)
        except ValueError as error:
            raise PermanentError(str(error)) from error

    def close(self) -> None:
        """End the thread once it has finished the answer that it is at; none other is begun."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    def _pool(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "synthesizer")
        return self._thread

    def _spoken(self, codes: Sequence[int], request: Request) -> Audio:
        return spoken_answer(self._synthesizer(codes, request))


class LiveSpeech:
    """The sound of one answer, begun before the answer is whole.

    Args:
        thread: where sound is made.
        begin: see ``Speech``.
    """

    def __init__(self, thread: ThreadPoolExecutor, begin: Callable[[], Utterance]) -> None:
        self._thread = thread
        self._begin = begin
        self._started = time.perf_counter()
        self._utterance: Utterance | None = None
        self._pieces: list[Waveform] = []
        self._first_sound: float | None = None
        self._under_way: list[Future[None]] = []
        self._codes: list[int] = []

    def feed(self, codes: Sequence[int]) -> None:
        """Take in more codes, to be made into sound in the thread."""
        if codes:
            self._codes += codes
            self._under_way.append(self._thread.submit(self._say, codes))

    async def finish(self, codes: Sequence[int]) -> tuple[Audio | None, float | None]:
        """Return the whole speech, and the seconds until its first sound.

        Args:
            codes: of the whole answer; if others were fed, or none, there is no speech here.

        Raises:
            PermanentError: the synthesizer gives what is no sound, or cannot speak in pieces.
        """
        if not self._codes or self._codes != list(codes):
            return None, None
        self._under_way.append(self._thread.submit(self._say, None))
        try:
            for piece in self._under_way:
                await asyncio.wrap_future(piece)
            return spoken_answer(np.concatenate(self._pieces)), self._first_sound
        except ValueError as error:
            raise PermanentError(str(error)) from error

    def _say(self, codes: Sequence[int] | None) -> None:
        """Make sound of codes, or of what is left; runs in the thread."""
        if self._utterance is None:
            self._utterance = self._begin()
        piece = np.asarray(self._utterance.flush() if codes is None else self._utterance.feed(codes), np.float32)
        if len(piece) and self._first_sound is None:
            self._first_sound = round(time.perf_counter() - self._started, 4)
        self._pieces.append(piece)


def spoken_answer(waveform: Waveform) -> Audio:
    """Encode what a model said as 16-bit sound.

    Args:
        waveform: mono [samples] in -1..1 at ``SPEECH_RATE``.

    Raises:
        ValueError: it is no waveform, or holds samples that are not finite.
    """
    waveform = np.asarray(waveform, np.float32)
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise ValueError("the synthesizer gave no waveform of finite samples")
    wav = wav_of_samples(np.rint(waveform.clip(-1, 1) * 32_767).astype("<i2").tobytes(), SPEECH_RATE)
    return Audio("spoken answer", content=lambda: wav)


def speech_files(checkpoint: Path, token2wav: str | None, voice: str | None) -> tuple[Path, Path] | None:
    """Return the synthesizer's folder and the voice that were named, or else the checkpoint's own.

    Args:
        checkpoint: the folder of the model.
        token2wav: the folder of the synthesizer, where one is named.
        voice: the recording of the voice, where one is named.

    Returns:
        Both, or None where nothing is named and the checkpoint does not have both; that its voice alone is missing, and
        what to do, is said in a warning.

    Raises:
        ConfigurationError: one is named, and the other is neither named nor the checkpoint's.
    """
    folder = Path(token2wav).expanduser() if token2wav else checkpoint / TOKEN2WAV
    if not token2wav and not folder.is_dir():
        if voice:
            raise ConfigurationError(
                f"the checkpoint has no folder {TOKEN2WAV} to speak with: name one with token2wav="
            )
        return None
    recording = Path(voice).expanduser() if voice else default_voice(checkpoint)
    if recording is not None:
        return folder, recording
    remedy = f"the checkpoint has no {DEFAULT_VOICE} to speak like: name a recording with voice= ({_WHERE_VOICES_ARE})"
    if token2wav:
        raise ConfigurationError(remedy)
    warnings.warn(f"Step-Audio 2 will write and not speak: {remedy}", stacklevel=3)
    return None


def load_token2wav(
    folder: str | Path,
    voice: str | Path | None,
    device: str = "auto",
    dtype: str = "float32",
    steps: int = SPEECH_STEPS,
) -> "tuple[Token2Wav, Voice]":
    """Load the published synthesizer, and the voice that it is to speak in.

    Args:
        folder: ``token2wav``, which comes with the weights.
        voice: a recording of the voice.
        device: ``auto`` for the GPU where there is one.
        dtype: what the flow's products are computed in; ``float16``, as the original offers, is faster on a GPU, and
            ``int8`` on a CPU.
        steps: of the flow; fewer are faster and worse.

    Raises:
        ConfigurationError: a setting is out of range or not for this machine, or a file, or what is needed to use it,
            is missing or damaged.
    """
    if voice is None:
        raise ConfigurationError("token2wav speaks in the voice of a recording: give one with voice=")
    if steps < 1:
        raise ConfigurationError(f"speech_steps: {steps} must be 1 or more")
    precision = checked_dtype(dtype, "speech_dtype", also=("int8",))
    try:
        from step_audio_2 import CheckpointError, Token2Wav
        from step_audio_2.errors import UnsupportedError
        from step_audio_2.speech import VoiceError

        token2wav = Token2Wav.from_pretrained(folder, chosen_device(device), precision, timesteps=steps)
    except ImportError as error:
        raise ConfigurationError(f"token2wav needs more: {install_command('step-audio-2')} ({error})") from error
    except CheckpointError as error:
        raise ConfigurationError(f"token2wav: {error}") from error
    except UnsupportedError as error:
        raise ConfigurationError(f"speech_dtype: {error}") from error
    try:
        return token2wav, token2wav.voice(Path(voice).expanduser())
    except VoiceError as error:
        raise ConfigurationError(f"voice: {error}") from error


def voice_of(request: Request, token2wav: "Token2Wav") -> "Voice | None":
    """Return the voice of the recording that a tool found last in a conversation; None if none has found any.

    Raises:
        AudioError: the recording cannot be read, or serve as a voice.
    """
    from step_audio_2.speech import VoiceError

    found = [part for message in request.messages if message.role == "tool" for part in message.content]
    recordings = [part for part in found if isinstance(part, Audio)]
    if not recordings:
        return None
    recording = recordings[-1]
    try:
        if recording.path is not None:
            return token2wav.voice(recording.path)
        with tempfile.NamedTemporaryFile() as file:
            file.write(recording.encoded())
            file.flush()
            return token2wav.voice(file.name)
    except VoiceError as error:
        raise AudioError(str(error)) from error


def load_speech(folder: str, voice: str | None, dtype: str = "float32", steps: int = SPEECH_STEPS) -> Speech:
    """Load the published synthesizer for use beside an event loop; see ``load_token2wav``."""
    token2wav, prompt = load_token2wav(folder, voice, dtype=dtype, steps=steps)

    def synthesize(codes: Sequence[int], request: Request) -> Waveform:
        waveform: Waveform = token2wav(codes, voice_of(request, token2wav) or prompt).numpy()
        return waveform

    return Speech(synthesize, lambda request: token2wav.stream(voice_of(request, token2wav) or prompt))


def synthesizer_identity(
    folder: str | Path, voice: str | Path, dtype: str = "float32", steps: int = SPEECH_STEPS
) -> dict[str, Any]:
    """Return what decides how codes sound: digests of the weights and of the voice, the arithmetic and the steps."""
    files = sorted(path for path in Path(folder).expanduser().iterdir() if path.is_file())
    weights = {path.name: file_digest(path) for path in files}
    identity: dict[str, Any] = {"token2wav": weights, "voice": file_digest(Path(voice).expanduser())}
    # Left out where they are as they always were, so that stored answers are known again.
    if dtype != "float32":
        identity["speech_dtype"] = dtype
    if steps != SPEECH_STEPS:
        identity["speech_steps"] = steps
    return identity
