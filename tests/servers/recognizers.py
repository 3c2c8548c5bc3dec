"""Hosted recognisers on 127.0.0.1: each takes nothing but requests of the form that its service documents.

What they hear decides what they answer: a transcript names its recording, so that none can be taken for another's.
"""

import asyncio
import base64
import hashlib
import io
import json
import uuid
import wave
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web

from tests.servers.threaded import ThreadedServer

KEY = "k-5up3r-53cr3t-0123456789"
SILENCE = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in place of the good one; without a status the connection breaks."""

    status: int | None = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, request: web.Request) -> web.Response:
        """What is sent."""
        if self.status is None:
            assert request.transport is not None
            request.transport.abort()
            raise web.HTTPInternalServerError
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return web.Response(status=self.status, body=body, headers={"Content-Type": "application/json", **self.headers})


@dataclass(frozen=True, slots=True)
class Heard:
    """A request that passed the checks.

    Attributes:
        content: digest of the recording.
        seconds: that it lasts.
        silent: whether all of its samples are 0.
        language: as the service was told it.
        fields: the settings beside.
    """

    content: str
    seconds: float
    silent: bool
    language: str | None
    fields: Mapping[str, Any]

    @property
    def text(self) -> str:
        """What the service answers."""
        return "" if self.silent else words_of(self.content)


class ViolationError(Exception):
    """A request that is not as documented."""


class FaultError(Exception):
    """A request that is answered otherwise than well."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


def words_of(content: str) -> str:
    """The transcript of a recording, by its digest."""
    return f"heard {content}"


def content_of(wav: bytes) -> str:
    """What a recording is known by."""
    return hashlib.sha256(wav).hexdigest()[:16]


def must(condition: Any, message: str) -> None:
    """Refuse a request unless a condition holds."""
    if not condition:
        raise ViolationError(message)


