"""Stream speech while the model generates: tokens come from one thread and are made into sound in another."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any

from torch import Tensor

from step_audio_2.answers import AnswerEnd, AnswerEvent, AudioCodes
from step_audio_2.assistant import Assistant, Reply, Thought
from step_audio_2.chat import Question
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """More of the speech.

    Attributes:
        waveform: [samples] of 24 kHz, to be played after what came before.
        seconds: since the question was put.
    """

    waveform: Tensor
    seconds: float


def speak(
    assistant: Assistant,
    question: Question,
    token2wav: Token2Wav,
    voice: VoiceOrPath,
    *,
    cancelled: Flag | None = None,
    **settings: Any,
) -> Generator[Thought | AnswerEvent | Sound, None, Reply]:
    """Answer a question, and give text, codes, calls and sound as soon as there are any.

    The model goes on generating while a piece of sound is made. Sound comes in pieces of a second; the end of the
    answer comes after its last piece.

    Args:
        assistant: who answers.
        question: with one seed, to be answered in speech.
        token2wav: makes codes into sound.
        voice: a recording of at most 17 seconds, or a voice made of one.
        cancelled: once it is set, from whatever thread, the answer ends where it is, and nothing more of it is said.
        **settings: of ``Assistant.stream``.

    Returns:
        The whole answer, once the stream has ended; see ``step_audio_2.assistant.collect``.

    Raises:
        ValueError: the question is too long, a setting cannot be, or the voice cannot be streamed in.
    """
    started = time.perf_counter()
    cancelled = cancelled or Flag()
    speech = token2wav.stream(voice)
    with closing(assistant.stream(question, cancelled=cancelled, **settings)) as answer:
        while True:
            try:
                event = next(answer)
            except StopIteration as end:
                reply: Reply = end.value
                return reply
            if isinstance(event, AnswerEnd) and not cancelled.is_set():
                yield from _sound(speech.flush(), started)
            yield event
            if isinstance(event, AudioCodes) and not cancelled.is_set():
                yield from _sound(speech.feed(event.codes), started)


def _sound(waveform: Tensor, started: float) -> Iterator[Sound]:
    if len(waveform):
        yield Sound(waveform, time.perf_counter() - started)
