"""What a service's own codes mean: in a body, in a header, within an answer; and how long it asks to wait."""

from typing import Any

import pytest

from evalkit.errors import ConfigurationError, PermanentError, RejectedError, ServerUnavailableError, TransientError
from evalkit.types import Response
from model_adapters.openai.models import ChatModel
from model_adapters.shared.server_errors import (
    EmptyAnswerError,
    ErrorCodes,
    Meaning,
    RefusedError,
    error_of_status,
)
from tests.model_adapters.serving import ask_raw, http

CODES = ErrorCodes(
    {
        "20000003": Meaning.EMPTY,
        "45*": Meaning.ITEM,
        "45000030": Meaning.NO_KEY,
        "55000031": Meaning.BUSY,
        "550*": Meaning.FAULT,
    },
    header="X-Api-Status-Code",
    message_header="X-Api-Message",
    success=frozenset({"20000000"}),
)


def _failure(body: Any, status: int, codes: dict[str, str] | None = None, **headers: str) -> Any:
    """What a chat model behind a server with this answer raises or answers."""
    failure, _ = ask_raw(http(body, status, **headers), lambda url: ChatModel("m", url, error_codes=codes))
    return failure


def test_a_used_up_quota_stops_the_run_at_openai_and_is_a_throttle_where_the_configuration_says_so() -> None:
    body = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}
    assert isinstance(_failure(body, 429), ServerUnavailableError)
    throttled = _failure(body, 429, {"insufficient_quota": "busy"})
    assert isinstance(throttled, TransientError)
    assert throttled.overloaded


@pytest.mark.parametrize("code", ["Throttling", "Throttling.RateQuota", "throttling.burstrate"])
def test_a_star_in_a_code_stands_for_anything_and_case_does_not_matter(code: str) -> None:
    failure = _failure({"error": {"code": code, "message": "slowly"}}, 400, {"Throttling*": "busy"})
    assert isinstance(failure, TransientError)
    assert failure.overloaded


def test_the_graver_of_two_codes_holds() -> None:
    body = {"error": {"code": "Arrears", "type": "limit_requests", "message": "no money"}}
    assert isinstance(_failure(body, 429, {"limit_*": "busy", "arrears": "no_credit"}), ServerUnavailableError)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"detail": {"status": "quota_exceeded", "message": "m"}}, 401, ServerUnavailableError),
        ({"err_code": "quota_exceeded", "err_msg": "m"}, 403, ServerUnavailableError),
        ({"error_code": "quota_exceeded", "message": "m"}, 400, ServerUnavailableError),
        ({"code": "x", "message": "m", "innerError": {"code": "quota_exceeded"}}, 400, ServerUnavailableError),
        ({"code": "x", "error": "m"}, 400, PermanentError),
        ({"status": 400, "title": "m"}, 400, PermanentError),
    ],
)
def test_codes_and_words_are_found_where_services_put_them(body: Any, status: int, kind: type[Exception]) -> None:
    failure = _failure(body, status, {"quota_exceeded": "no_credit"})
    assert isinstance(failure, kind)
    assert f"HTTP {status}: m" in str(failure)


def test_a_code_within_a_good_answer_means_what_it_means_at_the_service() -> None:
    body = {"error": {"code": "data_inspection_failed", "message": "inappropriate"}}
    assert isinstance(_failure(body, 200), TransientError)
    refused = _failure(body, 200, {"data_inspection_failed": "item"})
    assert isinstance(refused, RefusedError)
    assert "inappropriate" in str(refused)


@pytest.mark.parametrize("status", [200, 429])
def test_what_only_the_words_of_a_failure_tell_is_told_by_them(status: int) -> None:
    codes = {"*out of money*": "no_credit"}
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Slow down."}}
    assert isinstance(_failure(body, status, codes), TransientError)
    body["error"]["message"] = "You are Out of money."
    assert isinstance(_failure(body, status, codes), ServerUnavailableError)


def test_a_meaning_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"error_codes\.x is 'bussy'.*did you mean 'busy'"):
        ErrorCodes.from_settings({"x": "bussy"})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("20000003", EmptyAnswerError),
        ("45000001", RefusedError),
        ("45000030", RejectedError),
        ("55000031", TransientError),
        ("55012345", TransientError),
        ("99999999", TransientError),
    ],
)
def test_a_code_in_a_header_counts_whatever_the_status(code: str, kind: type[Exception]) -> None:
    headers = {"X-Api-Status-Code": code}
    error = error_of_status(200, {}, f"{code}: m", headers, "http://host", CODES)
    assert type(error) is kind
    assert getattr(error, "overloaded", False) == (code == "55000031")
    assert CODES.told(headers) == code


def test_no_header_or_one_of_success_is_no_failure() -> None:
    assert CODES.told({}) == CODES.told({"X-Api-Status-Code": "20000000"}) == ""


@pytest.mark.parametrize(
    ("delay", "seconds"), [("37s", 37.0), ("0.250s", 0.25), ("soon", None), (37, None), ("-1s", None), (None, None)]
)
def test_a_retry_delay_among_the_details_is_heeded(delay: Any, seconds: float | None) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m", "details": [{"reason": "R"}, info]}}
    failure = _failure(body, 429)
    assert isinstance(failure, TransientError)
    assert (failure.overloaded, failure.retry_after) == (True, seconds)


def test_the_header_is_heeded_before_the_details() -> None:
    body = {"error": {"message": "m", "details": [{"retryDelay": "37s"}]}}
    assert _failure(body, 503, retry_after="5").retry_after == 5
    assert _failure(body, 503, retry_after_ms="500").retry_after == 0.5


def test_a_server_that_says_not_to_try_again_is_not_asked_again() -> None:
    body = {"error": {"message": "broken for good"}}
    assert isinstance(_failure(body, 500, x_should_retry="false"), PermanentError)
    assert isinstance(_failure(body, 500, x_should_retry="true"), TransientError)
    assert not isinstance(_failure(body, 500, x_should_retry="false"), Response)
