"""The data that travels through a run: samples, requests, calls and responses."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.audio import Audio

_canonical_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


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
    """

    id: str
    audio: tuple[Audio, ...] = ()
    references: tuple[str, ...] = ()
    language: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Everything but the sound itself, so that stored answers can be scored without the data set."""
        return {
            "id": self.id,
            "audio": [audio.to_json() for audio in self.audio],
            "references": list(self.references),
            "language": self.language,
            "groups": dict(self.groups),
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Sample":
        """The inverse of ``to_json``."""
        return cls(
            id=record["id"],
            audio=tuple(Audio.from_json(audio) for audio in record["audio"]),
            references=tuple(record["references"]),
            language=record["language"],
            groups=record["groups"],
            metadata=record["metadata"],
        )


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation: a role and a sequence of text and audio parts."""

    role: str
    content: tuple[str | Audio, ...]

    def to_json(self) -> dict[str, Any]:
        """A record in which an audio part stands as its locator."""
        content = [part if isinstance(part, str) else {"audio": part.locator} for part in self.content]
        return {"role": self.role, "content": content}


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked, whole: two requests with equal content deserve the same answer.

    Attributes:
        messages: the conversation so far.
        language: a hint of the language spoken, or None where the model has to find out.
        generation: decoding settings by their usual names, such as ``max_new_tokens``.
        task, sample_id: where the request comes from; not part of its content.
    """

    messages: tuple[Message, ...]
    language: str | None = None
    generation: Mapping[str, Any] = field(default_factory=dict)
    task: str = field(default="", compare=False)
    sample_id: str = field(default="", compare=False)
    _content: str | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def audio(self) -> tuple[Audio, ...]:
        """The audio parts of all messages, in order."""
        return tuple(part for message in self.messages for part in message.content if isinstance(part, Audio))

    def to_json(self) -> dict[str, Any]:
        """The content as JSON values."""
        return {
            "messages": [message.to_json() for message in self.messages],
            "language": self.language,
            "generation": dict(self.generation),
        }

    def content(self) -> str:
        """The content as JSON text, the same for equal requests."""
        if self._content is None:
            object.__setattr__(self, "_content", _canonical_json(self.to_json()))
        return str(self._content)

    def content_hash(self) -> str:
        """Hexadecimal digest of the content: the identity under which an answer is stored."""
        return hashlib.blake2b(self.content().encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the model that fills a role of the run."""

    role: str
    request: Request


@dataclass(frozen=True, slots=True)
class Response:
    """What a model answered, or why it did not.

    Attributes:
        text: the answer; empty if there is none.
        error: why the call failed, or None for a good response.
        seconds: the time that generating took, a batch's time being shared equally by its members.
    """

    text: str = ""
    error: str | None = None
    seconds: float | None = None

    @property
    def failed(self) -> bool:
        """True if the call gave no answer."""
        return self.error is not None

    def to_json(self) -> dict[str, Any]:
        """The response as JSON values."""
        return {"text": self.text, "error": self.error, "seconds": self.seconds}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Response":
        """The inverse of ``to_json``."""
        return cls(text=record["text"], error=record["error"], seconds=record["seconds"])
