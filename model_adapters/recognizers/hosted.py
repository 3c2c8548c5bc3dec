"""What hosted recognisers have in common: a key, limits, codes of languages, one recording in and its words out."""

import json
from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from evalkit.adapter import Beyond, Capabilities, Limits, Prices, ServedModelAdapter
from evalkit.types import Request, Response, Usage
from model_adapters.shared.keys import read_key
from model_adapters.shared.languages import wider_codes
from model_adapters.shared.one_recording import recording_as_wav, refuse_settings
from model_adapters.shared.request_limits import RequestLimits
from model_adapters.shared.server import Server
from model_adapters.shared.server_errors import USUAL, EmptyAnswerError, ErrorCodes
from model_adapters.shared.values import plain, shown


class HostedRecognizer(ServedModelAdapter):
    """A hosted recogniser. A subclass says how one recording is put to its service and what comes back.

    Args:
        base_url: of the service.
        model: its name at the service; None where the service has but one.
        settings: further fields of every request, in the service's own words.
        api_key_variable: the environment variable that holds the key; None where there is none.
        api_key_file: a file that holds the key, instead.
        language_codes: the service's code of each language that it knows, by ours, or None for one that it finds out
            by itself; None to tell it ours.
        unknown_language: what it is told where the language is not said or it has no code for it; None for nothing.
        languages: codes of the languages it is asked about at all, samples of others being skipped; None for any.
        longest_audio: seconds of the longest recording that it takes; None where no limit is known.
        beyond: what becomes of a longer one; see ``evalkit.adapter.Capabilities``.
        shortest_audio: seconds of the shortest.
        request_limits: what it takes of a WAV file, before any base64; see ``RequestLimits``.
        error_codes: beside those of ``codes``; see ``ErrorCodes.from_settings``.
        server: what runs and the cache know the service by, in place of its address.
        limits: see ``evalkit.adapter.Limits``.
        prices: see ``evalkit.adapter.Prices``; None if nobody counts.
        sample_rate: at which it is sent recordings, in hertz.
        key_header: name and form of the header that carries the key.
        headers: further ones of every request.

    Attributes:
        codes: what the service's own codes of errors mean.

    Raises:
        ConfigurationError: the URL is not one, the key is not where it is said to be, or a limit is no number.
    """

    codes: ClassVar[ErrorCodes] = USUAL

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        settings: Mapping[str, Any] | None = None,
        api_key_variable: str | None = None,
        api_key_file: str | None = None,
        language_codes: Mapping[str, str | None] | None = None,
        unknown_language: str | None = None,
        languages: Collection[str] | None = None,
        longest_audio: float | None = None,
        beyond: Beyond = "refuses",
        shortest_audio: float = 0.0,
        request_limits: Mapping[str, Any] | None = None,
        error_codes: Mapping[str, str] | None = None,
        server: str | None = None,
        limits: Mapping[str, Any] | None = None,
        prices: Mapping[str, Any] | None = None,
        sample_rate: int = 16_000,
        key_header: tuple[str, str] = ("Authorization", "Bearer {}"),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.limits = Limits(**(limits or {}))
        self.prices = None if prices is None else Prices(**prices)
        known = None if languages is None else frozenset(languages)
        self.capabilities = Capabilities(known, sample_rate=None, longest_audio=longest_audio, beyond=beyond)
        key = read_key(api_key_variable, api_key_file)
        self.secrets = (key,) if key else ()
        self._known_secrets = list(self.secrets)
        name, form = key_header
        self._headers = {**({name: form.format(key)} if key else {}), **(headers or {})}
        self._codes = self.codes.with_settings(error_codes or {})
        self._servers: list[Server] = []
        self._server = self._connected(base_url)
        self._model = model
        self._settings = dict(settings or {})
        self._language_codes = None if language_codes is None else dict(language_codes)
        self._unknown_language = unknown_language
        self._shortest_audio = shortest_audio
        self._request_limits = RequestLimits(**(request_limits or {}))
        self._sample_rate = sample_rate
        self._identity: dict[str, Any] = {"server": server or self._server.address}

    @abstractmethod
    async def transcribe(self, wav: bytes, language: str | None) -> Response:
        """Try once to have a recording transcribed.

        Args:
            wav: mono with 16 bits.
            language: the service's code of the language spoken, or None where it is not to be told any.

        Raises:
            TransientError, PermanentError, RejectedError: as ``answer`` does.
            ValueError: the answer is not of the documented form; raised only while a reply is open.
        """

    def check_settings(self, request: Request) -> None:
        """Refuse all decoding settings, of which recognisers have none."""
        refuse_settings(request)

    async def answer(self, request: Request) -> Response:
        """Try once to have the one recording of a request transcribed; see ``ServedModelAdapter.answer``."""
        wav = await recording_as_wav(request, self._sample_rate, self._request_limits, shortest=self._shortest_audio)
        language, notes = self._told(request.language)
        try:
            response = await self.transcribe(wav, language)
        except EmptyAnswerError as error:
            response = Response(notes=(f"no words: {error}",))
        return replace(response, notes=(*response.notes, *notes))

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the model's name, its server, its settings and what it is told of languages."""
        return {
            "adapter": type(self).__name__,
            "model": self._model,
            **self._identity,
            "settings": self._settings,
            "language_codes": self._language_codes,
            "unknown_language": self._unknown_language,
            "sample_rate": self._sample_rate,
        }

    async def close(self) -> None:
        """Close all connections."""
        for server in self._servers:
            await server.close()

    def _connected(self, base_url: str) -> Server:
        """Return a server that is told the key, to be closed with the model."""
        server = Server(
            base_url,
            headers=self._headers,
            secrets=self._known_secrets,
            concurrency=self.limits.concurrency,
            answer_bytes=self.limits.answer_bytes,
            codes=self._codes,
        )
        self._servers.append(server)
        return server

    def _told(self, language: str | None) -> tuple[str | None, tuple[str, ...]]:
        """Return the code that the service is told of a language, with a note where that is not its very own."""
        if language is None:
            return self._unknown_language, ()
        if self._language_codes is None:
            return language, ()
        for code in (language, *wider_codes(language)):
            if code in self._language_codes:
                told = self._language_codes[code]
                said = f"the service takes the language '{language}' for '{code}'"
                return told, () if code == language else (said,)
        note = f"the service has no code for the language '{language}': asked without a hint"
        return self._unknown_language, (note,)


def transcript(text: Any, *, seconds: float = 0.0, model: Any = "", notes: Collection[str] = ()) -> Response:
    """Return the response that a transcript amounts to.

    Args:
        text: as the service gave it.
        seconds: of audio that it bills; 0 where it does not say.
        model: that answered, by its own words.
        notes: what could not be read.

    Raises:
        ValueError: the text is none.
    """
    if not isinstance(text, str):
        raise ValueError(f"there is {shown(text)} where the transcript should be")
    usage = Usage(requests=1, audio_seconds=seconds)
    return Response(plain(text), usage=usage, answered_by=model if isinstance(model, str) else "", notes=tuple(notes))


def as_json(document: Any) -> bytes:
    """Return the body of a request."""
    return json.dumps(document, ensure_ascii=False).encode()


def in_base64(wav: bytes) -> str:
    """Return a recording as JSON holds it."""
    import pybase64

    return pybase64.b64encode_as_string(wav)
