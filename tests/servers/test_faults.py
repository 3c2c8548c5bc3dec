"""Each fault as a client meets it on the wire, and the plans that deal them out."""

import http.client
import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.processes import within
from tests.servers.backends import ServedRequest
from tests.servers.clients import chat, connect, exchange, file_part, post_chat, post_form, recording, text_part
from tests.servers.faults import Fault, Faults, Refusal, scripted_faults
from tests.servers.openai_server import OpenAIServer


def misbehaving(*kinds: Fault | None, **settings: Any) -> OpenAIServer:
    return OpenAIServer(faults=scripted_faults(kinds), **settings)


def asked(content: str, **fields: Any) -> ServedRequest:
    return ServedRequest("/v1/chat/completions", {}, fields, b"", (), (), content)


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.TOO_MANY, 429), (Fault.SERVER_ERROR, 500), (Fault.BAD_GATEWAY, 502), (Fault.UNAVAILABLE, 503)],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_errors_by_status_and_then_a_good_answer_on_the_same_connection(
    fault: Fault, status: int, streamed: bool
) -> None:
    with misbehaving(fault) as server:
        connection = connect(server)
        body, headers = json.dumps(chat(stream=streamed)).encode(), {"content-type": "application/json"}
        failed = exchange(connection, "/chat/completions", body, headers)
        assert (failed.status, "retry-after" in failed.headers) == (status, False)
        assert exchange(connection, "/chat/completions", body, headers).status == 200
        assert server.journal.connections == 1
        assert server.journal.outcomes() == {fault.value: 1, "answered": 1}


def test_three_ways_to_say_how_long_to_wait() -> None:
    kinds = (Fault.TOO_MANY_SECONDS, Fault.TOO_MANY_DATE, Fault.TOO_MANY_MILLISECONDS)
    before = time.time()
    with misbehaving(*kinds, retry_after=1.5) as server:
        seconds, date, milliseconds = (post_chat(server, chat()) for _ in kinds)
    assert {seconds.status, date.status, milliseconds.status} == {429}
    assert seconds.headers["retry-after"] == "1.5"
    assert milliseconds.headers["retry-after-ms"] == "1500"
    assert before + 1.5 <= parsedate_to_datetime(date.headers["retry-after"]).timestamp() < time.time() + 2.5


@pytest.mark.parametrize("streamed", [False, True])
def test_a_hang_lasts_until_the_client_gives_up(streamed: bool) -> None:
    with misbehaving(Fault.HANG) as server:
        with pytest.raises(TimeoutError):
            post_chat(server, chat(stream=streamed), timeout=0.3)
        assert within(lambda: server.journal.outcomes() == {"hang": 1})
        assert post_chat(server, chat()).status == 200


def test_the_server_can_be_stopped_while_clients_wait_in_vain() -> None:
    with misbehaving(Fault.HANG) as server:
        connection = connect(server)
        connection.request("POST", "/v1/chat/completions", json.dumps(chat()), {"content-type": "application/json"})
        assert within(lambda: server.journal.in_flight)
    with pytest.raises(ConnectionError):
        connection.getresponse()


@pytest.mark.parametrize("streamed", [False, True])
def test_resets_before_and_amid_the_answer(streamed: bool) -> None:
    with misbehaving(Fault.RESET_BEFORE, Fault.RESET_MIDWAY) as server:
        with pytest.raises(ConnectionResetError):
            post_chat(server, chat(stream=streamed))
        connection = connect(server)
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(chat(stream=streamed)), {"content-type": "application/json"}
        )
        response = connection.getresponse()
        assert response.status == 200
        assert response.read1(50), "some of the answer comes before the reset"
        with pytest.raises(ConnectionResetError):
            response.read()


@pytest.mark.parametrize("streamed", [False, True])
def test_a_truncated_body_lacks_its_end(streamed: bool) -> None:
    with misbehaving(Fault.TRUNCATED_BODY) as server, pytest.raises(http.client.IncompleteRead) as caught:
        post_chat(server, chat(stream=streamed))
    assert caught.value.partial
    assert streamed or caught.value.expected


def test_a_stream_may_end_in_good_order_and_yet_too_early() -> None:
    with misbehaving(Fault.ENDED_EARLY) as server:
        events = post_chat(server, chat(stream=True)).events
    assert events
    assert all(json.loads(event)["choices"][0]["finish_reason"] is None for event in events)


def test_an_error_in_the_middle_of_a_stream() -> None:
    with misbehaving(Fault.ERROR_EVENT) as server:
        *chunks, last = map(json.loads, post_chat(server, chat(stream=True)).events)
    assert chunks
    assert set(last) == {"error"}


@pytest.mark.parametrize("streamed", [False, True])
def test_malformed_json_of_a_good_status(streamed: bool) -> None:
    with misbehaving(Fault.MALFORMED_JSON) as server:
        received = post_chat(server, chat(stream=streamed))
    assert received.status == 200
    broken = received.events[-2] if streamed else received.body
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken)


def test_pages_and_nothing_at_all_of_a_good_status() -> None:
    with misbehaving(Fault.HTML_PAGE, Fault.EMPTY_BODY) as server:
        page, nothing = post_chat(server, chat()), post_chat(server, chat())
    assert (page.status, page.headers["content-type"], page.body[:6]) == (200, "text/html", b"<html>")
    assert (nothing.status, nothing.body) == (200, b"")


