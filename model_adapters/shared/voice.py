"""What every voice has in common: it is given words, and says them."""

import numpy as np

from evalkit.adapter import Capabilities
from evalkit.audio import Audio, Waveform
from evalkit.audio.wav import wav_of_waveform
from evalkit.errors import DataError
from evalkit.types import Failure, Request, Response


def voice_capabilities(languages: frozenset[str] | None, batch_size: int = 1) -> Capabilities:
    """Return what a voice can be asked: to speak what is written, and nothing else."""
    return Capabilities(
        languages,
        sample_rate=None,
        batch_size=batch_size,
        audio_input=False,
        text_output=False,
        speech_output=True,
    )


def words_to_say(request: Request) -> str:
    """Return the words of a request's last message, on one line.

    Raises:
        DataError: there are none.
    """
    parts = request.messages[-1].content if request.messages else ()
    words = " ".join(" ".join(part for part in parts if isinstance(part, str)).split())
    if not words:
        raise DataError("a voice takes a text, and this request has none")
    return words


def said(words: str, waveform: Waveform, sample_rate: int, notes: tuple[str, ...] = ()) -> Response:
    """Return the response of a voice that said the words, as mono float32 [samples] at ``sample_rate`` hertz."""
    if not len(waveform):
        return Response(failure=Failure("invalid_response", f"the voice made no sound of {words!r}"))
    return Response(words, speech=spoken_answer(waveform, sample_rate), notes=notes)


def spoken_answer(waveform: Waveform, sample_rate: int) -> Audio:
    """Encode what a model said as 16-bit sound.

    Args:
        waveform: mono float32 [samples] in -1..1.
        sample_rate: in hertz.

    Raises:
        ValueError: it holds samples that are not finite.
    """
    if not np.isfinite(waveform).all():
        raise ValueError("the model gave no waveform of finite samples")
    wav = wav_of_waveform(waveform, sample_rate)
    return Audio("spoken answer", content=lambda: wav)
