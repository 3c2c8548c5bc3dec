"""Models behind a server that speaks OpenAI's protocol: OpenAI, Azure, vLLM, SGLang, LiteLLM, or your own."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from evalkit.adapter import Capabilities, Limits, Prices, ServedModelAdapter
from evalkit.audio.encoding import wavs
from evalkit.errors import ConfigurationError, PermanentError
from evalkit.types import Request, Response, Usage
from model_adapters.openai.chat_format import ChatFormat, add_delta, gathered, read_completion, together
from model_adapters.openai.connection import OpenAIConnection


class OpenAICompatible(ServedModelAdapter):
    """What the two kinds of models have in common: a connection, limits and prices.

    Args:
        model: its name on the server.
        base_url: of the server.
        api_key_variable: the environment variable that holds the key; None for a server that wants none.
        api_key_file: a file that holds the key, instead.
        azure_api_version: for deployments on Azure; see ``OpenAIConnection``.
        deployment: what tells this model apart from others of its name on the same host, such as a checkpoint.
        languages: codes of the languages it takes, or None for any.
        limits: see ``evalkit.adapter.Limits``.
        prices: see ``evalkit.adapter.Prices``; None if nobody counts.
        sample_rate: at which it is sent recordings, in hertz.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        api_key_variable: str | None = None,
        api_key_file: str | None = None,
        azure_api_version: str | None = None,
        deployment: str | None = None,
        languages: Collection[str] | None = None,
        limits: Mapping[str, Any] | None = None,
        prices: Mapping[str, Any] | None = None,
        sample_rate: int = 16_000,
    ) -> None:
        self.limits = Limits(**(limits or {}))
        self.prices = None if prices is None else Prices(**prices)
        self.capabilities = Capabilities(None if languages is None else frozenset(languages), sample_rate=None)
        self._model = model
        self._sample_rate = sample_rate
        self._connection = OpenAIConnection(
            base_url,
            model,
            api_key_variable=api_key_variable,
            api_key_file=api_key_file,
            azure_api_version=azure_api_version,
            concurrency=self.limits.concurrency,
        )
        self._identity = {
            "adapter": type(self).__name__,
            "model": model,
            "server": self._connection.server,
            "deployment": deployment,
            "sample_rate": sample_rate,
        }

    def redact(self, text: str) -> str:
        """A text without the key."""
        return self._connection.redact(text)

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    async def _posted(self, body: bytes, *, stream: bool, add: Callable[..., None] = add_delta) -> Any:
        """The chat completion that a request body is answered with, as JSON values; see ``gathered`` for ``add``."""
        from openai import AsyncStream

        post = self._connection.client.post
        url = self._connection.url("/chat/completions")
        options: Any = {"headers": {"Content-Type": "application/json"}}
        if not stream:
            return await post(url, cast_to=object, content=body, options=options)
        chunks: Any = await post(
            url, cast_to=object, content=body, options=options, stream=True, stream_cls=AsyncStream[object]
        )
        async with chunks:
            return await gathered(chunks, add)


