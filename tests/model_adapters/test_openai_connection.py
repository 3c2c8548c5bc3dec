"""Keys, URLs, and what a server's failures mean."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError, PermanentError, ServerUnavailableError, TransientError
from evalkit.hints import install_command
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.clock import Clock
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.types import Call, Response
from model_adapters.openai.models import ChatModel, TranscriptionModel
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask, ask_raw, asking, http, outcomes
from tests.servers.backends import digest_answer
from tests.servers.faults import Fault, Faults, Refusal, scripted_faults
from tests.servers.openai_server import OpenAIServer

KEY = "sk-proj-0123456789abcdefghij"
COMPLETION = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}]}


def _failure(server: OpenAIServer, error: type[Exception] = TransientError, **settings: Any) -> Any:
    """What a request fails with."""
    with pytest.raises(error) as failure:
        ask(ChatModel("m", server.base_url, **settings), asking())
    return failure.value


# What the flags of each failure are: unavailable, overloaded.
_FLAGS = {
    Fault.TOO_MANY: (False, True),
    Fault.TOO_MANY_SECONDS: (False, True),
    Fault.TOO_MANY_DATE: (False, True),
    Fault.TOO_MANY_MILLISECONDS: (False, True),
    Fault.SERVER_ERROR: (False, False),
    Fault.BAD_GATEWAY: (True, False),
    Fault.UNAVAILABLE: (False, True),
    Fault.RESET_BEFORE: (True, False),
    Fault.RESET_MIDWAY: (False, False),
    Fault.TRUNCATED_BODY: (False, False),
    Fault.ENDED_EARLY: (False, False),
    Fault.MALFORMED_JSON: (False, False),
    Fault.EMPTY_BODY: (False, False),
    Fault.HTML_PAGE: (False, False),
    Fault.NO_CHOICES: (False, False),
    Fault.WRONG_SCHEMA: (False, False),
    Fault.ERROR_EVENT: (False, False),
}


def _faults(stream: bool) -> list[Fault]:
    return [fault for fault in _FLAGS if stream or fault not in (Fault.ENDED_EARLY, Fault.ERROR_EVENT)]


@pytest.mark.parametrize("stream", [False, True])
def test_a_passing_failure_is_told_from_an_answer_and_says_what_it_means(stream: bool) -> None:
    plan = _faults(stream)
    with OpenAIServer(Backend(), faults=scripted_faults(plan)) as server:
        failures = outcomes(ChatModel("m", server.base_url, stream=stream), *[asking()] * len(plan), asking())
    assert isinstance(failures.pop(), Response)
    for fault, failure in zip(plan, failures, strict=True):
        assert isinstance(failure, TransientError), fault
        assert (failure.unavailable, failure.overloaded) == _FLAGS[fault], fault
        assert str(failure).strip(), fault
        assert "\n" not in str(failure), fault
    assert server.journal.violations == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.TRICKLE])
@pytest.mark.parametrize("stream", [False, True])
def test_a_hang_and_a_trickle_end_at_the_deadline_and_the_next_attempt_is_answered(fault: Fault, stream: bool) -> None:
    async def main(base_url: str) -> Response:
        model = ChatModel("m", base_url, stream=stream, limits={"deadline": 2})
        try:
            return await ServedEndpoint("model", model, Budget(BudgetCaps())).answer(Call("model", asking()))
        finally:
            await model.close()

    with OpenAIServer(Backend(), faults=scripted_faults([fault]), trickle_interval=0.02) as server:
        response = asyncio.run(main(server.base_url))
    assert (response.text, response.error) == ("fine", None)
    assert response.usage is not None
    assert response.usage.requests == 2


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (Refusal.BAD_REQUEST, "HTTP 400: The audio is longer than this model takes."),
        (Refusal.CONTENT_FILTER, "HTTP 400: The prompt triggered the content policy."),
        (Refusal.REFUSED, "the model refused: I'm sorry, I can't help with that."),
        (Refusal.FILTERED, "a content filter of the server kept the answer back"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_final_and_says_why(
    refusal: Refusal, message: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    with OpenAIServer(Backend(), key=KEY, refuse=lambda _: refusal) as server:
        failure = _failure(server, PermanentError, stream=stream, api_key_variable="SOME_KEY")
    assert str(failure) == message


def test_an_account_without_credit_stops_the_run() -> None:
    with OpenAIServer(Backend(), refuse=lambda _: Refusal.NO_CREDIT) as server:
        failure = _failure(server, ServerUnavailableError)
    assert "HTTP 429: You exceeded your current quota. What was answered is kept" in str(failure)


@pytest.mark.parametrize("code", [408, 409, 425, 500, 504, 520, 529])
def test_other_statuses_that_pass(code: int) -> None:
    failure, _ = ask_raw(http({"error": {"message": "later"}}, code), lambda url: ChatModel("m", url))
    assert isinstance(failure, TransientError)
    assert str(failure) == f"HTTP {code}: later"
    assert (failure.unavailable, failure.overloaded) == (code == 504, code == 529)


@pytest.mark.parametrize("code", [400, 405, 413, 415, 422, 451])
def test_other_statuses_that_do_not_pass(code: int) -> None:
    failure, server = ask_raw(http({"detail": "no such field"}, code), lambda url: ChatModel("m", url))
    assert isinstance(failure, PermanentError)
    assert str(failure).startswith(f"HTTP {code}: ")
    assert "no such field" in str(failure)
    assert len(server.heads) == 1


@pytest.mark.parametrize("fault", [Fault.TOO_MANY_SECONDS, Fault.TOO_MANY_DATE, Fault.TOO_MANY_MILLISECONDS])
def test_the_time_to_wait_is_understood_in_its_three_forms(fault: Fault) -> None:
    with OpenAIServer(Backend(), faults=scripted_faults([fault]), retry_after=30) as server:
        failure = _failure(server)
    assert failure.retry_after is not None
    assert 28 < failure.retry_after <= 31


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("soon", None),
        ("", None),
        ("-5", 0),
        ("0.5", 0.5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("inf", float("inf")),
        ("nan", 0),
    ],
)
def test_odd_times_to_wait(value: str, seconds: float | None) -> None:
    failure, _ = ask_raw(http({}, 503, retry_after=value), lambda url: ChatModel("m", url))
    assert isinstance(failure, TransientError)
    assert failure.retry_after == seconds


def test_no_server_at_all_is_away_not_slow() -> None:
    for url, reason in (("http://127.0.0.1:9/v1", "127.0.0.1:9"), ("http://no-such-host.invalid/v1", "invalid")):
        with pytest.raises(TransientError, match=reason) as failure:
            ask(ChatModel("m", url), asking())
        assert (failure.value.unavailable, failure.value.overloaded) == (True, False)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        http(b"no such thing", content_encoding="gzip"),
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    ],
    ids=["not-http", "not-gzip", "negative-length"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_even_http_is_a_damaged_answer(answer: bytes, stream: bool) -> None:
    failure, _ = ask_raw(answer, lambda url: ChatModel("m", url, stream=stream))
    assert isinstance(failure, TransientError)
    assert (failure.unavailable, failure.overloaded) == (False, False)
    assert "\n" not in str(failure)


@pytest.mark.slow
def test_a_small_server_with_every_failure_gives_every_answer_once() -> None:
    async def soon(seconds: float) -> None:
        await asyncio.sleep(seconds / 50)

    async def main(base_url: str, stream: bool) -> list[Response]:
        model = ChatModel("m", base_url, stream=stream, limits={"deadline": 10})
        caller = ServedEndpoint("model", model, Budget(BudgetCaps()), clock=Clock(sleep=soon))
        try:
            return await asyncio.gather(
                *(caller.answer(Call("model", asking(f"question {number}"))) for number in range(80))
            )
        finally:
            await model.close()

    for stream in (False, True):
        faults = Faults(7, dict.fromkeys(_faults(stream), 0.03))
        with OpenAIServer(faults=faults, capacity=6, latency=0.005, retry_after=0.01) as server:
            responses = asyncio.run(main(server.base_url, stream))
        assert [response.text for response in responses] == [digest_answer([f"question {n}"]) for n in range(80)]
        assert [response.error for response in responses if response.failed] == []
        assert set(server.journal.answered().values()) == {1}
        assert len(server.journal.answered()) == 80
        assert len(server.journal.outcomes()) > 10
        assert server.journal.violations == []


@pytest.mark.parametrize("stream", [False, True])
def test_connections_are_kept_and_used_again_by_many_requests_at_once(stream: bool) -> None:
    async def main(base_url: str) -> list[Response]:
        model = ChatModel("m", base_url, stream=stream, limits={"concurrency": 8})
        caller = ServedEndpoint("model", model, Budget(BudgetCaps()))
        try:
            return await asyncio.gather(
                *(caller.answer(Call("model", asking(f"question {number}"))) for number in range(100))
            )
        finally:
            await model.close()

    with OpenAIServer(latency=0.002) as server:
        responses = asyncio.run(main(server.base_url))
    assert len({response.text for response in responses}) == 100
    assert server.journal.connections <= 8
    assert server.journal.peak_concurrency <= 8


# --- the URL


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@127.0.0.1:8000/v1",
        "https://hunter2@api.example.org/v1",
        "https://api.example.org/v1?key=hunter2",
    ],
)
def test_a_url_that_holds_credentials_is_refused_without_printing_them(url: str) -> None:
    with pytest.raises(ConfigurationError, match="holds credentials or a query") as refusal:
        ChatModel("m", url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000/v1",
        "localhost",
        "ftp://host/v1",
        "http://",
        "http:///v1",
        "http://host:port/v1",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://host:0/v1",
    ],
)
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url must be of the form"):
        ChatModel("m", url)


def test_a_fingerprint_names_the_server_with_its_port() -> None:
    def server(url: str, **settings: Any) -> str:
        return str(ChatModel("m", url, **settings).fingerprint()["server"])

    assert server("http://Host.example:8000/v1/") == "host.example:8000/v1"
    assert server("http://host.example:8001/v1") == "host.example:8001/v1"
    assert server("https://host.example:443/v1") == server("http://host.example/v1") == "host.example/v1"
    assert server("http://[::1]:8000/v1") == "[::1]:8000/v1"
    assert server("http://host.example:8001/v1", server="host.example:8000/v1") == "host.example:8000/v1"
    assert ChatModel("m", "http://host/v1", deployment="step-100").fingerprint()["deployment"] == "step-100"


def test_a_deployment_on_azure_is_asked_by_its_url_and_key_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_VERSION", raising=False)
    settings: dict[str, Any] = {"api_key_variable": "AZURE_KEY", "azure_api_version": "2025-01-01-preview"}
    response, server = ask_raw(http(COMPLETION), lambda url: ChatModel("my-gpt", url.removesuffix("/v1"), **settings))
    assert isinstance(response, Response)
    assert response.text == "fine"
    (head,) = server.heads
    first, *headers = head.splitlines()
    assert first == "POST /openai/deployments/my-gpt/chat/completions?api-version=2025-01-01-preview HTTP/1.1"
    assert f"api-key: {KEY}" in [header.lower() for header in headers]
    path = sorted((DEMO_SPEECH / "audio").iterdir())[0]
    response, server = ask_raw(
        http({"text": "heard"}),
        lambda url: TranscriptionModel("my-whisper", url.removesuffix("/v1"), **settings),
        asking(Audio("a", path)),
    )
    assert isinstance(response, Response)
    assert response.text == "heard"
    assert server.heads[0].startswith(
        "POST /openai/deployments/my-whisper/audio/transcriptions?api-version=2025-01-01-preview HTTP/1.1"
    )


# --- libraries


@pytest.mark.parametrize("library", ["aiohttp", "pybase64"])
def test_a_library_that_is_missing_is_named_with_what_to_install(library: str) -> None:
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from evalkit.errors import ConfigurationError\n"
        "from model_adapters.openai.models import ChatModel\n"
        "try:\n    ChatModel('m', 'http://127.0.0.1/v1')\n"
        "except ConfigurationError as error:\n    print(error)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert outcome.stdout.startswith(f"served models need more: {install_command('openai')}"), outcome.stderr
    assert library in outcome.stdout
