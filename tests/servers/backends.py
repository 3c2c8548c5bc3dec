"""What a server answers: functions from the request to the answer, for every taste."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.adapter import ModelAdapter
from evalkit.audio import Audio
from evalkit.types import Message, Request
from tests.servers.sound import Sound


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """A request that passed the checks.

    Attributes:
        path: such as ``/v1/chat/completions``.
        headers: by lower-case name, the key among them.
        fields: the JSON object, or the text fields of the form.
        body: as it came.
        texts: the text parts of all messages in order, or the prompt of a transcription.
        sounds: the audio parts, decoded.
        content: hexadecimal digest of all that was asked, by which repetitions are known; a form's boundary and the
            order of keys do not matter.
    """

    path: str
    headers: Mapping[str, str]
    fields: Mapping[str, Any]
    body: bytes
    texts: tuple[str, ...]
    sounds: tuple[Sound, ...]
    content: str

    @property
    def is_chat(self) -> bool:
        """A chat completion is wanted, not a transcription."""
        return self.path.endswith("/chat/completions")

    @property
    def is_speech(self) -> bool:
        """Speech of a text is wanted."""
        return self.path.endswith("/audio/speech")

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Of a chat request."""
        return list(self.fields.get("messages", ()))

    @property
    def tools(self) -> list[dict[str, Any]]:
        """Offered by a chat request."""
        return list(self.fields.get("tools", ()))

    @property
    def replies(self) -> int:
        """How many choices are wanted."""
        return self.fields.get("n") or 1

    @property
    def streamed(self) -> bool:
        """Whether the answer is wanted as events."""
        return bool(self.fields.get("stream"))

    @property
    def wants_speech(self) -> bool:
        """Whether the answer is wanted spoken."""
        return "audio" in (self.fields.get("modalities") or ())


@dataclass(frozen=True, slots=True)
class Called:
    """A tool that the model calls, the arguments as JSON text."""

    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class Tokens:
    """How many tokens the server says it took."""

    prompt: int
    prompt_audio: int
    completion: int
    completion_audio: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says.

    Attributes:
        texts: one for each choice; of spoken answers the transcripts. Too few are repeated from the first.
        tool_calls: of every choice.
        speech: pcm16 at ``SPEECH_RATE``, of every choice; sent if the request wants speech.
        refusal: sent in place of the content.
        finish_reason: None for the one that follows from the rest.
        logprobs: documented entries, for requests that want them; None to have some made of the text.
        tokens: None for counts made of the words and seconds.
    """

    texts: tuple[str, ...] = ("",)
    tool_calls: tuple[Called, ...] = ()
    speech: bytes | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    logprobs: tuple[Mapping[str, Any], ...] | None = None
    tokens: Tokens | None = None

    def text(self, choice: int) -> str:
        """What a choice says."""
        return self.texts[choice] if choice < len(self.texts) else self.texts[0]


Backend = Callable[[ServedRequest], Answer | Awaitable[Answer]]


def digest_answer(texts: Iterable[str], sounds: Iterable[Sound] = (), choice: int = 0) -> str:
    """What ``digest_backend`` says to these texts and recordings: another text for every other content.

    Recordings count by their samples, so that it does not matter how a client packs them.
    """
    digest = hashlib.sha256()
    for text in texts:
        digest.update(b"text" + len(text).to_bytes(8) + text.encode())
    for sound in sounds:
        digest.update(b"sound" + sound.sample_rate.to_bytes(8) + sound.samples.tobytes())
    return f"réponse {digest.hexdigest()[:16]} of choice {choice}"


def digest_backend(request: ServedRequest) -> Answer:
    """An answer that is a function of what was asked, so that a mix-up of samples shows."""
    return Answer(tuple(digest_answer(request.texts, request.sounds, choice) for choice in range(request.replies)))


def scripted_backend(answers: Iterable[Answer | str]) -> Backend:
    """One prepared answer after another, in the order of the requests; an exhausted script is an error."""
    remaining = iter(answers)

    def answer(request: ServedRequest) -> Answer:
        following = next(remaining, None)
        if following is None:
            raise LookupError("the script has no answer left")
        return Answer((following,)) if isinstance(following, str) else following

    return answer


def transcriber_backend(model: ModelAdapter) -> Backend:
    """What a real recogniser hears in the one recording of a request, one request at a time."""
    lock = asyncio.Lock()

    async def answer(request: ServedRequest) -> Answer:
        data = request.sounds[0].data
        audio = Audio("request", content=lambda: data)
        question = Request((Message("user", (audio,)),), language=request.fields.get("language"))
        async with lock:
            (response,) = await asyncio.to_thread(model.generate, [question])
        if response.error is not None:
            raise RuntimeError(f"the recogniser failed: {response.error}")
        return Answer((response.text,))

    return answer