@pytest.mark.slow
@pytest.mark.parametrize("streamed", [False, True])
def test_a_trickle_goes_on_until_the_client_leaves(streamed: bool) -> None:
    with misbehaving(Fault.TRICKLE, trickle_interval=0.02) as server:
        connection = connect(server)
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(chat(stream=streamed)), {"content-type": "application/json"}
        )
        response = connection.getresponse()
        assert response.read(60) == b"\n" * 60, "bytes that mean nothing"
        connection.close()
        response.close()
        assert within(lambda: not server.journal.in_flight)


@pytest.mark.parametrize("streamed", [False, True])
def test_choices_and_whole_answers_that_are_missing(streamed: bool) -> None:
    with misbehaving(Fault.NO_CHOICES, Fault.FEWER_CHOICES, Fault.WRONG_SCHEMA) as server:
        none, fewer, wrong = (post_chat(server, chat(n=3, stream=streamed)) for _ in range(3))
    assert {none.status, fewer.status, wrong.status} == {200}
    assert choices(none, streamed) == set()
    assert choices(fewer, streamed) == {0, 1}
    assert "choices" not in wrong.json


def choices(received: Any, streamed: bool) -> set[int]:
    documents = [json.loads(event) for event in received.events[:-1]] if streamed else [received.json]
    return {choice["index"] for document in documents for choice in document["choices"]}


def test_transcriptions_suffer_too() -> None:
    form = [text_part("model", "whisper-1"), file_part(recording())]
    with misbehaving(Fault.SERVER_ERROR, Fault.WRONG_SCHEMA, Fault.RESET_BEFORE) as server:
        assert post_form(server, *form).status == 500
        assert "text" not in post_form(server, *form).json
        with pytest.raises(ConnectionResetError):
            post_form(server, *form)
        assert post_form(server, *form, boundary="another").status == 200
        assert len({hit.content for hit in server.journal.hits}) == 1, "a boundary is no content"


def test_a_script_that_cannot_be_played_is_an_error_of_the_test() -> None:
    served = misbehaving(Fault.FEWER_CHOICES)
    with pytest.raises(ValueError, match="'fewer-choices' cannot happen"), served, pytest.raises(ConnectionError):
        post_chat(served, chat())


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (Refusal.BAD_REQUEST, 400, None),
        (Refusal.UNAUTHORISED, 401, "invalid_api_key"),
        (Refusal.NOT_FOUND, 404, "model_not_found"),
        (Refusal.CONTENT_FILTER, 400, "content_filter"),
        (Refusal.NO_CREDIT, 429, "insufficient_quota"),
    ],
)
def test_refusals_are_for_good_and_for_chosen_requests(refusal: Refusal, status: int, code: str | None) -> None:
    with OpenAIServer(refuse=lambda request: refusal if "secret" in request.texts else None) as server:
        for _ in range(2):
            received = post_chat(server, chat("secret"))
            assert (received.status, received.json["error"]["code"]) == (status, code)
        assert post_chat(server, chat("plain")).status == 200
        assert server.journal.outcomes() == {refusal.value: 2, "answered": 1}
        assert not server.journal.violations


def test_refusals_inside_good_answers() -> None:
    kinds = {"declined": Refusal.REFUSED, "filtered": Refusal.FILTERED}
    with OpenAIServer(refuse=lambda request: kinds[request.texts[0]]) as server:
        declined, filtered = (post_chat(server, chat(text)).json["choices"][0] for text in kinds)
        streamed = post_chat(server, chat("declined", stream=True)).events[:-1]
    assert declined["message"]["content"] is None
    assert declined["message"]["refusal"]
    assert filtered["finish_reason"] == "content_filter"
    deltas = [json.loads(event)["choices"][0]["delta"] for event in streamed]
    assert "".join(delta.get("refusal") or "" for delta in deltas) == declined["message"]["refusal"]
    assert not any(delta.get("content") for delta in deltas)


def test_random_faults_depend_on_seed_and_content_and_on_no_order() -> None:
    rates = {Fault.TOO_MANY: 0.3, Fault.HANG: 0.2}
    contents = [f"{number}" for number in range(400)]
    one, same, other = Faults(1, rates), Faults(1, rates), Faults(2, rates)
    drawn = {content: one(asked(content)) for content in contents}
    assert drawn == {content: same(asked(content)) for content in reversed(contents)}
    assert drawn != {content: other(asked(content)) for content in contents}
    assert 90 < sum(fault is Fault.TOO_MANY for fault in drawn.values()) < 150
    assert 50 < sum(fault is Fault.HANG for fault in drawn.values()) < 110


def test_a_content_meets_a_limited_number_of_faults() -> None:
    faults = Faults(1, {Fault.TOO_MANY: 0.9}, per_request_limit=2)
    for content in "abcdefgh":
        outcomes = [faults(asked(content)) for _ in range(20)]
        assert outcomes.count(Fault.TOO_MANY) == 2


def test_faults_that_cannot_happen_are_not_drawn() -> None:
    faults = Faults(1, {Fault.FEWER_CHOICES: 0.5, Fault.ENDED_EARLY: 0.5})
    assert {faults(asked(f"{number}")) for number in range(20)} == {None}
    assert {faults(asked(f"{number}", n=2, stream=True)) for number in range(20)} == {
        Fault.FEWER_CHOICES,
        Fault.ENDED_EARLY,
    }


def test_impossible_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 1"):
        Faults(1, {Fault.HANG: 0.6, Fault.TOO_MANY: 0.6})
