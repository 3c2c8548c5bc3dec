"""Following a sample's chain with answers that stand in for a model's, to see what it would ask.

The stand-ins are the answers that a model gives when all goes well: words, speech that can be heard, a call of every
tool that is offered, a verdict that can be read. So what is counted are the calls of a run in which nothing is refused
and no judge has to be asked twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from json import dumps

import numpy as np

from evalkit.audio import Audio
from evalkit.audio.wav import wav_of_waveform
from evalkit.cascade import STAGES
from evalkit.chain import ChainRun, Score
from evalkit.errors import AudioError
from evalkit.inference.replay import chain_of
from evalkit.task import Task
from evalkit.types import Request, Response, Sample, ToolCall

SPOKEN_SECONDS = 8.0
"""How long an answer is taken to be that is spoken."""

_MOST_CALLS = 200  # of one chain; one that asks on until it hears what it wants ends here
_RATE = 8_000
# Judges' replies that mean something to some benchmark, tried in turn as an unreadable one is asked for again.
_VERDICTS = ("yes", "5", "1", '{"neutral": 1.0}')
_WORDS = "These words stand in for an answer."
_CHARACTERS_A_TOKEN = 4
_NOT_LATIN = 0x2E80  # scripts whose characters are about a token each


@dataclass(slots=True)
class Load:
    """What the model of a role is asked.

    Attributes:
        calls: how often.
        replies: how many answers that makes, as a judge may be asked for several at once.
        text_tokens: about how many tokens of text it reads.
        audio_seconds: how much it hears, as far as recordings say how long they are.
        spoken: how many of the answers are speech.
    """

    calls: float = 0
    replies: float = 0
    text_tokens: float = 0
    audio_seconds: float = 0
    spoken: float = 0

    def __add__(self, other: "Load") -> "Load":
        return Load(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def __mul__(self, factor: float) -> "Load":
        return Load(*(getattr(self, name) * factor for name in self.__slots__))


STAND_IN = Sample("SAMPLE", audio=(Audio("AUDIO"),), references=("",))
"""The shape of a sample, where no real one is at hand."""


@dataclass(slots=True)
class Rehearsal:
    """What is asked about samples, role by role.

    Attributes:
        loads: by role.
        requests: of each role, by their decoding settings, one for each that differ.
    """

    loads: dict[str, Load] = field(default_factory=dict)
    requests: dict[str, dict[str, Request]] = field(default_factory=dict)

    def follow(self, run: ChainRun) -> None:
        """Follow a chain from its next call to its end, and count what it asks."""
        for _ in range(_MOST_CALLS):
            if run.call is None:
                return
            if run.call.answer is not None:
                run.send(run.call.answer)
                continue
            role, request = run.call.role, run.call.request
            if not request.attempt:
                self.loads[role] = self.loads.get(role, Load()) + _load(request)
            self.requests.setdefault(role, {}).setdefault(dumps(request.generation, default=repr), request)
            run.send(_stand_in(role, request))


def rehearsed(task: Task, sample: Sample) -> Rehearsal:
    """Return what is asked about one sample, or about ``STAND_IN``."""
    rehearsal = Rehearsal()
    chain = chain_of(task, sample)
    rehearsal.follow(ChainRun(chain, lambda _: Score({}), sample, task=task.name, generation=task.generation))
    return rehearsal


def _load(request: Request) -> Load:
    text = "".join(part for message in request.messages for part in message.content if isinstance(part, str))
    wide = sum(ord(character) >= _NOT_LATIN for character in text)
    tokens = wide + (len(text) - wide + sum(len(dumps(tool)) for tool in request.tools)) / _CHARACTERS_A_TOKEN
    spoken = request.replies if request.output == "speech" else 0
    return Load(1, request.replies, tokens, sum(map(seconds_of, request.audio)), spoken)


def seconds_of(audio: Audio) -> float:
    """Return how long a recording is, by what is said of it or by its header; 0 if that cannot be known."""
    if audio.duration is not None:
        return audio.duration
    try:
        return audio.seconds()
    except AudioError:
        return 0.0


def _stand_in(role: str, request: Request) -> Response:
    text = _WORDS
    if request.assessment is not None and request.assessment.verdicts:
        text = request.assessment.verdicts[-1]
    elif role not in ("model", "transcriber", *STAGES):
        text = _VERDICTS[request.attempt % len(_VERDICTS)]
    return Response(
        text,
        speech=_speech() if request.output == "speech" else None,
        tool_calls=tuple(_tool_call(tool.get("function", {})) for tool in request.tools),
        replies=(text,) * request.replies if request.replies > 1 else (),
    )


def _tool_call(function: Mapping[str, object]) -> ToolCall:
    parameters = function.get("parameters")
    properties = parameters.get("properties", {}) if isinstance(parameters, Mapping) else {}
    return ToolCall(str(function.get("name", "")), dumps(dict.fromkeys(properties, "x")))


@cache
def _speech() -> Audio:
    """Return a tone: what is silent would count as no answer."""
    tone = np.sin(np.arange(int(SPOKEN_SECONDS * _RATE)) * (2 * np.pi * 440 / _RATE)).astype(np.float32) / 2
    content = wav_of_waveform(tone, _RATE)
    return Audio("stand-in", content=lambda: content, duration=SPOKEN_SECONDS)