def only(record: Any, required: set[str], allowed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """Refuse an object that lacks a field or has one that is not documented."""
    must(isinstance(record, dict), f"{record!r} is no object")
    must(required <= set(record) <= required | allowed, f"fields {sorted(record)}, not {sorted(required)}")


class Recognizer:
    """One service.

    Attributes:
        config: the configuration that is for it.
        prefix: of its paths, which belongs to the base URL.
        overrides: what the configuration needs beside the address.
        heard: the requests that passed the checks.
        answered: how often each recording was answered well.
        violations: what was wrong with requests.
        fault: from a recording's digest, or a job's id, to what it is answered instead.
    """

    config: ClassVar[str]
    prefix: ClassVar[str]
    overrides: ClassVar[Mapping[str, Any]] = {}
    secret: ClassVar[str] = KEY

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answered: Counter[str] = Counter()
        self.violations: list[str] = []
        self.fault: Callable[[str], Reply | None] = lambda _: None

    def routes(self) -> list[web.RouteDef]:
        """Its paths below the prefix."""
        raise NotImplementedError

    def listen(self, wav: bytes, language: str | None, **fields: Any) -> Heard:
        """Take a recording, or fail as planned."""
        try:
            with wave.open(io.BytesIO(wav)) as file:
                form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
                frames = file.readframes(file.getnframes())
        except (wave.Error, EOFError) as error:
            raise ViolationError(f"no WAV file: {error}") from error
        must(form == (1, 2, 16_000), f"a WAV file of {form}")
        heard = Heard(content_of(wav), len(frames) / 32_000, not any(frames), language, fields)
        self.heard.append(heard)
        self.fail(heard.content)
        return heard

    def fail(self, content: str) -> None:
        """Fail as planned, if so."""
        if (reply := self.fault(content)) is not None:
            raise FaultError(reply)

    def answer(self, heard: Heard, body: Any, **headers: str) -> web.Response:
        """Answer well."""
        self.answered[heard.content] += 1
        return web.json_response(body, headers=headers)

    def handler(
        self, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Have violations written down, and faults acted out."""

        async def handled(request: web.Request) -> web.StreamResponse:
            try:
                return await handle(request)
            except ViolationError as error:
                self.violations.append(str(error))
                return web.json_response({"violation": str(error)}, status=400)
            except FaultError as error:
                return error.reply.response(request)

        return handled


async def form_parts(request: web.Request) -> list[tuple[str, str | None, bytes]]:
    """Name, file name and content of each part of a form, in order."""
    must(request.content_type == "multipart/form-data", f"a body of {request.content_type}")
    parts = []
    async for part in await request.multipart():
        assert part.name is not None  # type: ignore[union-attr]
        parts.append((part.name, part.filename, bytes(await part.read())))  # type: ignore[union-attr]
    return parts


async def json_body(request: web.Request) -> Any:
    """The JSON of a request."""
    must(request.content_type == "application/json", f"a body of {request.content_type}")
    return await request.json()


def bearer(request: web.Request, form: str = "Bearer {}", header: str = "Authorization") -> None:
    """Refuse a request without the key."""
    must(request.headers.get(header) == form.format(KEY), f"{header} is not the key in the form '{form}'")


class RecognizerServer(ThreadedServer):
    """Serves one recogniser from a thread of its own."""

    def __init__(self, service: Recognizer) -> None:
        super().__init__()
        self._service = service
        self.base_url = ""
        self._port = 0

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._port}"

    async def serve(self, started: Callable[[], None]) -> None:
        """Serve until cancelled; ``started`` is called once connections are accepted."""
        application = web.Application(client_max_size=1 << 28)
        for route in self._service.routes():
            path = route.path if route.path.startswith("/jobs-") else self._service.prefix + route.path
            application.router.add_route(route.method, path, self._service.handler(route.handler))
        application.router.add_route("*", "/{path:.*}", self._service.handler(_nowhere))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        self._port = runner.addresses[0][1]
        self.base_url = self.origin + self._service.prefix
        started()
        try:
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


async def _nowhere(request: web.Request) -> web.Response:
    raise ViolationError(f"no such path: {request.method} {request.path}")


class DoubaoService(Recognizer):
    """Volcengine openspeech v3, flash."""

    config = "doubao_llm_asr"
    prefix = "/api/v3"

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()
        self.app_key: str | None = None  # of the old console

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/auc/bigmodel/recognize/flash", self._flash)]

    async def _flash(self, request: web.Request) -> web.Response:
        bearer(request, "{}", "X-Api-Key" if self.app_key is None else "X-Api-Access-Key")
        must(request.headers.get("X-Api-App-Key") == self.app_key, "the application's number")
        must(request.headers.get("X-Api-Resource-Id") == "volc.bigasr.auc_turbo", "resource")
        must(request.headers.get("X-Api-Sequence") == "-1", "sequence")
        number = request.headers.get("X-Api-Request-Id", "")
        must(str(uuid.UUID(number)) == number and number not in self._seen, "a request id that is no new UUID")
        self._seen.add(number)
        body = await json_body(request)
        only(body, {"user", "audio", "request"})
        only(body["user"], {"uid"})
        only(body["audio"], {"data", "format"}, {"language"})
        only(body["request"], {"model_name", "enable_itn", "enable_punc", "enable_ddc"})
        must(body["request"]["model_name"] == "bigmodel" and body["audio"]["format"] == "wav", "model or format")
        wav = base64.b64decode(body["audio"]["data"], validate=True)
        heard = self.listen(wav, body["audio"].get("language"), **body["request"])
        if heard.silent:
            self.answered[heard.content] += 1
            return web.json_response({}, headers={"X-Api-Status-Code": "20000003", "X-Api-Message": "no valid speech"})
        result = {"text": heard.text, "utterances": []}
        return self.answer(
            heard,
            {"audio_info": {"duration": round(heard.seconds * 1000)}, "result": result},
            **{"X-Api-Status-Code": "20000000", "X-Api-Message": "OK", "X-Tt-Logid": "log"},
        )


class AzureService(Recognizer):
    """Fast transcription."""

    config = "azure_speech"
    prefix = ""

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/speechtotext/transcriptions:transcribe", self._transcribe)]

    async def _transcribe(self, request: web.Request) -> web.Response:
        bearer(request, "{}", "Ocp-Apim-Subscription-Key")
        must(dict(request.query) == {"api-version": "2025-10-15"}, "query")
        (first, _, definition), (second, name, wav) = await form_parts(request)
        must((first, second, bool(name)) == ("definition", "audio", True), "parts")
        settings = json.loads(definition)
        only(settings, {"profanityFilterMode"}, {"locales", "enhancedMode"})
        locales = settings.pop("locales", None)
        must(locales is None or len(locales) == 1, "one locale")
        heard = self.listen(wav, None if locales is None else locales[0], **settings)
        phrases = [] if heard.silent else [{"text": heard.text}]
        body = {"durationMilliseconds": round(heard.seconds * 1000), "combinedPhrases": phrases, "phrases": []}
        return self.answer(heard, body)


class GoogleService(Recognizer):
    """Speech-to-Text v2."""

    config = "google_chirp_3"
    prefix = ""
    overrides: ClassVar[Mapping[str, Any]] = {"project": "proj"}

    def __init__(self) -> None:
        super().__init__()
        self.tokens = {KEY}

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v2/projects/proj/locations/us/recognizers/{_:_:recognize}", self._recognize)]

    async def _recognize(self, request: web.Request) -> web.Response:
        must(request.headers.get("Authorization", "").removeprefix("Bearer ") in self.tokens, "token")
        body = await json_body(request)
        only(body, {"config", "content"})
        config = body["config"]
        only(config, {"autoDecodingConfig", "model", "languageCodes", "features"})
        must(config["model"] == "chirp_3" and config["autoDecodingConfig"] == {}, "model or decoding")
        (language,) = config["languageCodes"]
        wav = base64.b64decode(body["content"], validate=True)
        must(len(request.headers) and len(wav) < 60 * 32_000 + 100, "more than a minute")
        heard = self.listen(wav, language, **config["features"])
        head, _, tail = heard.text.partition(" ")
        results = [{"alternatives": [{"transcript": piece}]} for piece in (head, f" {tail}") if piece.strip()]
        metadata = {"totalBilledDuration": f"{-int(-heard.seconds // 1)}s"}
        return self.answer(heard, {**({"results": results} if results else {}), "metadata": metadata})


class DeepgramService(Recognizer):
    """Recordings."""

    config = "deepgram_nova_3"
    prefix = "/v1"

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/listen", self._listen)]

    async def _listen(self, request: web.Request) -> web.Response:
        bearer(request, "Token {}")
        must(request.content_type == "audio/wav", request.content_type)
        query = dict(request.query)
        only(query, {"model", "language", "smart_format", "punctuate", "numerals", "filler_words"})
        must({*query.values()} <= {"true", "false", query["model"], query["language"]}, "booleans")
        must(query.pop("model") == "nova-3", "model")
        heard = self.listen(await request.read(), query.pop("language"), **query)
        alternative = {"transcript": heard.text, "confidence": 0.9, "words": []}
        info = {"u-u": {"name": "general-nova-3", "version": "2025-01-09", "arch": "nova-3"}}
        metadata = {"request_id": "r", "duration": heard.seconds, "models": ["u-u"], "model_info": info}
        return self.answer(heard, {"metadata": metadata, "results": {"channels": [{"alternatives": [alternative]}]}})


class ElevenLabsService(Recognizer):
    """Scribe."""

    config = "elevenlabs_scribe"
    prefix = "/v1"

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/speech-to-text", self._transcribe)]

    async def _transcribe(self, request: web.Request) -> web.Response:
        bearer(request, "{}", "xi-api-key")
        *others, (name, file_name, wav) = await form_parts(request)
        must(name == "file" and file_name, "file")
        fields = {each: value.decode() for each, _, value in others}
        only(fields, {"model_id", "tag_audio_events", "timestamps_granularity"}, {"language_code"})
        must(fields.pop("model_id") == "scribe_v2" and fields["tag_audio_events"] == "false", "model or events")
        heard = self.listen(wav, fields.pop("language_code", None), **fields)
        return self.answer(heard, {"text": heard.text, "language_code": "en", "audio_duration_secs": heard.seconds})


class JobService(Recognizer):
    """What services have in common that take jobs: each is under way for one look, then done."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, Heard] = {}
        self.looks: Counter[str] = Counter()
        self.end: Callable[[str], str | None] = lambda _: None  # from a job to how it ends, where that is not well

    def begin(self, heard: Heard) -> str:
        job = f"job{len(self.jobs)}"
        self.jobs[job] = heard
        return job

    def look(self, request: web.Request) -> tuple[str, Heard, bool]:
        job = request.match_info["job"]
        must(job in self.jobs, f"no job {job}")
        self.fail(job)
        self.looks[job] += 1
        return job, self.jobs[job], self.looks[job] > 1


class SpeechmaticsService(JobService):
    """Batch."""

    config = "speechmatics"
    prefix = "/v2"
    overrides: ClassVar[Mapping[str, Any]] = {"poll_seconds": 0.01}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/jobs", self._submit),
            web.get("/jobs/{job}", self._state),
            web.get("/jobs/{job}/transcript", self._transcript),
        ]

    async def _submit(self, request: web.Request) -> web.Response:
        bearer(request)
        (first, _, config), (second, name, wav) = await form_parts(request)
        must((first, second, bool(name)) == ("config", "data_file", True), "parts")
        settings = json.loads(config)
        only(settings, {"type", "transcription_config"})
        fields = settings["transcription_config"]
        only(fields, {"language", "model", "enable_entities"})
        must(settings["type"] == "transcription" and fields.pop("model") == "enhanced", "type or model")
        heard = self.listen(wav, fields.pop("language"), **fields)
        return web.json_response({"id": self.begin(heard)}, status=201)

    async def _state(self, request: web.Request) -> web.Response:
        bearer(request)
        job, heard, done = self.look(request)
        status = self.end(job) or ("done" if done else "running")
        errors = {"errors": [{"message": "unsupported audio"}]} if status == "rejected" else {}
        state = {"id": job, "status": status, "duration": -int(-heard.seconds // 1), **errors}
        return web.json_response({"job": state})

    async def _transcript(self, request: web.Request) -> web.Response:
        bearer(request)
        must(dict(request.query) == {"format": "txt"}, "query")
        job = request.match_info["job"]
        self.fail(f"transcript of {job}")
        heard = self.jobs[job]
        self.answered[heard.content] += 1
        return web.Response(text=f"{heard.text}\n")


class AssemblyAIService(JobService):
    """Both ways; the paths of jobs belong to another host."""

    config = "assemblyai"
    prefix = "/v1"
    overrides: ClassVar[Mapping[str, Any]] = {"poll_seconds": 0.01}

    def __init__(self) -> None:
        super().__init__()
        self._uploads: dict[str, bytes] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/transcribe", self._transcribe),
            web.post("/jobs-v2/upload", self._upload),
            web.post("/jobs-v2/transcript", self._submit),
            web.get("/jobs-v2/transcript/{job}", self._state),
        ]

    async def _transcribe(self, request: web.Request) -> web.Response:
        bearer(request, "{}")
        must(request.headers.get("X-AAI-Model") == "universal-3-5-pro", "model")
        (first, _, config), (second, name, wav) = await form_parts(request)
        must((first, second, bool(name)) == ("config", "audio", True), "parts")
        fields = json.loads(config)
        only(fields, set(), {"language_codes", "prompt"})
        must(0.08 <= (len(wav) - 44) / 32_000 <= 120, "too short or too long")
        (language,) = fields.pop("language_codes", [None])
        heard = self.listen(wav, language, **fields)
        body = {"text": heard.text, "words": [], "audio_duration_ms": round(1000 * heard.seconds), "session_id": "s"}
        return self.answer(heard, body)

    async def _upload(self, request: web.Request) -> web.Response:
        bearer(request, "{}")
        must(request.content_type == "application/octet-stream", request.content_type)
        url = f"https://cdn.invalid/{len(self._uploads)}"
        self._uploads[url] = await request.read()
        return web.json_response({"upload_url": url})

    async def _submit(self, request: web.Request) -> web.Response:
        bearer(request, "{}")
        body = await json_body(request)
        only(body, {"audio_url", "speech_models", "disfluencies"}, {"language_code", "language_detection"})
        must(body["speech_models"] == ["universal-3-pro"], "one model alone")
        must(("language_code" in body) != body.get("language_detection", False), "a language, or its detection")
        heard = self.listen(self._uploads[body["audio_url"]], body.get("language_code"))
        return web.json_response({"id": self.begin(heard), "status": "queued"})

    async def _state(self, request: web.Request) -> web.Response:
        bearer(request, "{}")
        job, heard, done = self.look(request)
        if (error := self.end(job)) is not None:
            return web.json_response({"id": job, "status": "error", "error": error})
        if not done:
            return web.json_response({"id": job, "status": "processing", "text": None})
        body = {"id": job, "status": "completed", "text": heard.text, "audio_duration": -int(-heard.seconds // 1)}
        return self.answer(heard, body)


class StepFunService(Recognizer):
    """ASR by events."""

    config = "stepfun_asr"
    prefix = "/v1"

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/audio/asr/sse", self._transcribe)]

    async def _transcribe(self, request: web.Request) -> web.Response:
        bearer(request)
        must(request.headers.get("Accept") == "text/event-stream", "accept")
        body = await json_body(request)
        only(body, {"audio"})
        only(body["audio"], {"data", "input"})
        only(body["audio"]["input"], {"transcription", "format"})
        must(body["audio"]["input"]["format"] == {"type": "wav"}, "format")
        fields = dict(body["audio"]["input"]["transcription"])
        only(fields, {"model", "enable_itn"}, {"language", "hotwords"})
        must(fields.pop("model") == "stepaudio-2.5-asr", "model")
        wav = base64.b64decode(body["audio"]["data"], validate=True)
        heard = self.listen(wav, fields.pop("language", None), **fields)
        self.answered[heard.content] += 1
        tokens = {"type": "realtime_asr", "input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
        usage = {**tokens, "input_token_details": {"text_tokens": 0, "audio_tokens": 10}}
        events = [
            {"type": "transcript.text.delta", "meta": {"session_id": "s"}, "delta": piece} for piece in heard.text
        ]
        events.append({"type": "transcript.text.done", "meta": {"session_id": "s"}, "text": heard.text, "usage": usage})
        stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        return web.Response(text=stream, content_type="text/event-stream")


SERVICES = (
    DoubaoService,
    AzureService,
    GoogleService,
    DeepgramService,
    ElevenLabsService,
    SpeechmaticsService,
    AssemblyAIService,
    StepFunService,
)
