"""The Realtime API, OpenAI's own events and the beta's, put to a server that checks every event."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from evalkit.audio import Audio
from evalkit.audio.wav import wav_of_waveform
from evalkit.errors import ConfigurationError, PermanentError, RejectedError, ServerUnavailableError, TransientError
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.testing import check_adapter
from evalkit.types import Call, Message, Request, Response, ToolCall
from model_adapters.openai.realtime import RealtimeModel
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask, asking, configured, outcomes
from tests.servers.backends import Answer, Called, ServedRequest
from tests.servers.realtime_server import RealtimeServer
from tests.servers.sound import tone

KEY = "sk-realtime-0123456789abcdef"
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather.", "parameters": {"type": "object"}},
}
SERVICES = {
    "gpt_realtime": ("ga", 24_000),
    "gpt_realtime_2_1": ("ga", 24_000),
    "step_audio_2_realtime": ("beta", 24_000),
    "qwen3_omni_flash_realtime": ("beta", 16_000),
}
every_service = pytest.mark.parametrize("name", SERVICES)
both_dialects = pytest.mark.parametrize("dialect", ["ga", "beta"])


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "DASHSCOPE_API_KEY", "STEPFUN_API_KEY"):
        monkeypatch.setenv(name, KEY)


def _demo(number: int = 0) -> Audio:
    path = sorted((DEMO_SPEECH / "audio").iterdir())[number]
    return Audio(path.name, path)


def _exchange(
    dialect: str, *requests: Request, backend: Any = "fine", server: Any = None, **settings: Any
) -> list[Any]:
    """What requests come to at a server that takes nothing but what is documented."""
    with RealtimeServer(Backend(backend), dialect=dialect, **(server or {})) as running:
        answers = outcomes(RealtimeModel("m", running.base_url, dialect=dialect, **settings), *requests)  # type: ignore[arg-type]
    assert running.journal.violations == []
    return answers


# --- the configurations


@every_service
def test_a_recording_is_heard_whole_and_answered_in_writing(name: str) -> None:
    dialect, rate = SERVICES[name]
    backend = Backend("Guten Morgen, 你好")
    with RealtimeServer(backend, dialect=dialect, key=KEY, rate=rate) as server:
        (response,) = ask(configured(name, base_url=server.base_url), asking(_demo(), generation={"max_new_tokens": 9}))
    assert server.journal.violations == []
    assert (response.text, response.finish_reason, response.speech) == ("Guten Morgen, 你好", "stop", None)
    assert response.usage is not None
    assert response.usage.input_audio_tokens > 0
    (sound,) = backend.request.sounds
    expected = _demo().waveform(rate)
    assert len(sound.samples) == len(expected)
    assert np.abs(sound.samples[:, 0] / 32_768 - expected).max() < 1e-4
    always = name == "step_audio_2_realtime"
    assert backend.request.fields["modalities"] == (["text", "audio"] if always else ["text"])


@every_service
def test_a_spoken_answer_is_heard_whole_with_its_words_and_when_it_began(name: str) -> None:
    dialect, rate = SERVICES[name]
    speech = tone(0.53)
    backend = Backend(Answer(("Good morning.",), speech=speech))
    with RealtimeServer(backend, dialect=dialect, key=KEY, rate=rate) as server:
        (response,) = ask(configured(name, base_url=server.base_url), asking(_demo(), output="speech"))
    assert server.journal.violations == []
    assert response.text == "Good morning."
    assert response.speech is not None
    np.testing.assert_allclose(response.speech.waveform(24_000), np.frombuffer(speech, "<i2") / 32_768, atol=1e-6)
    assert response.first_sound is not None
    assert backend.request.fields["modalities"] == (["audio"] if dialect == "ga" else ["text", "audio"])


# --- what is sent


@both_dialects
def test_a_session_is_one_request_and_its_settings_stand_in_it(dialect: str) -> None:
    backend = Backend()
    request = asking(
        "Hi.", tools=(WEATHER,), generation={"max_new_tokens": 64, "tool_choice": "auto"}, output="speech", replies=2
    )
    (response,) = _exchange(dialect, request, asking("Ho."), backend=backend, extra_body={"instructions": "x"})[:1]
    assert isinstance(response, Response), response
    assert len(response.replies) == 2
    assert [request.texts for request in backend.requests] == [("Hi.",), ("Hi.",), ("Ho.",)]
    session = dict(backend.requests[0].fields["sent"][0]["session"])
    assert session.pop("tools") == [{"type": "function", **WEATHER["function"]}]  # type: ignore[dict-item]
    pcm = {"type": "audio/pcm", "rate": 24_000}
    assert (
        session
        == {
            "ga": {
                "type": "realtime",
                "output_modalities": ["audio"],
                "audio": {
                    "input": {"format": pcm, "turn_detection": None},
                    "output": {"format": pcm, "voice": "marin"},
                },
                "max_output_tokens": 64,
                "tool_choice": "auto",
                "instructions": "x",
            },
            "beta": {
                "modalities": ["text", "audio"],
                "input_audio_format": "pcm16",
                "output_audio_format": "pcm16",
                "turn_detection": None,
                "voice": "marin",
                "max_response_output_tokens": 64,
                "tool_choice": "auto",
                "instructions": "x",
            },
        }[dialect]
    )


@both_dialects
@pytest.mark.parametrize("recordings", ["item", "buffer"])
def test_a_conversation_keeps_its_order(dialect: str, recordings: str) -> None:
    call = ToolCall("get_weather", '{"city": "Ulm"}', "c1")
    conversation = Request(
        (
            Message("system", ("Listen.",)),
            Message("user", ("First: ", _demo())),
            Message("assistant", ("", _demo()), (call,)),
            Message("tool", ("sunny",), tool_call_id="c1"),
            Message("assistant", ("It is sunny.",)),
            Message("user", (_demo(1), " and this?")),
        ),
        tools=(WEATHER,),
    )
    backend = Backend()
    (response,) = _exchange(dialect, conversation, backend=backend, recordings=recordings)
    assert isinstance(response, Response), response
    kinds = [event.get("item", event)["type"] for event in backend.request.fields["sent"][1:-1]]
    heard = (
        ["message"] if recordings == "item" else ["message", "input_audio_buffer.append", "input_audio_buffer.commit"]
    )
    last = ["message"] if recordings == "item" else [*heard[1:], "message"]
    assert kinds == [*heard, "function_call", "function_call_output", "message", *last]
    assert backend.request.fields["instructions"] == "Listen."
    assert [len(sound.samples) for sound in backend.request.sounds] == [
        len(_demo(number).waveform(24_000)) for number in (0, 1)
    ]


def test_a_long_recording_is_appended_in_pieces_that_a_service_takes() -> None:
    samples = np.zeros(24_000 * 60, np.float32)
    backend = Backend()
    audio = Audio("long", content=lambda: wav_of_waveform(samples, 24_000))
    _exchange("beta", asking(audio), backend=backend, recordings="buffer")
    pieces = [event["audio"] for event in backend.request.fields["sent"] if "audio" in event]
    assert len(pieces) == 3
    assert max(map(len, pieces)) < 15 << 20
    assert len(backend.request.sounds[0].samples) == len(samples)


def test_the_ga_form_has_no_temperature_and_the_beta_has_one() -> None:
    request = asking(generation={"temperature": 0.5})
    (refused,) = _exchange("ga", request)
    assert isinstance(refused, ConfigurationError)
    assert "'temperature' is no setting of Realtime" in str(refused)
    assert "such as 'realtime'" in str(refused)
    (response,) = _exchange("beta", request)
    assert isinstance(response, Response)


@pytest.mark.parametrize(("setting", "value"), [("dialect", "gamma"), ("recordings", "bufer")])
def test_a_form_that_there_is_not_is_refused(setting: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{setting} is '{value}'; it must be"):
        RealtimeModel("m", "http://127.0.0.1/v1", **{setting: value})  # type: ignore[arg-type]


@both_dialects
def test_what_the_engine_relies_on_holds(dialect: str) -> None:
    with RealtimeServer(dialect=dialect) as server:
        model = RealtimeModel("m", server.base_url, dialect=dialect)  # type: ignore[arg-type]
        check_adapter(model, [asking(_demo(number)) for number in (0, 1)])
    assert server.journal.violations == []


# --- what comes back


@both_dialects
def test_calls_of_tools_come_whole_with_their_ids(dialect: str) -> None:
    answer = Answer(("",), tool_calls=(Called("get_weather", '{"city": "Ulm"}'), Called("stop", "no JSON")))
    (response,) = _exchange(dialect, asking("Weather?", tools=(WEATHER,)), backend=answer)
    assert response.tool_calls == (
        ToolCall("get_weather", '{"city": "Ulm"}', "c0"),
        ToolCall("stop", "no JSON", "c1"),
    )


@both_dialects
def test_thoughts_and_other_events_are_no_part_of_the_words(dialect: str) -> None:
    def think(events: list[dict[str, Any]]) -> None:
        events[:0] = [{"type": "response.thinking.delta", "delta": "They say"}, {"type": "rate_limits.updated"}]

    (response,) = _exchange(dialect, asking(_demo()), server={"change": think})
    assert (response.text, response.notes) == ("fine", ())


def _finished(status: str, **details: Any) -> Any:
    def change(events: list[dict[str, Any]]) -> None:
        events[-1]["response"] |= {"status": status, "status_details": {"type": status, **details}}

    return {"change": change}


def test_an_answer_that_ran_out_of_tokens_is_cut_short() -> None:
    (response,) = _exchange("ga", asking(), server=_finished("incomplete", reason="max_output_tokens"))
    assert (response.text, response.finish_reason) == ("fine", "length")


@pytest.mark.parametrize(
    ("end", "kind", "message"),
    [
        (_finished("incomplete", reason="content_filter"), PermanentError, "a content filter of the server"),
        (_finished("cancelled", reason="turn_detected"), TransientError, "not finished: 'cancelled', 'turn_detected'"),
        (_finished("cancelled", reason="client_cancelled"), TransientError, "not finished: 'cancelled'"),
        (_finished("failed", error={"type": "server_error", "code": "x", "message": "why"}), TransientError, "why"),
        (_finished("in_progress"), TransientError, "not finished"),
    ],
)
def test_an_answer_that_was_not_finished_is_none(end: Any, kind: type[Exception], message: str) -> None:
    (outcome,) = _exchange("ga", asking(), server=end)
    assert isinstance(outcome, kind)
    assert message in str(outcome)


def test_an_answer_that_failed_for_want_of_money_stops_the_run() -> None:
    end = _finished("failed", error={"type": "insufficient_quota", "code": "credit_balance_exhausted"})
    with RealtimeServer(Backend(), **end) as server:
        (outcome,) = outcomes(configured("gpt_realtime_2_1", base_url=server.base_url), asking())
    assert isinstance(outcome, ServerUnavailableError), outcome


@pytest.mark.parametrize(
    ("error", "kind", "overloaded"),
    [
        ({"type": "invalid_request_error", "code": "invalid_value"}, PermanentError, False),
        ({"type": "invalid_request_error", "code": "model_not_found"}, RejectedError, False),
        ({"type": "server_error", "code": None}, TransientError, False),
        ({"type": "tokens", "code": "rate_limit_exceeded"}, TransientError, True),
        ({"type": "insufficient_quota", "code": "insufficient_quota"}, ServerUnavailableError, False),
    ],
    ids=lambda value: str(value["code"]) if isinstance(value, dict) else "",
)
def test_an_error_in_the_conversation_means_what_its_code_says(
    error: dict[str, Any], kind: type[Exception], overloaded: bool
) -> None:
    event = {"type": "error", "event_id": "e", "error": {**error, "message": f"why {KEY}"}}
    with RealtimeServer(Backend(), fault=lambda: event) as server:
        (outcome,) = outcomes(configured("gpt_realtime_2_1", base_url=server.base_url), asking())
    assert isinstance(outcome, kind), outcome
    assert getattr(outcome, "overloaded", False) == overloaded
    assert "why (key removed)" in str(outcome)


@pytest.mark.parametrize(
    ("status", "kind", "flags"),
    [
        (401, RejectedError, (False, False)),
        (403, RejectedError, (False, False)),
        (404, RejectedError, (False, False)),
        (429, TransientError, (False, True)),
        (500, TransientError, (False, False)),
        (503, TransientError, (False, True)),
        (504, TransientError, (True, False)),
    ],
)
def test_a_conversation_that_is_refused_means_what_its_status_says(
    status: int, kind: type[Exception], flags: tuple[bool, bool]
) -> None:
    (outcome,) = _exchange("ga", asking(), server={"fault": lambda: status})
    assert isinstance(outcome, kind), outcome
    assert f"HTTP {status}: the conversation was refused" in str(outcome)
    assert (getattr(outcome, "unavailable", False), getattr(outcome, "overloaded", False)) == flags


def test_a_conversation_that_breaks_off_is_no_answer_and_is_not_taken_up_by_itself() -> None:
    with RealtimeServer(Backend(), fault=dict) as server:
        (outcome,) = outcomes(RealtimeModel("m", server.base_url), asking())
    assert isinstance(outcome, TransientError)
    assert "the conversation broke off (1000" in str(outcome)
    assert server.journal.connections == 1


@pytest.mark.slow
def test_a_conversation_that_hangs_ends_at_the_deadline_and_the_next_attempt_is_answered() -> None:
    waits = iter([30.0])

    async def answer(_: ServedRequest) -> Answer:
        await asyncio.sleep(next(waits, 0.0))
        return Answer(("fine",))

    async def main(base_url: str) -> Response:
        model = RealtimeModel("m", base_url, limits={"deadline": 2})
        try:
            return await ServedEndpoint("model", model, Budget(BudgetCaps())).answer(Call("model", asking()))
        finally:
            await model.close()

    with RealtimeServer(answer) as server:
        response = asyncio.run(main(server.base_url))
    assert (response.text, response.failure) == ("fine", None)
    assert response.usage is not None
    assert response.usage.requests == 2


def test_no_server_at_all_is_away() -> None:
    (outcome,) = outcomes(RealtimeModel("m", "http://127.0.0.1:9/v1"), asking())
    assert isinstance(outcome, TransientError)
    assert outcome.unavailable


def test_an_answer_of_another_model_stops_the_run() -> None:
    (response,) = _exchange("ga", asking(), answered_by="m")
    assert response.answered_by == "m"
    (outcome,) = _exchange("ga", asking(), answered_by="m", server={"model": "gpt-other"})
    assert isinstance(outcome, RejectedError)
    assert "m was asked, but gpt-other answers" in str(outcome)


def test_an_answer_without_bounds_is_given_up() -> None:
    answer = Answer(("a",), speech=tone(3))
    (outcome,) = _exchange("ga", asking(output="speech"), backend=answer, limits={"answer_bytes": 100_000})
    assert isinstance(outcome, PermanentError)
    assert "limits.answer_bytes=100000" in str(outcome)


@contextmanager
def _redirecting(place: str) -> Iterator[str]:
    """A server that sends every conversation to another place."""
    started, stopped = threading.Event(), threading.Event()
    address = []

    async def redirect(_: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(place)

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/v1/realtime", redirect)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        started.set()
        await asyncio.to_thread(stopped.wait)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    started.wait()
    try:
        yield address[0]
    finally:
        stopped.set()
        thread.join()


def test_a_conversation_goes_nowhere_else_with_key_and_recording() -> None:
    with RealtimeServer(Backend()) as other, _redirecting(f"{other.base_url}/realtime?model=m") as url:
        (outcome,) = outcomes(configured("gpt_realtime_2_1", base_url=url), asking(_demo()))
    assert isinstance(outcome, RejectedError)
    assert f"HTTP 307: it sends us to {other.base_url}/realtime" in str(outcome)
    assert other.journal.connections == 0
