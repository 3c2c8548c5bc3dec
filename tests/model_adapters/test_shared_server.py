"""What every protocol needs of a server: bounded answers, no redirects, rejections told from refusals, its identity."""

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import pytest

from evalkit.errors import PermanentError, RejectedError, ServerUnavailableError, TransientError
from evalkit.types import Response
from model_adapters.openai.models import ChatModel
from model_adapters.shared.server import Server
from tests.model_adapters.serving import RawServer, ask_raw, asking, http
from tests.servers.openai_server import OpenAIServer

KEY = "sk-proj-0123456789abcdefghij"
COMPLETION = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}]}


# --- how much is read


def _bounded(url: str, **settings: Any) -> ChatModel:
    return ChatModel("m", url, limits={"answer_bytes": 100_000}, **settings)


@pytest.mark.parametrize(
    ("compress", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate"), (lambda body: body, "identity")]
)
@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_is_read_no_further_than_allowed(compress: Any, encoding: str, status: int) -> None:
    body = compress(json.dumps({**COMPLETION, "padding": " " * 5_000_000}).encode())
    failure, _ = ask_raw(http(body, status, content_encoding=encoding), _bounded)
    assert isinstance(failure, PermanentError)
    if status == 200:
        assert str(failure) == "the answer holds more than limits.answer_bytes=100000; raise it if that is right"


def test_a_compressed_answer_within_the_bounds_is_read() -> None:
    for compress, encoding in ((gzip.compress, "gzip"), (zlib.compress, "deflate")):
        response, _ = ask_raw(http(compress(json.dumps(COMPLETION).encode()), content_encoding=encoding), _bounded)
        assert isinstance(response, Response)
        assert response.text == "fine"
    cut = gzip.compress(json.dumps(COMPLETION).encode())[:-12]
    for body, encoding in ((cut, "gzip"), (b"fine", "br")):
        failure, _ = ask_raw(http(body, content_encoding=encoding), _bounded)
        assert isinstance(failure, TransientError)


@pytest.mark.parametrize("line", [b"data: ", b"x", b": comment\n", b"data: {}\n\n"])
def test_a_stream_without_end_is_read_no_further_than_allowed(line: bytes) -> None:
    body = b"data: {}\n\n" + line * (1_000_000 // len(line))
    failure, _ = ask_raw(http(body, content_type="text/event-stream"), lambda url: _bounded(url, stream=True))
    assert isinstance(failure, PermanentError)
    assert "limits.answer_bytes" in str(failure)


def test_a_server_that_keeps_a_finished_stream_open_is_not_waited_for() -> None:
    event = json.dumps({"choices": [{"delta": {"content": "fine"}, "finish_reason": "stop"}]}).encode()
    body = b"data: " + event + b"\n\ndata: [DONE]\n\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 100000\r\n\r\n"
    response, _ = ask_raw(head + body, lambda url: ChatModel("m", url, stream=True))
    assert isinstance(response, Response)
    assert response.text == "fine"


# --- where it is sent


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_is_sent_to_where_a_server_points(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    elsewhere = RawServer(http(COMPLETION))

    async def main() -> Exception | None:
        async with elsewhere.running():
            there = elsewhere.base_url + "/chat/completions?key=secret"
            pointing = RawServer(http(b"", status, location=there))
            async with pointing.running():
                model = ChatModel("m", pointing.base_url, api_key_variable="SOME_KEY")
                try:
                    await model.answer(asking())
                except RejectedError as error:
                    return error
                finally:
                    await model.close()
        return None

    error = asyncio.run(main())
    assert error is not None
    assert f"HTTP {status}: it sends us to {elsewhere.base_url}/chat/completions" in str(error)
    assert "secret" not in str(error)
    assert elsewhere.heads == []


def test_a_proxy_of_the_environment_is_not_asked_for_a_server_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    response, _ = ask_raw(http(COMPLETION), lambda url: ChatModel("m", url))
    assert isinstance(response, Response)
    remote = Server("http://models.example/v1", concurrency=1, answer_bytes=1)
    assert remote._proxy == "http://127.0.0.1:9"


# --- what its errors mean


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}."}}, "see to the key"),
        (403, {"error": {"message": "Forbidden", "code": "AccessDenied.Unpurchased"}}, "see to the key"),
        (400, {"error": {"message": "Bad key", "code": "invalid_api_key"}}, "see to the key"),
        (404, {"error": {"message": "The model `m` does not exist.", "code": 404}}, "see to model= and base_url="),
        (404, {"detail": "Not Found"}, "see to model= and base_url="),
        (404, "<html>nginx</html>", "see to model= and base_url="),
        (400, {"error": {"message": "No.", "code": "model_not_found"}}, "see to model= and base_url="),
        (400, {"error": {"message": "x/y is not a valid model ID", "code": 400}}, "see to model= and base_url="),
        (400, {"error": {"message": "Invalid model name passed in model=m"}}, "see to model= and base_url="),
        (422, {"detail": "The model m does not exist"}, "see to model= and base_url="),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_key_or_model_is_told_from_a_refused_request(
    status: int, body: Any, remedy: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    content = http(body.encode() if isinstance(body, str) else body, status)
    failure, server = ask_raw(content, lambda url: ChatModel("m", url, api_key_variable="SOME_KEY", stream=stream))
    assert isinstance(failure, RejectedError)
    assert str(failure).startswith(f"{server.base_url} turns the caller away (HTTP {status}: ")
    assert remedy in str(failure)
    assert KEY not in str(failure)
    assert "\n" not in str(failure)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "The audio is longer than this model takes."}}),
        (400, {"error": {"message": "This model does not support audio input."}}),
        (400, {"error": {"message": "Invalid model output.", "code": "invalid_request"}}),
        (403, {"error": {"message": "Flagged.", "code": 403, "metadata": {"flagged_input": "x", "reasons": ["y"]}}}),
        (403, {"error": {"message": "Blocked.", "code": "content_policy_violation"}}),
        (451, {"error": {"message": "The content is censored."}}),
    ],
)
def test_a_refused_request_costs_one_sample_only(status: int, body: Any) -> None:
    failure, _ = ask_raw(http(body, status), lambda url: ChatModel("m", url))
    assert isinstance(failure, PermanentError)
    assert str(failure).startswith(f"HTTP {status}: ")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (402, {"error": {"message": "Insufficient Balance"}}),
        (429, {"error": {"message": "No money.", "code": "credit_balance_exhausted"}}),
        (400, {"error": {"message": "Overdue.", "code": "Arrearage"}}),
    ],
)
def test_an_account_without_credit_stops_the_run(status: int, body: Any) -> None:
    failure, _ = ask_raw(http(body, status), lambda url: ChatModel("m", url))
    assert isinstance(failure, ServerUnavailableError)


