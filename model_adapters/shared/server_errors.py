"""What a server's failures mean: try again, give this request up, or stop the run."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from evalkit.errors import PermanentError, RejectedError, ServerUnavailableError, TransientError
from model_adapters.shared.values import fields

# What gateways answer when the server behind them is not there; what servers answer when they have too much to do.
_AWAY = (502, 504)
_OVERLOADED = (429, 503, 529)
_PERHAPS_LATER = (408, 409, 425)
_NO_CREDIT = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "arrearage",
        "prepaidbilloverdue",
        "postpaidbilloverdue",
    }
)
_NO_KEY = frozenset({"invalid_api_key", "invalidapikey", "authentication_error", "permission_denied", "access_denied"})
_NO_MODEL = frozenset(
    {
        "model_not_found",
        "model_not_supported",
        "invalid_model",
        "unknown_model",
        "deploymentnotfound",
        "modelnotfound",
    }
)
_NO_MODEL_SAID = re.compile(
    r"\bmodel\b[^.]{0,200}?\b(?:does not exist|not found|not exist\b|is not a valid model|is not served)"
    r"|\b(?:invalid|unknown|no such) model\b(?! (?:output|input|response))|not a valid model",
    re.IGNORECASE,
)
# Some servers turn a request away by 403 for what it says, not for who asks.
_ABOUT_CONTENT = re.compile(r"content|moderat|flagged|safety|inspection", re.IGNORECASE)


class RefusedError(PermanentError):
    """One request that the server will not answer.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def error_of_status(status: int, body: Any, message: str, headers: Mapping[str, str], server: str) -> Exception:
    """Return the exception that an answer of another status than success stands for.

    Args:
        status: of HTTP.
        body: of the answer, as JSON values or text.
        message: the status and what the server said, fit for a report.
        headers: of the answer.
        server: its URL, for messages.
    """
    codes = _codes(body)
    if codes & _NO_CREDIT or status == 402:
        return ServerUnavailableError(
            f"{server}: {message.rstrip('.')}. What was answered is kept: run the same command again to continue"
        )
    wait = retry_after(headers)
    if status in _OVERLOADED:
        return TransientError(message, overloaded=True, retry_after=wait)
    if status in _AWAY:
        return TransientError(message, unavailable=True, retry_after=wait)
    if status in _PERHAPS_LATER or status >= 500:
        return TransientError(message, retry_after=wait)
    if 300 <= status < 400:
        return _rejected(server, message, "give the address that it names as base_url=, if it is to be trusted")
    if status == 401 or codes & _NO_KEY or (status == 403 and not any(map(_ABOUT_CONTENT.search, codes))):
        return _rejected(server, message, "see to the key (api_key_variable= or api_key_file=)")
    if status == 404 or codes & _NO_MODEL or (status in (400, 422) and _NO_MODEL_SAID.search(message)):
        return _rejected(server, message, "see to model= and base_url=")
    return RefusedError(message, status)


def error_within(error: Any) -> TransientError:
    """Return the exception for an error within an answer of status 200, where gateways put that of the server behind.

    Args:
        error: the value of the field ``error``, as JSON values.
    """
    record = fields(error)
    message = record.get("message") or record.get("detail") or error
    code = record.get("code") or record.get("status") or record.get("type")
    said = f" {code}" if isinstance(code, int | str) else ""
    busy = str(code) in map(str, _OVERLOADED) or "rate_limit" in str(code)
    return TransientError(f"the server answered with an error{said}: {message}", overloaded=busy)


def is_error(error: Any) -> bool:
    """Tell whether the value of a field ``error`` is one; empty ones are met beside good answers."""
    return any(error.values()) if isinstance(error, Mapping) else bool(error)


def said(body: Any) -> str:
    """Return what the body of an error says, in the server's words; empty if it says nothing in a known form."""
    record = fields(body)
    error = record.get("error")
    for value in (fields(error).get("message"), error, record.get("message"), record.get("detail")):
        if isinstance(value, str) and value.strip():
            return value
    return ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return seconds to wait, by ``retry-after-ms``, or by ``Retry-After`` in its two forms (RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) * unit)
        except ValueError:
            continue
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _codes(body: Any) -> set[str]:
    """Return the words by which the body of an error says what kind it is, in lower case."""
    record = fields(body)
    error = fields(record.get("error")) or record
    inner = fields(error.get("innererror")) or fields(error.get("inner_error"))
    words = {str(part.get(name)) for part in (error, inner) for name in ("code", "type", "status") if part.get(name)}
    if fields(error.get("metadata")).get("flagged_input") or fields(error.get("metadata")).get("reasons"):
        words.add("moderation")
    return {word.lower() for word in words}


def _rejected(server: str, message: str, remedy: str) -> RejectedError:
    return RejectedError(f"{server} turns the caller away ({message.rstrip('.')}): {remedy}")
