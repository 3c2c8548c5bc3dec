"""Models behind a server that speaks OpenAI's protocol: OpenAI, Azure, vLLM, SGLang, LiteLLM, or your own."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.adapter import Beyond, Capabilities, Limits, Listing, Prices, ServedModelAdapter
from evalkit.types import Request, Response, Usage
from model_adapters.openai.chat_format import AudioPart, ChatFormat
from model_adapters.openai.completions import SPEECH_RATE, merge_replies, read_completion, read_usage, words_of
from model_adapters.openai.connection import OpenAIConnection
from model_adapters.openai.streams import add_delta, words_in
from model_adapters.shared.answering_model import ExpectedModel
from model_adapters.shared.forms import form
from model_adapters.shared.languages import wider_codes
from model_adapters.shared.live import listener
from model_adapters.shared.one_recording import recording_as_wav, refuse_settings, seconds_of_wav
from model_adapters.shared.request_limits import RequestLimits
from model_adapters.shared.server_errors import ErrorCodes, RefusedError, error_within, is_error
from model_adapters.shared.values import fields


class OpenAICompatible(ServedModelAdapter):
    """What the two kinds of models have in common: a connection, limits and prices.

    Args:
        model: its name on the server.
        base_url: of the server.
        api_key_variable: the environment variable that holds the key; None for a server that wants none.
        api_key_file: a file that holds the key, instead.
        azure_api_version: for deployments on Azure; see ``OpenAIConnection``.
        server: what runs and the cache know the server by, in place of its address: give the earlier address, such as
            ``127.0.0.1:8000/v1``, to go on with a run after the same model has moved to another one.
        deployment: what tells this model apart from others of its name at the same address, such as a checkpoint.
        languages: codes of the languages it takes, or None for any.
        limits: see ``evalkit.adapter.Limits``.
        prices: see ``evalkit.adapter.Prices``; None if nobody counts.
        sample_rate: at which it is sent recordings, in hertz.
        error_codes: what codes of errors mean at this service, where they mean something else at most; see
            ``ErrorCodes.from_settings``.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        api_key_variable: str | None = None,
        api_key_file: str | None = None,
        azure_api_version: str | None = None,
        server: str | None = None,
        deployment: str | None = None,
        languages: Collection[str] | None = None,
        limits: Mapping[str, Any] | None = None,
        prices: Mapping[str, Any] | None = None,
        sample_rate: int = 16_000,
        error_codes: Mapping[str, str] | None = None,
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
            answer_bytes=self.limits.answer_bytes,
            codes=ErrorCodes.from_settings(error_codes or {}),
        )
        self.secrets = self._connection.secrets
        self._identity = {
            "adapter": type(self).__name__,
            "model": model,
            "server": server or self._connection.address,
            "deployment": deployment,
            "sample_rate": sample_rate,
        }

    async def identify(self) -> Mapping[str, Any]:
        """Ask the server what it says of the model; see ``OpenAIConnection``."""
        return await self._connection.identify()

    async def listing(self) -> Listing | None:
        """Ask the server's list of models; see ``OpenAIConnection``."""
        return await self._connection.listing()

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()


class ChatModel(OpenAICompatible):
    """A model that is asked by chat completions.

    Args:
        model: its name on the server.
        base_url: of the server.
        audio_input: whether it hears.
        speech_output: whether it speaks.
        tools: whether it can be given functions to call.
        longest_audio: seconds of the longest recording that it takes; None where no limit is known.
        beyond: what becomes of a longer one; see ``evalkit.adapter.Capabilities``.
        generation: decoding settings that hold where a request says nothing else.
        extensions: names of decoding settings beyond the protocol that the server takes, such as ``top_k``.
        extra_body: further fields of every request body, as the server's documentation has them.
        max_tokens_name: ``max_completion_tokens`` for servers that no longer take ``max_tokens``.
        voice: in which it speaks.
        speech_format: in which it is asked to speak; None for WAV, or for the next where it streams.
        streamed_speech_format: what the server calls bare samples in a stream.
        speech_rate: of speech that comes as bare samples, in hertz.
        audio_part: how it is sent recordings; see ``AudioPart``.
        stream: whether answers are sent piece by piece.
        language_field: of a request's body, which tells the language; see ``ChatFormat``.
        request_limits: see ``RequestLimits``.
        answered_by: which names the answering model may have; see ``ExpectedModel``.
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
        longest_audio: float | None = None,
        beyond: Beyond = "refuses",
        generation: Mapping[str, Any] | None = None,
        extensions: Collection[str] = (),
        extra_body: Mapping[str, Any] | None = None,
        max_tokens_name: str = "max_tokens",
        voice: str = "alloy",
        speech_format: str | None = None,
        streamed_speech_format: str = "pcm16",
        speech_rate: int = SPEECH_RATE,
        audio_part: AudioPart = "base64",
        stream: bool = False,
        language_field: str | None = None,
        request_limits: Mapping[str, Any] | None = None,
        answered_by: str | None = None,
        **connection: Any,
    ) -> None:
        super().__init__(model, base_url, **connection)
        self._expected = ExpectedModel(model, answered_by)
        self.capabilities = Capabilities(
            self.capabilities.languages,
            sample_rate=None,
            audio_input=audio_input,
            speech_output=speech_output,
            tools=tools,
            longest_audio=longest_audio,
            beyond=beyond,
        )
        self._speech_rate = speech_rate
        self._speaks_bare = (speech_format or "").startswith("pcm")
        self._format = ChatFormat(
            model,
            generation=generation or {},
            extensions=extensions,
            extra_body=extra_body or {},
            max_tokens_name=max_tokens_name,
            voice=voice,
            speech_format=speech_format,
            streamed_speech_format=streamed_speech_format,
            audio_part=audio_part,
            sample_rate=self._sample_rate,
            stream=stream,
            language_field=language_field,
            request_limits=RequestLimits(**(request_limits or {})),
        )
        self._settings: dict[str, Any] = {"generation": dict(generation or {}), "extra_body": dict(extra_body or {})}
        if language_field is not None:
            self._settings["language_field"] = language_field
        if speech_output:
            self._settings["voice"] = {"name": voice, "format": speech_format, "rate": speech_rate}

    async def answer(self, request: Request) -> Response:
        """Try once to have a request answered; a server that gives fewer replies than wanted is asked for the rest."""
        parts: list[Response] = []
        given = 0
        while given < request.replies:
            parts.append(await self._completion(request, request.replies - given, given))
            given += max(1, len(parts[-1].replies))
        return merge_replies(parts, request.replies)

    def check_settings(self, request: Request) -> None:
        """Refuse decoding settings that chat completions do not have."""
        self._format.settings(request)

    async def _completion(self, request: Request, replies: int, given: int) -> Response:
        def read(completion: Any) -> Response:
            self._expected.check(fields(completion).get("model"))
            bare_rate = self._speech_rate if self._speaks_bare else None
            return read_completion(completion, spoken=request.output == "speech", bare_rate=bare_rate)

        told = listener()
        told.begin()

        def add(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
            add_delta(message, delta)
            told.tell(words_in(delta))

        body = await self._format.body(request, replies, given)
        return await self._connection.completion(body, read, add=add, speech_rate=self._speech_rate)

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the model's name, its server and its decoding settings."""
        return {**self._identity, **self._settings}


