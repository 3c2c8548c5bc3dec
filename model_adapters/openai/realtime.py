"""Models behind the Realtime API: OpenAI's, and services that speak its beta (StepFun, DashScope).

One session a request, so that no sample hears of another, and none is ever taken up again by itself. The WebSocket is
aiohttp's, which evalkit's connection is made of, so that keys, redirects and lengths are kept within the same bounds.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, get_args

from evalkit.adapter import Beyond, Capabilities, Limits, Prices, ServedModelAdapter
from evalkit.audio.encoding import wavs
from evalkit.audio.wav import samples_of_wav
from evalkit.hints import check_choice
from evalkit.types import Request, Response
from model_adapters.openai.completions import SPEECH_RATE, merge_replies
from model_adapters.openai.realtime_answers import RealtimeAnswer
from model_adapters.openai.realtime_format import Dialect, RealtimeFormat, Recordings
from model_adapters.shared.answering_model import ExpectedModel
from model_adapters.shared.keys import read_key
from model_adapters.shared.server import Server
from model_adapters.shared.server_errors import ErrorCodes


class RealtimeModel(ServedModelAdapter):
    """A model that is asked in sessions of the Realtime API.

    Args:
        model: its name on the server.
        base_url: of the server, by http or https; ``/realtime`` is added.
        dialect: which family of events the server speaks; see ``Dialect``.
        recordings: how they are sent; see ``Recordings``.
        api_key_variable: the environment variable that holds the key; None for a server that wants none.
        api_key_file: a file that holds the key, instead.
        answered_by: which names the answering model may have; see ``ExpectedModel``.
        tools: whether it can be given functions to call.
        voice: in which it speaks.
        longest_audio: seconds of the longest recording that it takes; None where no limit is known.
        beyond: what becomes of a longer one; see ``evalkit.adapter.Capabilities``.
        input_rate: of the samples that it hears, in hertz.
        output_rate: of the samples that it speaks, in hertz.
        speaks_always: whether the server makes speech for written answers too.
        generation: decoding settings that hold where a request says nothing else.
        extra_body: further fields of every session.
        languages: codes of the languages it takes, or None for any.
        error_codes: see ``ErrorCodes.from_settings``.
        limits: see ``evalkit.adapter.Limits``.
        prices: see ``evalkit.adapter.Prices``; None if nobody counts.

    Raises:
        ConfigurationError: the URL is not one, the key is not where it is said to be, or there is no such dialect.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        dialect: Dialect = "ga",
        recordings: Recordings = "item",
        api_key_variable: str | None = None,
        api_key_file: str | None = None,
        answered_by: str | None = None,
        tools: bool = True,
        voice: str = "marin",
        longest_audio: float | None = None,
        beyond: Beyond = "refuses",
        input_rate: int = SPEECH_RATE,
        output_rate: int = SPEECH_RATE,
        speaks_always: bool = False,
        generation: Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        languages: Collection[str] | None = None,
        error_codes: Mapping[str, str] | None = None,
        limits: Mapping[str, Any] | None = None,
        prices: Mapping[str, Any] | None = None,
    ) -> None:
        check_choice("dialect", dialect, get_args(Dialect))
        check_choice("recordings", recordings, get_args(Recordings))
        self.limits = Limits(**(limits or {}))
        self.prices = None if prices is None else Prices(**prices)
        known = None if languages is None else frozenset(languages)
        self.capabilities = Capabilities(
            known, sample_rate=None, speech_output=True, tools=tools, longest_audio=longest_audio, beyond=beyond
        )
        key = read_key(api_key_variable, api_key_file)
        self.secrets = (key,) if key else ()
        self._server = Server(
            base_url,
            headers={"Authorization": f"Bearer {key or 'none'}"},
            secrets=self.secrets,
            concurrency=self.limits.concurrency,
            answer_bytes=self.limits.answer_bytes,
            codes=ErrorCodes.from_settings(error_codes or {}),
        )
        self._model = model
        self._expected = ExpectedModel(model, answered_by)
        self._input_rate = input_rate
        self._output_rate = output_rate
        self._format = RealtimeFormat(
            model,
            dialect=dialect,
            recordings=recordings,
            generation=generation or {},
            extra_body=extra_body or {},
            voice=voice,
            input_rate=input_rate,
            output_rate=output_rate,
            speaks_always=speaks_always,
        )
        self._fingerprint = {
            "adapter": type(self).__name__,
            "model": model,
            "server": self._server.address,
            "dialect": dialect,
            "recordings": recordings,
            "voice": {"name": voice, "rate": output_rate},
            "sample_rate": input_rate,
            "generation": dict(generation or {}),
            "extra_body": dict(extra_body or {}),
        }

    async def answer(self, request: Request) -> Response:
        """Try once to have a request answered, in a session for each reply that is wanted."""
        return merge_replies([await self._reply(request) for _ in range(request.replies)], request.replies)

    def check_settings(self, request: Request) -> None:
        """Refuse decoding settings that the protocol does not have."""
        self._format.session(request)

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the model's name, its server, its voice, its decoding settings and how it is asked."""
        return self._fingerprint

    async def close(self) -> None:
        """Close all connections."""
        await self._server.close()

    async def _reply(self, request: Request) -> Response:
        heard = [part for message in request.messages if message.role == "user" for part in message.content]
        recordings = [part for part in heard if not isinstance(part, str)]
        sounds = [samples_of_wav(wav)[0] for wav in await wavs(recordings, self._input_rate)]
        events = list(self._format.events(request, sounds))
        answer = RealtimeAnswer()
        first_sound: float | None = None
        done: Mapping[str, Any] | None = None
        async with self._server.websocket("/realtime", query=[("model", self._model)]) as socket:
            for event in events:
                await socket.send(event)
            asked = time.perf_counter()
            while done is None:
                done = answer.add(await socket.receive())
                self._expected.check(answer.model)
                if first_sound is None and answer.has_sound:
                    first_sound = round(time.perf_counter() - asked, 4)
            spoken = request.output == "speech"
            response = answer.response(done, rate=self._output_rate, spoken=spoken)
        return replace(response, first_sound=first_sound if spoken else None)
