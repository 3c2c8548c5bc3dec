"""What travels between evalkit and a model in another Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sound:
    """A recording.

    Attributes:
        samples: mono float32 [samples] in -1..1.
        rate: in hertz.
        name: of a recording of a data set; empty for speech.
        digest: of the bytes of its file, which it is known by; empty where they are not known.
    """

    samples: Samples
    rate: int
    name: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        content: texts and sounds, in order.
        tool_calls: of a turn of the assistant, each ``{name, arguments, id}``, its arguments as text.
        tool_call_id: which call a turn of a tool answers.
        tokens: of a turn of the assistant, as its ``Response`` had them.
    """

    role: str
    content: tuple[str | Sound, ...]
    tool_calls: tuple[Mapping[str, str], ...] = ()
    tool_call_id: str = ""
    tokens: str = ""


@dataclass(frozen=True)
class Request:
    """What a model is asked.

    Attributes:
        messages: the conversation so far.
        language: code of the language spoken, or None where the model has to find out.
        generation: decoding settings by their usual names, such as ``max_new_tokens``.
        tools: the functions that the model may call, each with a JSON schema of its parameters.
        output: ``text`` or ``speech``.
        replies: how many independent answers are wanted.
        attempt: 0, or how often the same was asked before without a usable answer.
        task: name of the task that asks.
        sample_id: the sample that it asks about.
        assessment: of a question to a judge that has a reference answer: ``{references, answers, verdicts}``.
        kind: of question, such as ``asr``; empty where none is said.
    """

    messages: tuple[Message, ...]
    language: str | None = None
    generation: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Mapping[str, Any], ...] = ()
    output: str = "text"
    replies: int = 1
    attempt: int = 0
    task: str = ""
    sample_id: str = ""
    assessment: Mapping[str, Any] | None = None
    kind: str = ""

    @property
    def sounds(self) -> tuple[Sound, ...]:
        """The recordings of all messages, in order."""
        return tuple(part for message in self.messages for part in message.content if isinstance(part, Sound))


@dataclass(frozen=True)
class Response:
    """What a model answered, or why it did not.

    Attributes:
        text: the answer; of a spoken one, its words.
        failure: ``{kind, message}`` with a kind of ``evalkit.types.FailureKind``, or None for a good answer.
        speech: what the model said.
        first_sound: seconds until the beginning of its speech could be heard, where it was made piece by piece.
        tool_calls: the functions that the model wants called, each ``{name, arguments, id}``.
        replies: every answer, where more than one was wanted.
        finish_reason: why the model stopped, such as ``length``.
        logprobs: of the tokens of the answer, each a mapping.
        tokens: the answer in the model's own tokens, in a notation that it alone reads.
        notes: what is to be known of the answer, a line for people each.
        overlong: ``cut`` or ``split``: what the model did to a recording that it could not take whole; else empty.
    """

    text: str = ""
    failure: Mapping[str, str] | None = None
    speech: Sound | None = None
    first_sound: float | None = None
    tool_calls: tuple[Mapping[str, str], ...] = ()
    replies: tuple[str, ...] = ()
    finish_reason: str | None = None
    logprobs: tuple[Mapping[str, Any], ...] = ()
    tokens: str = ""
    notes: tuple[str, ...] = ()
    overlong: str = ""
