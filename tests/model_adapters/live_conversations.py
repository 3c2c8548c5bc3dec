"""What tests of conversations with served models share: servers that say what they are told, and what came of it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from evalkit.inference.endpoint import ModelSpec
from evalkit.inference.local import LocalExecutor
from evalkit.inference.opening import ExecutorChoice
from model_adapters.live.models import LiveModels
from step_audio_2.answers import SpeechDelta
from step_audio_2.live.dialogue import Event, ToolFinished
from step_audio_2.tool_calls import ContentDelta
from tests.model_adapters.serving import Backend
from tests.servers.backends import Answer
from tests.servers.openai_server import OpenAIServer

CHAT = "model_adapters.openai.models.ChatModel"
STEP_AUDIO = "model_adapters.step_audio_2.served.StepAudio2Server"


def scripted(*answers: Answer | str) -> Backend:
    """One answer after another."""
    remaining = iter(answers)
    return Backend(lambda _: answer if isinstance(answer := next(remaining), Answer) else Answer((answer,)))


@contextmanager
def talking_to(server: OpenAIServer, target: str = CHAT, **settings: Any) -> Iterator[LiveModels]:
    """The model behind a server that has broken no rule of the protocol in the end."""
    with server:
        config = {"_target_": target, "model": "m", "base_url": server.base_url, **settings}
        with opened({"model": ModelSpec("model", "Served model", config)}) as models:
            yield models
    assert server.journal.violations == []


def opened(specs: Mapping[str, ModelSpec], **settings: Any) -> LiveModels:
    return LiveModels(specs, ExecutorChoice(LocalExecutor()), **settings)


def words_of(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, SpeechDelta | ContentDelta))


def results_of(events: Iterable[Event]) -> list[str]:
    return [event.result.text for event in events if isinstance(event, ToolFinished)]
