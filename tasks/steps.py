"""The steps that the chains of several tasks are made of, as sub-generators: ``words = yield from transcript(…)``."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from evalkit.audio import Audio
from evalkit.prompts import Prompt
from evalkit.tool_syntax import without_calls
from evalkit.types import Call, Message, Request, Response, ToolCall

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
        self._tools = tools
        self._so_far = Request(tuple(history))

    def say(self, *content: Audio | str) -> Step[Response]:
        """Say the user's next turn and return the model's answer."""
        history = [message for message in self._so_far.messages if message.role != "system"]
        request = self._prompt.request(
            content, language=self._language, history=history, tools=self._tools, output=self._output
        )
        return (yield from self._ask(request))

    def go_on(self, *results: Message) -> Step[Response]:
        """Give the model the results of the tools that it called, and return how it goes on."""
        return (yield from self._ask(replace(self._so_far, messages=(*self._so_far.messages, *results))))

    def _ask(self, request: Request) -> Step[Response]:
        response = yield Call("model", request)
        if response.tool_calls:
            # A call that stands in the text is remembered as a call and not a second time as words, and by an id: there
            # are servers that take no result without one.
            calls = tuple(
                call if call.id else replace(call, id=f"call-{len(request.messages)}-{number}")
                for number, call in enumerate(response.tool_calls)
            )
            response = replace(response, text=without_calls(response.text), tool_calls=calls)
        self._so_far = replace(request, messages=(*request.messages, response.message))
        return response


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call that the model made, and what came of it.

    Attributes:
        call: as the model wrote it.
        result: as the tool gave it.
        message: the result as the model is given it.
    """

    call: ToolCall
    result: Response
    message: Message


@dataclass(frozen=True, slots=True)
class LoopRound:
    """One answer of the model in a turn of a conversation with tools, and what came of what it called.

    Attributes:
        answer: of the model.
        uses: its calls with their results, in order; none in the last round of a turn.
    """

    answer: Response
    uses: tuple[ToolUse, ...] = ()


def converse(
    conversation: Conversation, content: Audio | str, use: Callable[[ToolCall], Step[ToolUse]], most_rounds: int
) -> Step[tuple[LoopRound, ...]]:
    """Say a turn to the model, run what it calls, and have it go on from the results until it calls nothing more.

    Args:
        conversation: with the tools at hand.
        content: what the user says.
        use: runs a call.
        most_rounds: of calls; what the model calls after that many is not run.
    """
    answer = yield from conversation.say(content)
    rounds: list[LoopRound] = []
    while len(rounds) < most_rounds and (calls := [call for call in answer.tool_calls if call.name]):
        uses = []
        for call in calls:
            uses.append((yield from use(call)))
        rounds.append(LoopRound(answer, tuple(uses)))
        answer = yield from conversation.go_on(*(each.message for each in uses))
    return (*rounds, LoopRound(answer))
