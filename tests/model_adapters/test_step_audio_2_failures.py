"""Step-Audio 2's server when it fails: told from answers, repeated or not, and nothing secret in what is said of it."""

import asyncio
import gc
import logging

import pytest

from evalkit.errors import PermanentError, RejectedError, TransientError
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.types import Call, Response
from model_adapters.step_audio_2.served import StepAudio2Server
from tests.model_adapters.serving import Backend, ask, ask_raw, asking, http, outcomes
from tests.model_adapters.step_audio_2_exchange import MODEL, WEATHER, demo, silence
from tests.servers.faults import Fault, Faults, Refusal, scripted_faults
from tests.servers.openai_server import OpenAIServer
from tests.servers.step_audio_answers import Parsers, step_audio_backend
from tests.servers.step_audio_server import StepAudioServer

KEY = "sk-step-0123456789abcdefghij"

# What the flags of each failure are: unavailable, overloaded.
FLAGS = {
    Fault.TOO_MANY: (False, True),
    Fault.TOO_MANY_SECONDS: (False, True),
    Fault.SERVER_ERROR: (False, False),
    Fault.BAD_GATEWAY: (True, False),
    Fault.UNAVAILABLE: (False, True),
    Fault.RESET_BEFORE: (True, False),
    Fault.RESET_MIDWAY: (False, False),
    Fault.TRUNCATED_BODY: (False, False),
    Fault.MALFORMED_JSON: (False, False),
    Fault.EMPTY_BODY: (False, False),
    Fault.HTML_PAGE: (False, False),
    Fault.NO_CHOICES: (False, False),
    Fault.WRONG_SCHEMA: (False, False),
    Fault.ENDED_EARLY: (False, False),
    Fault.ERROR_EVENT: (False, False),
}
ONLY_STREAMED = (Fault.ENDED_EARLY, Fault.ERROR_EVENT)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@both_ways
def test_a_passing_failure_is_told_from_an_answer_and_says_what_it_means(stream: bool) -> None:
    plan = [fault for fault in FLAGS if stream or fault not in ONLY_STREAMED]
    with StepAudioServer(faults=scripted_faults(plan)) as server:
        failures = outcomes(
            StepAudio2Server(MODEL, server.base_url, stream=stream), *[asking(output="speech")] * (len(plan) + 1)
        )
    assert isinstance(failures.pop(), Response)
    for fault, failure in zip(plan, failures, strict=True):
        assert isinstance(failure, TransientError), fault
        assert (failure.unavailable, failure.overloaded) == FLAGS[fault], fault
        assert str(failure).strip(), fault
    assert server.journal.violations == []


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (Refusal.BAD_REQUEST, "HTTP 400: The audio is longer than this model takes."),
    ],
)
@both_ways
def test_a_refusal_is_final_and_says_why(
    refusal: Refusal, message: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    with StepAudioServer(key=KEY, refuse=lambda _: refusal) as server:
        model = StepAudio2Server(MODEL, server.base_url, stream=stream, api_key_variable="SOME_KEY")
        (failure,) = outcomes(model, asking(demo()))
    assert isinstance(failure, PermanentError)
    assert str(failure) == message


@both_ways
def test_a_wrong_key_or_model_stops_the_run(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    for refusal in (Refusal.UNAUTHORISED, Refusal.NOT_FOUND):
        with StepAudioServer(key=KEY, refuse=lambda _: refusal) as server:  # noqa: B023
            model = StepAudio2Server(MODEL, server.base_url, stream=stream, api_key_variable="SOME_KEY")
            (failure,) = outcomes(model, asking(demo()))
        assert isinstance(failure, RejectedError)
        assert KEY not in str(failure)


def test_a_server_that_was_started_without_a_parser_of_tools_says_so() -> None:
    with StepAudioServer(parsers=Parsers(tools=False)) as server:
        (failure,) = outcomes(StepAudio2Server(MODEL, server.base_url), asking(tools=(WEATHER,)))
    assert isinstance(failure, PermanentError)
    assert "--tool-call-parser" in str(failure)


@pytest.mark.slow
def test_a_caller_gets_every_answer_and_every_thought_whatever_fails_on_the_way() -> None:
    rates = dict.fromkeys(FLAGS, 0.04)
    questions = [asking(f"question {number}", demo(number % 3)) for number in range(16)]

    async def main(base_url: str) -> list[Response]:
        model = StepAudio2Server(MODEL, base_url, thinking=True, stream=True)
        caller = ServedEndpoint("model", model, Budget(BudgetCaps()))
        try:
            return await asyncio.gather(*[caller.answer(Call("model", question)) for question in questions])
        finally:
            await model.close()

    with StepAudioServer(faults=Faults(5, rates, per_request_limit=1)) as server:
        responses = asyncio.run(main(server.base_url))
    assert [response.error for response in responses] == [None] * len(questions)
    assert len({response.text for response in responses}) == len(questions)
    assert len(server.journal.outcomes()) > 5, "too little failed"
    assert server.journal.violations == []


@both_ways
def test_the_key_is_sent_and_in_no_message_representation_or_log(
    stream: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    for name in (None, "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    plan = [Fault.TOO_MANY, Fault.BAD_GATEWAY, Fault.RESET_MIDWAY, Fault.MALFORMED_JSON, Fault.WRONG_SCHEMA]
    messages = []
    for key in (KEY, "sk-another"):
        with StepAudioServer(key=key, faults=scripted_faults(plan)) as server:
            model = StepAudio2Server(MODEL, server.base_url, stream=stream, api_key_variable="SOME_KEY")
            results = outcomes(model, *[asking()] * (len(plan) + 1))
        assert isinstance(results[-1], Response) == (key == KEY)
        messages += [f"{result} {result!r} {getattr(result, 'args', '')}" for result in results]
        messages.append(f"{model!r} {model.fingerprint()} {model.limits}")
    assert [text for text in messages if KEY in text] == []
    assert any("(key removed)" in text for text in messages)
    assert caplog.records
    for record in caplog.records:
        assert KEY not in record.getMessage() + repr(record.args) + str(record.exc_text), record.name
    assert model.redact(f"a {KEY} b") == "a (key removed) b"


def test_a_server_that_wants_no_key_is_sent_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    document = {"choices": [{"index": 0, "message": {"content": "fine"}, "finish_reason": "stop"}]}
    response, server = ask_raw(http(document), lambda url: StepAudio2Server(MODEL, url))
    assert isinstance(response, Response)
    assert KEY not in server.heads[0]


def test_an_interrupt_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    async def main(server: OpenAIServer) -> None:
        model = StepAudio2Server(MODEL, server.base_url, stream=True, synthesizer=silence)
        asked = [asyncio.create_task(model.answer(asking(f"{number}", output="speech"))) for number in range(8)]
        async with asyncio.timeout(60):
            while server.journal.in_flight < 6:
                await asyncio.sleep(0.01)
        for task in asked[:-1]:
            task.cancel()
        results = await asyncio.gather(*asked[:-1], return_exceptions=True)
        assert {type(result) for result in results} == {asyncio.CancelledError}
        assert (await asked[-1]).speech is not None
        await model.close()

    with StepAudioServer(step_audio_backend, latency=0.3) as server:
        asyncio.run(main(server))
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_a_model_can_be_asked_again_after_it_was_closed() -> None:
    with StepAudioServer(Backend("fine")) as server:
        model = StepAudio2Server(MODEL, server.base_url, synthesizer=silence)
        assert [response.text for response in (*ask(model, asking()), *ask(model, asking(output="speech")))] == [
            "fine",
            "fine",
        ]