class TranscriptionModel(OpenAICompatible):
    """A recogniser that is asked by audio transcriptions.

    Args:
        model: its name on the server.
        base_url: of the server.
        prompt: that guides its style, as far as the server takes one; empty for none.
        temperature: of sampling; None for the server's own.
        keywords: that may be spoken, where the model takes them.
        language_field: in which it is told the language; ``languages[]`` for a model that takes several.
        request_limits: what the server takes of a WAV file; see ``RequestLimits``.
        **connection: see ``OpenAICompatible``.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        prompt: str = "",
        temperature: float | None = None,
        keywords: Sequence[str] = (),
        language_field: str = "language",
        request_limits: Mapping[str, Any] | None = None,
        **connection: Any,
    ) -> None:
        super().__init__(model, base_url, **connection)
        self._settings: dict[str, Any] = {"prompt": prompt, "temperature": temperature}
        if keywords:
            self._settings["keywords[]"] = list(keywords)
        self._language_field = language_field
        self._request_limits = RequestLimits(**(request_limits or {}))
        self._unknown: dict[str | None, int] = {}  # how many of its hints the server does not know, by language

    def check_settings(self, request: Request) -> None:
        """Refuse all decoding settings: transcriptions have none but those of the configuration."""
        refuse_settings(request)

    async def answer(self, request: Request) -> Response:
        """Try once to have the one recording of a request transcribed."""
        wav = await recording_as_wav(request, self._sample_rate, self._request_limits)
        codes = _hints(request.language)
        refused = 0
        while True:
            tried = self._unknown.get(request.language, 0)
            try:
                response = await self._transcribed(wav, codes[tried])
                break
            except RefusedError as error:
                if codes[tried] is None or "language" not in str(error).lower():
                    raise
                # The server knows fewer languages than are spoken: it is not told the next one's code again.
                refused += 1
                self._unknown[request.language] = max(tried + 1, self._unknown.get(request.language, 0))
        usage = replace(response.usage or Usage(), requests=1 + refused)
        if self.prices is not None and self.prices.audio_minute and not usage.audio_seconds:
            usage = replace(usage, audio_seconds=seconds_of_wav(wav))  # billed by length, though it counts tokens
        if tried:
            asked = "without a hint" if codes[tried] is None else f"as '{codes[tried]}'"
            note = f"the server does not know the language '{request.language}': asked {asked}"
            response = replace(response, notes=(*response.notes, note))
        return replace(response, usage=usage)

    async def _transcribed(self, wav: bytes, language: str | None) -> Response:
        settings = {name: value for name, value in self._settings.items() if value != ""}
        fixed = {"model": self._model, "response_format": "json"}
        data = form({**fixed, **settings, self._language_field: language}, "file", wav)
        async with self._connection.post("/audio/transcriptions", data) as reply:
            return _read_transcription(await reply.json())

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the model's name, its server and its settings."""
        usual = self._language_field == "language"
        return {**self._identity, **self._settings, **({} if usual else {"language_field": self._language_field})}


def _hints(language: str | None) -> list[str | None]:
    """Return what to tell a server of the language, the next where it does not know the one before; at last nothing."""
    return [None] if language is None else [language, *wider_codes(language), None]


def _read_transcription(document: Any) -> Response:
    """Return the response that a transcription amounts to.

    Raises:
        TransientError: the server answers with an error.
        ValueError: it is not of the documented form.
    """
    record = fields(document)
    if is_error(record.get("error")):
        raise error_within(record["error"])
    text = words_of(record.get("text"))
    if text is None or "text" not in record or record["text"] is None:
        raise ValueError(f"no transcription: {document}")
    notes: list[str] = []
    usage = read_usage(record.get("usage"), notes)
    return Response(text=text, usage=usage, notes=tuple(notes))
