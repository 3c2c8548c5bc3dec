"""Gemini models, asked by ``generateContent``.

The protocol is spoken by evalkit's own connection rather than by the client google-genai: that one follows redirects
with the key among its headers, takes address and version from variables of the environment, and reads answers of any
length. Its types are what the tests hold the requests against.
"""

from collections.abc import Collection, Mapping
from typing import Any

from evalkit.adapter import Beyond, Capabilities, Limits, Prices, ServedModelAdapter
from evalkit.audio.encoding import wavs
from evalkit.errors import PermanentError, TransientError
from evalkit.types import Request, Response
from model_adapters.gemini.answers import merge_stream, read_answer
from model_adapters.gemini.files import SentFiles
from model_adapters.gemini.request_format import MIME_TYPE, GeminiFormat, heard
from model_adapters.openai.completions import merge_replies
from model_adapters.shared.answering_model import ExpectedModel
from model_adapters.shared.base64_body import Base64Body
from model_adapters.shared.keys import read_key
from model_adapters.shared.server import Server
from model_adapters.shared.server_errors import ErrorCodes
from model_adapters.shared.values import fields


class GeminiModel(ServedModelAdapter):
    """A Gemini model that hears and writes.

    Args:
        model: its name, such as ``gemini-2.5-flash``.
        base_url: of the service, without the version of its API.
        api_version: of its API.
        api_key_variable: the environment variable that holds the key.
        api_key_file: a file that holds the key, instead.
        answered_by: which names the answering model may have; see ``ExpectedModel``.
        generation: decoding settings that hold where a request says nothing else.
        thinking_budget: see ``GeminiFormat``.
        thinking_level: see ``GeminiFormat``.
        thought_room: see ``GeminiFormat``.
        safety_settings: the threshold of each category of harm.
        inline_bytes: recordings of a request that hold more together are sent as files.
        stream: whether answers are sent piece by piece.
        languages: codes of the languages it takes, or None for any.
        longest_audio: seconds of the longest recording that it takes; None where no limit is known.
        beyond: what becomes of a longer one; see ``evalkit.adapter.Capabilities``.
        sample_rate: at which it is sent recordings, in hertz.
        error_codes: see ``ErrorCodes.from_settings``.
        limits: see ``evalkit.adapter.Limits``.
        prices: see ``evalkit.adapter.Prices``; None if nobody counts.

    Raises:
        ConfigurationError: the URL is not one, the key is not where it is said to be, or settings contradict.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        api_version: str = "v1beta",
        api_key_variable: str | None = None,
        api_key_file: str | None = None,
        answered_by: str | None = None,
        generation: Mapping[str, Any] | None = None,
        thinking_budget: int | None = None,
        thinking_level: str | None = None,
        thought_room: int = 0,
        safety_settings: Mapping[str, str] | None = None,
        inline_bytes: int = 14_000_000,
        stream: bool = False,
        languages: Collection[str] | None = None,
        longest_audio: float | None = None,
        beyond: Beyond = "refuses",
        sample_rate: int = 16_000,
        error_codes: Mapping[str, str] | None = None,
        limits: Mapping[str, Any] | None = None,
        prices: Mapping[str, Any] | None = None,
    ) -> None:
        self.limits = Limits(**(limits or {}))
        self.prices = None if prices is None else Prices(**prices)
        known = None if languages is None else frozenset(languages)
        self.capabilities = Capabilities(
            known, sample_rate=None, tools=True, longest_audio=longest_audio, beyond=beyond
        )
        key = read_key(api_key_variable, api_key_file)
        self.secrets = (key,) if key else ()
        self._server = Server(
            base_url,
            headers={"x-goog-api-key": key} if key else {},
            secrets=self.secrets,
            concurrency=self.limits.concurrency,
            answer_bytes=self.limits.answer_bytes,
            codes=ErrorCodes.from_settings(error_codes or {}),
        )
        self._path = f"/{api_version}/models/{model}"
        self._files = SentFiles(self._server, api_version)
        self._expected = ExpectedModel(model, answered_by)
        self._format = GeminiFormat(
            model,
            generation=generation or {},
            thinking_budget=thinking_budget,
            thinking_level=thinking_level,
            thought_room=thought_room,
            safety_settings=safety_settings or {},
        )
        self._json = Base64Body()
        self._inline_bytes = inline_bytes
        self._stream = stream
        self._sample_rate = sample_rate
        self._fingerprint = {
            "adapter": type(self).__name__,
            "model": model,
            "server": self._server.address,
            "sample_rate": sample_rate,
            "generation": dict(generation or {}),
            "thinking": {"budget": thinking_budget, "level": thinking_level, "room": thought_room},
            "safety_settings": dict(safety_settings or {}),
        }

    async def answer(self, request: Request) -> Response:
        """Try once to have a request answered, once for each reply that is wanted."""
        parts = [await self._reply(request, given) for given in range(request.replies)]
        return merge_replies(parts, request.replies)

    def check_settings(self, request: Request) -> None:
        """Refuse decoding settings that the service does not have."""
        self._format.settings(request)

    async def identify(self) -> Mapping[str, Any]:
        """Return what the service says of the model.

        Raises:
            RejectedError: the key is wrong, or there is no such model.
        """
        try:
            async with self._server.get(self._path) as reply:
                said = fields(await reply.json())
        except (PermanentError, TransientError):
            return {}
        return {name: said[name] for name in ("name", "version") if isinstance(said.get(name), str)}

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the model's name, its server, its decoding, thinking and safety settings."""
        return self._fingerprint

    async def close(self) -> None:
        """Close all connections."""
        await self._server.close()

    async def _reply(self, request: Request, given: int) -> Response:
        body = await self._body(request, given)
        method = "streamGenerateContent" if self._stream else "generateContent"
        query = [("alt", "sse")] if self._stream else []
        async with self._server.post(f"{self._path}:{method}", body, query=query) as reply:
            if await reply.is_event_stream():
                answer: Any = await merge_stream(reply.events())
                await reply.drain()
            else:
                answer = await reply.json()
            self._expected.check(fields(answer).get("modelVersion"))
            return read_answer(answer)

    async def _body(self, request: Request, given: int) -> bytes:
        import pybase64

        recordings = await wavs(heard(request), self._sample_rate)
        if sum(map(len, recordings)) <= self._inline_bytes:
            part = {"inlineData": {"mimeType": MIME_TYPE, "data": self._json.mark}}
            body = self._format.body(request, given, [part] * len(recordings))
            return self._json.filled(body, [pybase64.b64encode(recording) for recording in recordings])
        addresses = [await self._files.uri(recording) for recording in recordings]
        parts = [{"fileData": {"mimeType": MIME_TYPE, "fileUri": address}} for address in addresses]
        return self._json.filled(self._format.body(request, given, parts), [])
