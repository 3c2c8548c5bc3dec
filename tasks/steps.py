"""The steps that the chains of several tasks are made of, as sub-generators: ``words = yield from transcript(…)``."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from evalkit.audio import Audio
from evalkit.prompts import Prompt
from evalkit.types import Call, Message, Request, Response

AnswerMode = Literal["speech", "text"]
"""Whether the model under test is to speak, or to write."""

_Result = TypeVar("_Result")
Step = Generator[Call, Response, _Result]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model under test said.

    Attributes:
        words: what it wrote or, of a spoken answer, what the transcriber heard; empty where nothing was said.
        response: as the model gave it.
    """

    words: str
    response: Response


def answer(request: Request, transcriber: Prompt, language: str | None) -> Step[Answer]:
    """Ask the model under test, and have its answer written down if it was to be spoken.

    Args:
        request: to the model.
        transcriber: how the transcriber wants to be asked.
        language: in which the answer is expected.
    """
    response = yield Call("model", request)
    if request.output == "text":
        return Answer(response.text, response)
    if response.speech is None:
        return Answer("", response)
    return Answer((yield from transcript(response.speech, transcriber, language)), response)


def transcript(speech: Audio, transcriber: Prompt, language: str | None) -> Step[str]:
    """Have speech written down."""
    heard = yield Call("transcriber", transcriber.request((speech,), language=language))
    return heard.text


def bare_recording(role: str, speech: Audio) -> Step[str]:
    """Put a recording to a model that needs no words to know what to do with it, and return what it writes."""
    response = yield Call(role, Request((Message("user", (speech,)),)))
    return response.text


class Conversation:
    """A conversation with the model under test, in which each round is heard with those before it as they were.

    Args:
        prompt: how the model wants to be asked.
        language: in which it is spoken to.
        output: whether it is to write or to speak.
        history: rounds before the first one that it answers itself.
        tools: the functions that it may call.
    """

    def __init__(
        self,
        prompt: Prompt,
        *,
        language: str | None,
        output: AnswerMode,
        history: Sequence[Message] = (),
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._prompt = prompt
        self._language = language
        self._output: AnswerMode = output
        self._history = tuple(history)
        self._tools = tools

    def say(self, *content: Audio | str) -> Step[Response]:
        """Say the user's next turn and return the model's answer."""
        request = self._prompt.request(
            content, language=self._language, history=self._history, tools=self._tools, output=self._output
        )
        response = yield Call("model", request)
        turns = (message for message in request.messages if message.role != "system")
        self._history = (*turns, response.message)
        return response
