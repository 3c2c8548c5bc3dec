"""The loop of a voice assistant as a chain: what the model calls is put to the role ``tools``."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, Unpack, get_args

from evalkit.audio import Audio
from evalkit.hints import check_choice
from evalkit.prompts import Prompt
from evalkit.task import CommonSettings, DatasetTask
from evalkit.types import Call, Message, Request, Sample, ToolCall
from tasks.steps import AnswerMode, Conversation, LoopRound, Step, ToolUse, converse
from tasks.toolcall.tools import load_tools

InputMode = Literal["audio", "text"]
MOST_ROUNDS = 5
"""Of calls in one turn."""


class LoopSettings(CommonSettings, total=False):
    """The arguments of ``ToolLoop``, described there, which its subclasses take beside their own."""

    input_mode: InputMode
    answer_mode: AnswerMode


class ToolLoop(DatasetTask):
    """Have a conversation with tools at hand, whose calls are carried out.

    A call goes to the role ``tools`` as the only call of an assistant's message, after a system message that says what
    time it is by ISO 8601; its response is what the model is given. Sound that a tool found goes along with its words.

    Args:
        input_mode: whether the user's turns are given as ``audio`` or, to a model that reads, as ``text``.
        answer_mode: whether the model is to answer in ``speech`` or in ``text``.
        **common: see ``DatasetTask``; the data set yields samples as ``Questions`` does. The kinds of question are
            ``toolcall`` and, of what the model is given of a search's result, ``search_result``.

    Raises:
        ConfigurationError: a mode is unknown.
    """

    def __init__(
        self, *, input_mode: InputMode = "audio", answer_mode: AnswerMode = "speech", **common: Unpack[CommonSettings]
    ) -> None:
        super().__init__(**common)
        check_choice(f"task {self.name}: input_mode", input_mode, get_args(InputMode))
        check_choice(f"task {self.name}: answer_mode", answer_mode, get_args(AnswerMode))
        self._input_mode = input_mode
        self._answer_mode: AnswerMode = answer_mode
        self._prompt = self._prompts.of("toolcall")
        self._search_result = self._prompts.of("search_result")
        self._recipe = {"input": input_mode, "answer": answer_mode}

    def _turns(self, sample: Sample) -> Step[list[tuple[LoopRound, ...]]]:
        """Say all turns of a sample to the model, one after another, and return the rounds of each."""
        conversation = Conversation(self._prompt, language=sample.language, output=self._answer_mode, tools=schemas())
        turns = []
        for text, recording in zip(sample.metadata["turns"], sample.audio, strict=False):
            content = recording if self._input_mode == "audio" else text
            rounds = yield from converse(conversation, content, lambda call: self._use(sample, call), MOST_ROUNDS)
            turns.append(rounds)
        return turns

    def _use(self, sample: Sample, call: ToolCall) -> Step[ToolUse]:
        # Without the id, which a server draws anew each time: the same call is the same question.
        asked = Message("assistant", ("",), (ToolCall(call.name, call.arguments),))
        result = yield Call("tools", Request((Message("system", (sample.metadata["now"],)), asked)))
        content = result_content(self._search_result, call.name, result.text, sample.language)
        if result.speech is not None:
            content = (*content, result.speech)
        return ToolUse(call, result, Message("tool", content, tool_call_id=call.id))


def result_content(search_result: Prompt, tool: str, text: str, language: str | None) -> tuple[str | Audio, ...]:
    """Return a tool's result as the model is given it: as it is, but for what a profile adds to that of a search.

    Args:
        search_result: how the model wants to be given the result of a search.
        tool: that was called.
        text: what it gave back.
        language: of the conversation.
    """
    if tool in load_tools()["web_search"].names:
        return search_result.request((text,), language=language).messages[-1].content
    return (text,)


@cache
def schemas() -> Sequence[Mapping[str, Any]]:
    """Return what a model is offered: the tools of StepEval-Audio-Toolcall, and a calculator."""
    import yaml

    own = yaml.safe_load(Path(__file__).with_name("schemas.yaml").read_text(encoding="utf-8"))
    return (*(tool.schema for tool in load_tools().values()), *own.values())


def names_of(tool: str) -> frozenset[str]:
    """Return the names by which a tool is known, that of its schema among them."""
    return next((each.names for each in load_tools().values() if tool in each.names), frozenset({tool}))


def arguments_of(call: ToolCall) -> str:
    """Return the arguments of a call as they read, without JSON's escapes; as they stand if they are not JSON."""
    try:
        return json.dumps(json.loads(call.arguments), ensure_ascii=False)
    except (ValueError, RecursionError):
        return call.arguments


def uses_of(rounds: Sequence[LoopRound]) -> list[ToolUse]:
    """Return all that was called in the rounds of a turn, in order."""
    return [use for each in rounds for use in each.uses]


def told(uses: Sequence[ToolUse]) -> dict[str, str]:
    """Return calls and results for people to read, as details of a score."""
    return {
        "calls": "\n".join(f"{use.call.name} {arguments_of(use.call)}" for use in uses),
        "results": "\n".join(use.result.text for use in uses),
    }
