"""The data that travels through a run: samples, requests, calls and responses."""

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any, Literal, get_args

from evalkit.audio import Audio

_LARGEST_COUNT = 1 << 53  # beyond it, not every JSON reader tells whole numbers apart
_DEEPEST = 64

canonical_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
"""Return a JSON value as text, the same for equal values."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a benchmark.

    Attributes:
        id: stable across machines and orderings; unique within a data set.
        audio: the recordings it is about, in order.
        references: the accepted answers, most tasks having one.
        language: code of the language spoken or asked for, or None where a task mixes or ignores them.
        groups: what results are broken down by, such as ``{"subset": "clean"}``.
        metadata: anything else a task needs to ask or score the sample; JSON values only.
        clusters: what makes samples dependent on each other, such as ``{"speaker": "1089", "chapter": "134686"}``;
            intervals and tests draw all samples of one label together, by default of the first field. Empty:
            independent samples.
    """

    id: str
    audio: tuple[Audio, ...] = ()
    references: tuple[str, ...] = ()
    language: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the sound itself, so that stored answers can be scored without the data set."""
        return {
            "id": self.id,
            "audio": [_recorded(audio) for audio in self.audio],
            "references": list(self.references),
            "language": self.language,
            "groups": dict(self.groups),
            "metadata": dict(self.metadata),
            "clusters": dict(self.clusters),
        }


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that a model wants called.

    Attributes:
        name: of the function; empty where what looks like a call names none, all of it then being its arguments.
        arguments: as the model wrote them, JSON text if it did so well; untrusted.
        id: by which the tool's answer refers to the call; empty where the model gives none.
    """

    name: str
    arguments: str = "{}"
    id: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the call as JSON values."""
        return {"name": self.name, "arguments": self.arguments} | ({"id": self.id} if self.id else {})

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "ToolCall":
        """Read what ``to_json`` returned."""
        return cls(record["name"], record["arguments"], record.get("id", ""))


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        content: text and audio parts, in order.
        tool_calls: the calls that a turn of the assistant makes.
        tool_call_id: which call a turn of a tool answers.
        tokens: what the model itself wrote in a turn of the assistant; see ``Response``.
    """

    role: str
    content: tuple[str | Audio, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    tokens: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a record in which an audio part stands as its locator and its digest; what is empty is left out."""
        content = [part if isinstance(part, str) else _named_by_content(part) for part in self.content]
        record: dict[str, Any] = {"role": self.role, "content": content}
        if self.tool_calls:
            record["tool_calls"] = [call.to_json() for call in self.tool_calls]
        if self.tool_call_id:
            record["tool_call_id"] = self.tool_call_id
        if self.tokens:
            record["tokens"] = self.tokens
        return record


def _recorded(audio: Audio) -> dict[str, Any]:
    """Return the recording with its digest, by which stored responses about it are found again without its file."""
    digest = audio.digest()
    return audio.to_json() if digest is None else {**audio.to_json(), "digest": digest}


def _named_by_content(audio: Audio) -> dict[str, str]:
    """Return what a recording is known by: without its digest, another one of the same name would pass for it."""
    digest = audio.digest()
    return {"audio": audio.locator} if digest is None else {"audio": audio.locator, "digest": digest}


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a judge is asked to compare, apart from the wording of the question.

    A judge that is no language model answers by this; see ``Request.assessment``.

    Attributes:
        references: the right answers.
        answers: those to be judged.
        verdicts: the replies that the question allows, from the worst to the best.
    """

    references: tuple[str, ...]
    answers: tuple[str, ...]
    verdicts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked, whole: two requests with equal content deserve the same answer.

    Attributes:
        messages: the conversation so far.
        language: a hint of the language spoken, or None where the model has to find out.
        generation: decoding settings by their usual names, such as ``max_new_tokens``.
        tools: the functions that the model may call, each ``{"type": "function", "function": {name, description,
            parameters}}`` with a JSON schema of its parameters.
        output: whether the model is to write or to speak.
        replies: how many independent answers are wanted, sampled from one question.
        attempt: 0, or how often the same was asked before without a usable answer; makes it a new question.
        task: name of the task that asks; not part of the content.
        sample_id: the sample that it asks about; not part of the content.
        assessment: of a question to a judge that has a reference answer, what it compares; not part of its content.
        kind: of question that a prompt profile puts, such as ``asr``; empty if none does; not part of the content.
    """

    messages: tuple[Message, ...]
    language: str | None = None
    generation: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Mapping[str, Any], ...] = ()
    output: Literal["text", "speech"] = "text"
    replies: int = 1
    attempt: int = 0
    task: str = field(default="", compare=False)
    sample_id: str = field(default="", compare=False)
    assessment: Assessment | None = field(default=None, compare=False)
    kind: str = field(default="", compare=False)
    _content: str | None = field(default=None, init=False, compare=False, repr=False)
    _content_hash: str | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def audio(self) -> tuple[Audio, ...]:
        """The audio parts of all messages, in order."""
        return tuple(part for message in self.messages for part in message.content if isinstance(part, Audio))

    def to_json(self) -> dict[str, Any]:
        """Return the content as JSON values; what has its usual value beyond the first three is left out."""
        record: dict[str, Any] = {
            "messages": [message.to_json() for message in self.messages],
            "language": self.language,
            "generation": dict(self.generation),
        }
        if self.tools:
            record["tools"] = [dict(tool) for tool in self.tools]
        if self.output != "text":
            record["output"] = self.output
        if self.replies != 1:
            record["replies"] = self.replies
        if self.attempt:
            record["attempt"] = self.attempt
        return record

    def stamped(self, task: str, sample_id: str) -> "Request":
        """Return the same request with where it comes from."""
        if self.task == task and self.sample_id == sample_id:
            return self
        return Request(
            self.messages,
            self.language,
            self.generation,
            self.tools,
            self.output,
            self.replies,
            self.attempt,
            task,
            sample_id,
            self.assessment,
            self.kind,
        )

    def content(self) -> str:
        """Return the content as JSON text, the same for equal requests."""
        if self._content is None:
            object.__setattr__(self, "_content", canonical_json(self.to_json()))
        return str(self._content)

    def content_hash(self) -> str:
        """Return the hexadecimal digest of the content: the identity under which a response is stored."""
        if self._content_hash is None:
            object.__setattr__(self, "_content_hash", content_hash(self.content()))
        return str(self._content_hash)


def content_hash(content: str) -> str:
    """Return the hexadecimal digest of a request's content, as ``Request.content`` gives it."""
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the model that fills a role of the run.

    Attributes:
        role: which model is asked: ``model``, ``transcriber``, ``judge`` or another that a task names.
        request: what it is asked.
        answer: what earlier answers of the chain amount to, where these are the answer; nobody is asked then.
    """

    role: str
    request: Request
    answer: "Response | None" = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer took to make.

    Attributes:
        requests: HTTP requests sent, those that failed and were repeated included; 0 for a model in this process.
        input_tokens: read, as the server counts them, audio tokens included.
        output_tokens: written, as the server counts them, audio tokens included.
        input_audio_tokens: those read that stand for audio.
        output_audio_tokens: those written that stand for audio.
        audio_seconds: audio that the server bills by its length.
        cost: by the price table of the model's configuration, or None where it has none.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    audio_seconds: float = 0.0
    cost: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what is known and not zero, as JSON values."""
        record = {name: value for name in self.__slots__ if (value := getattr(self, name))}
        return record if self.cost is None else {**record, "cost": round(self.cost, 9)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Usage":
        """Return the inverse of ``to_json``.

        Raises:
            ValueError: a number cannot be, or a key is not known.
        """
        try:
            usage = cls(**record)
        except TypeError as error:
            raise ValueError(f"not the usage of a call: {error}") from error
        if fault := usage.fault():
            raise ValueError(f"not the usage of a call: its {fault}")
        return usage

    def fault(self) -> str | None:
        """Return what is wrong with the first number that cannot be, or None: counts are whole and not negative."""
        for name in self.__slots__:
            value = getattr(self, name)
            if value is None and name == "cost":
                continue
            whole = name not in ("audio_seconds", "cost")
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                return f"{name} is {_kind(value)}"
            if not 0 <= value <= _LARGEST_COUNT:
                return f"{name} is out of bounds"
        return None

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum, whose cost is known where one of the two is."""
        values = {name: getattr(self, name) + getattr(other, name) for name in self.__slots__ if name != "cost"}
        known = [usage.cost for usage in (self, other) if usage.cost is not None]
        return Usage(**values, cost=sum(known) if known else None)


FailureKind = Literal[
    "timeout",
    "refused",
    "overloaded",
    "unavailable",
    "unreadable_audio",
    "too_long",
    "out_of_memory",
    "unreadable_reply",
    "invalid_response",
    "not_applicable",
    "error",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call has no answer, or a sample no score of its own.

    Attributes:
        kind: ``timeout``: no whole answer within the deadline; ``refused``: the model or its server will not answer
            this request; ``overloaded``, ``unavailable``: the server had too much to do, or was away, until patience
            ended; ``unreadable_audio``: a recording cannot be decoded; ``too_long``: a recording is longer than the
            model takes; ``out_of_memory``; ``unreadable_reply``: a judge or classifier answered what cannot be read;
            ``invalid_response``: what came back is no response; ``not_applicable``: the model cannot be asked at all
            (a skipped sample); ``error``: anything else.
        message: what happened, in one line for people.
    """

    kind: FailureKind
    message: str

    def to_json(self) -> dict[str, str]:
        """Return kind and message."""
        return {"kind": self.kind, "message": self.message}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Failure":
        """Read what ``to_json`` returned; a kind that this version does not know becomes ``error``."""
        kind = record["kind"]
        return cls(kind if kind in get_args(FailureKind) else "error", record["message"])


Overlong = Literal["", "cut", "split"]
"""What was done to a recording that was longer than a model takes at once."""
_OVERLONG = get_args(Overlong)


@dataclass(frozen=True, slots=True)
class Response:
    """What a model answered, or why it did not.

    Attributes:
        text: the answer; empty if there is none. Of a spoken answer, the words that the model says it spoke.
        failure: why the call has no answer, or None for a good response.
        seconds: the time that generating took, a batch's time being shared equally by its members.
        speech: what the model said; once stored, a file of the run folder.
        first_sound: seconds until the beginning of its speech could be heard, where it was made piece by piece.
        tool_calls: the functions that the model wants called.
        replies: every answer, the first being ``text``, where more than one was wanted; else empty.
        finish_reason: why the model stopped, in the words of the server, such as ``length`` for an answer cut short.
        logprobs: of the tokens of the first answer, as the server gave them.
        tokens: the first answer in its model's own tokens, in a notation that its adapter alone reads: a model that
            speaks in codes cannot be reminded of what it said by words and sound. Empty where text says it all.
        usage: what it took, where that is counted.
        notes: what of the model's or its server's answer could not be read and was left, and what was done to a
            recording that was too long, in a line for people each.
        overlong: what was done to a recording that was longer than the model takes: ``cut``, so that it heard only the
            beginning, or ``split``, so that it heard pieces; empty where none was.
        answered_by: who gave it by the server's own words, such as the dated name behind an alias; empty if unsaid.
        cached: whether it was taken from the cache; ``usage`` then says what it took when it was asked.
    """

    text: str = ""
    failure: Failure | None = None
    seconds: float | None = None
    speech: Audio | None = None
    first_sound: float | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    replies: tuple[str, ...] = ()
    finish_reason: str | None = None
    logprobs: tuple[Mapping[str, Any], ...] = ()
    tokens: str = ""
    usage: Usage | None = None
    notes: tuple[str, ...] = ()
    answered_by: str = field(default="", compare=False)
    cached: bool = False
    overlong: Overlong = ""

    @property
    def message(self) -> Message:
        """The answer as a turn in the history of its conversation."""
        said = tuple(part for part in (self.text, self.speech) if part)
        return Message("assistant", said or ("",), self.tool_calls, tokens=self.tokens)

    @property
    def failed(self) -> bool:
        """True if the call gave no answer."""
        return self.failure is not None

    @property
    def error(self) -> str | None:
        """The message of the failure, or None."""
        return None if self.failure is None else self.failure.message

    def with_texts(self, change: Callable[[str], str]) -> "Response":
        """Return the same response with every text changed but those of its log probabilities."""
        failure = self.failure
        return replace(
            self,
            text=change(self.text),
            failure=None if failure is None else Failure(failure.kind, change(failure.message)),
            tool_calls=tuple(
                ToolCall(change(call.name), change(call.arguments), change(call.id)) for call in self.tool_calls
            ),
            replies=tuple(change(reply) for reply in self.replies),
            finish_reason=None if self.finish_reason is None else change(self.finish_reason),
            tokens=change(self.tokens),
            notes=tuple(change(note) for note in self.notes),
            answered_by=change(self.answered_by),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the response as JSON values, without what is empty beyond the first two; speech is its name."""
        record: dict[str, Any] = {"text": self.text, "seconds": self.seconds}
        if self.failure is not None:
            record["failure"] = self.failure.to_json()
        if self.speech is not None:
            record["speech"] = self.speech.to_json()
        if self.first_sound is not None:
            record["first_sound"] = self.first_sound
        if self.tool_calls:
            record["tool_calls"] = [call.to_json() for call in self.tool_calls]
        if self.usage is not None:
            record["usage"] = self.usage.to_json()
        for name in ("replies", "finish_reason", "logprobs", "tokens", "notes", "answered_by", "cached", "overlong"):
            if value := getattr(self, name):
                record[name] = value
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Response":
        """Return the inverse of ``to_json``.

        Raises:
            ValueError: a field is missing, of a wrong type, or a number that cannot be.
        """
        try:
            given = {"text": record["text"], "seconds": record["seconds"]}
            for name, value in record.items():
                if name in _FIELD_TYPES:
                    given[name] = _FIELD_READERS[name](value) if name in _FIELD_READERS else value
            response = cls(**given)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a response ({type(error).__name__}: {error})") from error
        if fault := response._fault_in(given):
            raise ValueError(f"not a response: its {fault}")
        return response

    def fault(self) -> str | None:
        """Return what is wrong with the first field that cannot be, or None where all are sound.

        For what comes from outside: an adapter of somebody else's, a server, a file that others may have written.
        """
        return self._fault_in(_FIELD_TYPES)

    def _fault_in(self, names: Collection[str]) -> str | None:
        """Return what is wrong with the first of these fields that cannot be; the others are sound."""
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, _FIELD_TYPES[name]):
                return f"{name} is {_kind(value)}"
        for name in _DURATIONS:
            number = getattr(self, name) if name in names else None
            if number is not None and (isinstance(number, bool) or not 0 <= number < math.inf):
                return f"{name} is {number!r}"
        return None if _WITH_PARTS.isdisjoint(names) else self._fault_of_parts()

    def _fault_of_parts(self) -> str | None:
        for name, items, kind in (
            ("tool_calls", self.tool_calls, ToolCall),
            ("replies", self.replies, str),
            ("logprobs", self.logprobs, Mapping),
            ("notes", self.notes, str),
        ):
            for item in items:
                if not isinstance(item, kind):
                    return f"{name} hold {_kind(item)}"
        if any(not isinstance(text, str) for call in self.tool_calls for text in (call.name, call.arguments, call.id)):
            return "tool_calls hold what is no text"
        if self.overlong not in _OVERLONG:
            return f"overlong is {self.overlong!r}"
        if self.logprobs and not _is_json(self.logprobs):
            return "logprobs are no JSON values"
        if self.failure is not None and not isinstance(self.failure.message, str):
            return f"failure's message is {_kind(self.failure.message)}"
        if self.speech is not None and not isinstance(self.speech.locator, str):
            return f"speech's name is {_kind(self.speech.locator)}"
        fault = None if self.usage is None else self.usage.fault()
        return None if fault is None else f"usage's {fault}"


_FIELD_TYPES: Mapping[str, Any] = {
    "text": str,
    "failure": (Failure, NoneType),
    "seconds": (int, float, NoneType),
    "speech": (Audio, NoneType),
    "first_sound": (int, float, NoneType),
    "tool_calls": tuple,
    "replies": tuple,
    "finish_reason": (str, NoneType),
    "logprobs": tuple,
    "tokens": str,
    "usage": (Usage, NoneType),
    "notes": tuple,
    "answered_by": str,
    "cached": bool,
    "overlong": str,
}
_DURATIONS = ("seconds", "first_sound")
_WITH_PARTS = _FIELD_TYPES.keys() - {"text", "finish_reason", "tokens", "answered_by", "cached", *_DURATIONS}
_FIELD_READERS: Mapping[str, Callable[[Any], Any]] = {
    "failure": Failure.from_json,
    "speech": Audio.from_json,
    "tool_calls": lambda calls: tuple(map(ToolCall.from_json, calls)),
    "replies": tuple,
    "logprobs": tuple,
    "usage": Usage.from_json,
    "notes": tuple,
}


def _is_json(value: Any) -> bool:
    """Tell whether a value can be written as JSON, and is not nested beyond what readers of JSON take."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return _is_flat(value, _DEEPEST)


def _is_flat(value: Any, levels: int) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    return not isinstance(value, list | tuple) or (levels > 0 and all(_is_flat(item, levels - 1) for item in value))


def _kind(value: Any) -> str:
    """Return what something is, in words for a message."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
