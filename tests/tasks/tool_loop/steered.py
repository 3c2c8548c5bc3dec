"""Step-Audio 2 with random weights whose sampling is steered to use its tools well; all else is as it is."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.types import Request, Response
from model_adapters.step_audio_2.local import StepAudio2
from tests.step_audio_2.live.steering import Script, called, ended, spoken
from tests.tasks.tool_loop.talker import SAMPLES, call_of, words_of


class SteeredStepAudio2(StepAudio2):
    """Calls what a question needs, speaks from the result, and chats where no tool is needed."""

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer requests one by one, each by a script of its own."""
        return [self._follow(Script(self._tokens(request)), request) for request in requests]

    def _follow(self, script: Script, request: Request) -> Response:
        answer = type(self._assistant).answer
        self._assistant.answer = partial(answer, self._assistant, **script.settings)  # type: ignore[method-assign]
        [response] = super().generate([request])
        return response

    def _tokens(self, request: Request) -> Sequence[int]:
        sample, tokenizer = SAMPLES[request.sample_id], self._assistant.tokenizer
        last = len([message for message in request.messages if message.role == "user"]) == len(sample.metadata["turns"])
        if request.messages[-1].role == "user" and last and (call := call_of(sample)) is not None:
            return ended(called(tokenizer, call.name, call.arguments))
        return ended(self._said(tokenizer, words_of(sample) if last else "Gladly.", request))

    def _said(self, tokenizer: Any, words: str, request: Request) -> Sequence[int]:
        if request.output == "text":
            ids: Sequence[int] = tokenizer.encode(words, add_special_tokens=False)
            return ids
        return spoken(tokenizer, words)


class Listener(ModelAdapter):
    """A transcriber that hears what was meant: what random weights make of words sounds like none."""

    capabilities = Capabilities(sample_rate=None)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Return what is said about each sample in the end."""
        return [Response(words_of(SAMPLES[request.sample_id])) for request in requests]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return its name."""
        return {"adapter": "listener"}
