"""What tests of Step-Audio 2 behind its server share: exchanges with a server that takes nothing but what it should."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evalkit.audio import Audio, Waveform
from evalkit.types import Request, Response
from model_adapters.step_audio_2.served import StepAudio2Server
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask
from tests.servers.step_audio_answers import Parsers
from tests.servers.step_audio_server import StepAudioServer

MODEL = "step-audio-2-mini"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def demo(number: int = 0) -> Audio:
    """A recording of real speech."""
    path = sorted((DEMO_SPEECH / "audio").iterdir())[number]
    return Audio(path.name, path)


def silence(codes: Sequence[int]) -> Waveform:
    """A synthesizer that takes no time."""
    return np.zeros(960 * len(codes), np.float32)


def exchange(backend: Backend, *requests: Request, parsers: Parsers | None = None, **settings: Any) -> list[Response]:
    """The responses to requests, none of which broke the protocol."""
    with StepAudioServer(backend, parsers=parsers) as server:
        responses = ask(StepAudio2Server(MODEL, server.base_url, **settings), *requests)
    assert server.journal.violations == []
    return responses