def test_a_date_past_all_calendars_is_no_time_to_wait() -> None:
    answer = http({}, 429, retry_after="Mon, 01 Jan 99999999999999 00:00:00 GMT")
    failure, _ = ask_raw(answer, lambda url: ChatModel("m", url))
    assert isinstance(failure, TransientError)
    assert failure.retry_after is None


# --- what it says of itself


def _identified(listing: Any, status: int = 200, model: str = "m", **headers: str) -> Any:
    """What a server with this listing is known to say of a model, or what is raised."""

    async def main() -> Any:
        # A GET has no length, which this server reads: it is answered by one that reads nothing.
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(http(listing, status, **headers))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        adapter = ChatModel(model, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        try:
            return await adapter.identify()
        except RejectedError as error:
            return error
        finally:
            await adapter.close()
            server.close()

    return asyncio.run(main())


def test_what_a_listing_says_of_the_model_is_known() -> None:
    entry = {"id": "m", "object": "model", "created": 1_700_000_000, "owned_by": "vllm", "root": "/ckpt/step-1000"}
    said = {"id": "m", "created": 1_700_000_000, "owned_by": "vllm", "root": "/ckpt/step-1000"}
    listing = {"object": "list", "data": [{"id": "other", "root": "x"}, entry, None, "m"]}
    assert _identified(listing, date=formatdate(usegmt=True)) == said
    assert _identified(listing, model="absent") == {}


def test_a_moment_of_creation_that_is_the_listings_own_is_left_out() -> None:
    now = time.time()
    listing = {"data": [{"id": "m", "created": int(now)}]}
    assert _identified(listing, date=formatdate(now + 1, usegmt=True)) == {"id": "m"}
    # By the server's own clock, whatever ours says.
    later = {"data": [{"id": "m", "created": int(now) - 7200}]}
    assert _identified(later, date=formatdate(now - 7200, usegmt=True)) == {"id": "m"}
    assert _identified({"data": [{"id": "m", "created": "yesterday"}]}) == {"id": "m"}


@pytest.mark.parametrize(
    ("listing", "status"),
    [({"detail": "Not Found"}, 404), (b"<html>", 200), ([], 200), ({"data": None}, 200), ({}, 500), ({}, 405)],
)
def test_a_server_without_a_listing_is_fine(listing: Any, status: int) -> None:
    assert _identified(listing, status) == {}


def test_a_listing_that_a_wrong_key_is_refused_stops_the_run() -> None:
    assert isinstance(_identified({"error": {"message": "no"}}, 401), RejectedError)


def test_a_rejection_names_the_models_that_there_are() -> None:
    async def main(base_url: str) -> Mapping[str, Any] | None:
        model = ChatModel("step-audio", base_url)
        try:
            assert await model.identify() == {}
            await model.answer(asking())
        finally:
            await model.close()
        return None

    with OpenAIServer(models=["step-audio-2", "judge"]) as server, pytest.raises(RejectedError) as error:
        asyncio.run(main(server.base_url))
    assert str(error.value).endswith("(it lists the models step-audio-2, judge)")


@pytest.mark.parametrize(
    ("url", "key", "warned"),
    [
        ("http://models.example/v1", "sk-0123456789", True),
        ("http://10.0.0.7:8000", "sk-0123456789", True),
        ("https://models.example/v1", "sk-0123456789", False),
        ("http://127.0.0.1:8000/v1", "sk-0123456789", False),
        ("http://[::1]:8000/v1", "sk-0123456789", False),
        ("http://localhost:8000/v1", "sk-0123456789", False),
        ("http://models.example/v1", None, False),
    ],
)
def test_a_key_that_leaves_this_machine_in_clear_is_told(
    url: str, key: str | None, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    Server(url, secrets=(key,) if key else (), concurrency=1, answer_bytes=1)
    assert ("the key goes there in clear" in capsys.readouterr().err) is warned