class ChatModel(OpenAICompatible):
    """A model that is asked by chat completions.

    Args:
        model: its name on the server.
        base_url: of the server.
        audio_input: whether it hears.
        speech_output: whether it speaks.
        tools: whether it can be given functions to call.
        generation: decoding settings that hold where a request says nothing else.
        extensions: names of decoding settings beyond the protocol that the server takes, such as ``top_k``.
        extra_body: further fields of every request body, as the server's documentation has them.
        max_tokens_name: ``max_completion_tokens`` for servers that no longer take ``max_tokens``.
        voice: in which it speaks.
        stream: whether answers are sent piece by piece.
        **connection: see ``OpenAICompatible``.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        audio_input: bool = True,
        speech_output: bool = False,
        tools: bool = True,
        generation: Mapping[str, Any] | None = None,
        extensions: Collection[str] = (),
        extra_body: Mapping[str, Any] | None = None,
        max_tokens_name: str = "max_tokens",
        voice: str = "alloy",
        stream: bool = False,
        **connection: Any,
    ) -> None:
        super().__init__(model, base_url, **connection)
        self.capabilities = Capabilities(
            self.capabilities.languages,
            sample_rate=None,
            audio_input=audio_input,
            speech_output=speech_output,
            tools=tools,
        )
        self._stream = stream
        self._format = ChatFormat(
            model,
            generation=generation or {},
            extensions=extensions,
            extra_body=extra_body or {},
            max_tokens_name=max_tokens_name,
            voice=voice,
            sample_rate=self._sample_rate,
            stream=stream,
        )
        self._settings = {"generation": dict(generation or {}), "extra_body": dict(extra_body or {})}
        if speech_output:
            self._settings["voice"] = {"name": voice}

    async def answer(self, request: Request) -> Response:
        """Try once to have a request answered; a server that gives fewer replies than wanted is asked for the rest."""
        parts: list[Response] = []
        given = 0
        while given < request.replies:
            parts.append(await self._completion(request, request.replies - given, given))
            given += max(1, len(parts[-1].replies))
        return together(parts, request.replies)

    async def _completion(self, request: Request, replies: int, given: int) -> Response:
        body = await self._format.body(request, replies, given)
        with self._connection.errors():
            return read_completion(await self._posted(body, stream=self._stream))

    def fingerprint(self) -> Mapping[str, Any]:
        """The model's name, its server and its decoding settings."""
        return {**self._identity, **self._settings}


class TranscriptionModel(OpenAICompatible):
    """A recogniser that is asked by audio transcriptions.

    Args:
        model: its name on the server.
        base_url: of the server.
        prompt: that guides its style, as far as the server takes one; empty for none.
        temperature: of sampling; None for the server's own.
        **connection: see ``OpenAICompatible``.
    """

    def __init__(
        self, model: str, base_url: str, *, prompt: str = "", temperature: float | None = None, **connection: Any
    ) -> None:
        super().__init__(model, base_url, **connection)
        self._settings: dict[str, Any] = {"prompt": prompt, "temperature": temperature}

    async def answer(self, request: Request) -> Response:
        """Try once to have the one recording of a request transcribed."""
        if request.generation:
            raise ConfigurationError(
                f"the prompt profile sets {', '.join(request.generation)}, but model {self._model} is a recogniser: "
                "give it the profile 'recognizer', and set its own prompt= or temperature= if need be"
            )
        if len(request.audio) != 1:
            raise PermanentError(f"a transcription takes exactly one recording, this request has {len(request.audio)}")
        (audio,) = request.audio
        settings = {name: value for name, value in self._settings.items() if value not in ("", None)}
        if request.language:
            settings["language"] = request.language
        (wav,) = await wavs((audio,), self._sample_rate)
        with self._connection.errors():
            create = self._connection.client.audio.transcriptions.create
            answer = await create(
                model=self._model, file=("audio.wav", wav, "audio/wav"), response_format="json", **settings
            )
            text = getattr(answer, "text", None)
            if not isinstance(text, str):
                raise ValueError(f"no transcription: {answer}")
        return Response(text=text, usage=_usage(getattr(answer, "usage", None)))

    def fingerprint(self) -> Mapping[str, Any]:
        """The model's name, its server and its settings."""
        return {**self._identity, **self._settings}


def _usage(usage: Any) -> Usage:
    """What a transcription took: tokens, or seconds of audio."""
    details = getattr(usage, "input_token_details", None)
    return Usage(
        requests=1,
        input_tokens=getattr(usage, "input_tokens", 0) or 0,
        output_tokens=getattr(usage, "output_tokens", 0) or 0,
        input_audio_tokens=getattr(details, "audio_tokens", 0) or 0,
        audio_seconds=getattr(usage, "seconds", 0) or 0,
    )
