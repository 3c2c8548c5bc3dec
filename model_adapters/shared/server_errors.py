"""What a server's failures mean: try again, give this request up, or stop the run."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from evalkit.errors import PermanentError, RejectedError, ServerUnavailableError, TransientError
from evalkit.hints import check_choice
from model_adapters.shared.values import fields


class Meaning(StrEnum):
    """What a failure asks its caller to do. Where several codes are given with one answer, the first of these holds."""

    NO_CREDIT = "no_credit"  # stop the run: there is no money, or no quota before another day
    NO_KEY = "no_key"  # stop: this key opens nothing, or not this
    NO_MODEL = "no_model"  # stop: there is no such model, or no longer
    ITEM = "item"  # this request will never be answered; others are
    EMPTY = "empty"  # no failure: an answer without a word, such as that of a recording without speech
    BUSY = "busy"  # later: the server has too much to do, which says nothing about the request
    AWAY = "away"  # later: the server is not there
    FAULT = "fault"  # later: something broke, perhaps because of the request


@dataclass(frozen=True, slots=True)
class ErrorCodes:
    """What the codes of one service mean; of a code that is not among them, what it means at most services.

    Attributes:
        meanings: by code in lower case; ``*`` in a code stands for anything. The message of an error is looked
            up like a code, for failures that share their code with others.
        header: of an answer, in which the service says its code whatever the status of HTTP; empty for none.
        message_header: in which it says what happened.
        success: the codes of that header that stand beside good answers.
    """

    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    header: str = ""
    message_header: str = ""
    success: frozenset[str] = frozenset()

    @classmethod
    def from_settings(cls, settings: Mapping[Any, Any]) -> "ErrorCodes":
        """Return the codes that a configuration lists, such as ``{insufficient_quota: busy, Throttling*: busy}``.

        Raises:
            ConfigurationError: a meaning is none.
        """
        return cls().with_settings(settings)

    def with_settings(self, settings: Mapping[Any, Any]) -> "ErrorCodes":
        """Return these codes and those that a configuration lists, which win; see ``from_settings``."""
        meanings = dict(self.meanings)
        for code, word in settings.items():
            check_choice(f"error_codes.{code}", word, list(Meaning))
            meanings[str(code).lower()] = Meaning(word)
        return replace(self, meanings=meanings)

    def told(self, headers: Mapping[str, str]) -> str:
        """Return the code of a failure that the headers of an answer tell; empty where they tell none."""
        code = headers.get(self.header, "").strip() if self.header else ""
        return "" if code in self.success else code

    def meaning(self, codes: set[str]) -> Meaning | None:
        """Return what codes and messages in lower case mean at this service, or None where it has no word on any."""
        found = {
            meaning
            for pattern, meaning in self.meanings.items()
            if pattern in codes or ("*" in pattern and any(fnmatchcase(code, pattern) for code in codes))
        }
        return next((meaning for meaning in Meaning if meaning in found), None)


USUAL = ErrorCodes()
"""A service without codes of its own."""

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
_NO_KEY = frozenset(
    {
        "invalid_api_key",
        "invalidapikey",
        "api_key_invalid",
        "authentication_error",
        "permission_denied",
        "access_denied",
    }
)
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
_CODE_NAMES = ("code", "type", "status", "err_code", "error_code")
_RETRY_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


class RefusedError(PermanentError):
    """One request that the server will not answer.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class EmptyAnswerError(RefusedError):
    """An answer without a word that the server gives in the form of a failure; to be made a response of."""


class WithinError(TransientError):
    """An error within an answer of status 200: another attempt may succeed, unless the service's codes say otherwise.

    Attributes:
        codes: the words by which it says what kind it is, and its message, in lower case.
    """

    def __init__(self, message: str, *, overloaded: bool, codes: set[str]) -> None:
        super().__init__(message, overloaded=overloaded)
        self.codes = codes


def error_of_status(
    status: int,
    body: Any,
    message: str,
    headers: Mapping[str, str],
    server: str,
    codes: ErrorCodes = USUAL,
) -> Exception:
    """Return the exception that an answer of another status than success stands for.

    Args:
        status: of HTTP; one of success where the service tells of a failure in a header.
        body: of the answer, as JSON values or text.
        message: the status and what the server said, fit for a report.
        headers: of the answer.
        server: its URL, for messages.
        codes: what the service's own codes mean.
    """
    if 300 <= status < 400:
        return _rejected(server, message, "give the address that it names as base_url=, if it is to be trusted")
    given = _codes(body)
    if told := codes.told(headers).lower():
        given.add(told)
    meaning = codes.meaning(given | {said(body).lower()}) or _usual_meaning(status, given, message)
    if meaning in _LATER and headers.get("x-should-retry", "").strip().lower() == "false":
        meaning = Meaning.ITEM
    return _error(meaning, message, server, status, retry_after(headers, body))


def error_within(error: Any) -> WithinError:
    """Return the exception for an error within an answer of status 200, where gateways put that of the server behind.

    Args:
        error: the value of the field ``error``, as JSON values.
    """
    record = fields(error)
    message = record.get("message") or record.get("detail") or error
    code = record.get("code") or record.get("status") or record.get("type")
    said = f" {code}" if isinstance(code, int | str) else ""
    busy = str(code) in map(str, _OVERLOADED) or "rate_limit" in str(code)
    codes = _codes(error) | {str(message).lower()}
    return WithinError(f"the server answered with an error{said}: {message}", overloaded=busy, codes=codes)


def error_meant(error: WithinError, message: str, server: str, codes: ErrorCodes) -> Exception:
    """Return the exception that an error within an answer stands for at one service.

    Args:
        error: as the answer was read.
        message: of it, fit for a report.
        server: its URL, for messages.
        codes: what the service's own codes mean.
    """
    meaning = codes.meaning(error.codes) or (Meaning.BUSY if error.overloaded else Meaning.FAULT)
    return _error(meaning, message, server, 200, None)


def is_error(error: Any) -> bool:
    """Tell whether the value of a field ``error`` is one; empty ones are met beside good answers."""
    return any(error.values()) if isinstance(error, Mapping) else bool(error)


def said(body: Any) -> str:
    """Return what the body of an error says, in the server's words; empty if it says nothing in a known form."""
    record = fields(body)
    error, detail = record.get("error"), record.get("detail")
    for value in (
        fields(error).get("message"),
        error,
        record.get("message"),
        fields(detail).get("message"),
        detail,
        record.get("err_msg"),
        record.get("title"),
    ):
        if isinstance(value, str) and value.strip():
            return value
    return ""


def retry_after(headers: Mapping[str, str], body: Any = None) -> float | None:
    """Return seconds to wait, None where nothing is said.

    By the header ``retry-after-ms``, by ``Retry-After`` in its two forms (RFC 9110, 10.2.3), or by a
    ``google.rpc.RetryInfo`` among the details of the error in the body.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) * unit)
        except ValueError:
            continue
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, OverflowError):
        return next(_retry_delays(body), None)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


_LATER = (Meaning.BUSY, Meaning.AWAY, Meaning.FAULT)


def _usual_meaning(status: int, codes: set[str], message: str) -> Meaning:
    """Return what a failure means at most services."""
    if codes & _NO_CREDIT or status == 402:
        return Meaning.NO_CREDIT
    if status in _OVERLOADED:
        return Meaning.BUSY
    if status in _AWAY:
        return Meaning.AWAY
    if status in _PERHAPS_LATER or status >= 500 or status < 300:
        return Meaning.FAULT
    if status == 401 or codes & _NO_KEY or (status == 403 and not any(map(_ABOUT_CONTENT.search, codes))):
        return Meaning.NO_KEY
    if status == 404 or codes & _NO_MODEL or (status in (400, 422) and _NO_MODEL_SAID.search(message)):
        return Meaning.NO_MODEL
    return Meaning.ITEM


def _error(meaning: Meaning, message: str, server: str, status: int, wait: float | None) -> Exception:
    match meaning:
        case Meaning.NO_CREDIT:
            kept = "What was answered is kept: run the same command again to continue"
            return ServerUnavailableError(f"{server}: {message.rstrip('.')}. {kept}")
        case Meaning.NO_KEY:
            return _rejected(server, message, "see to the key (api_key_variable= or api_key_file=)")
        case Meaning.NO_MODEL:
            return _rejected(server, message, "see to model= and base_url=")
        case Meaning.ITEM:
            return RefusedError(message, status)
        case Meaning.EMPTY:
            return EmptyAnswerError(message, status)
        case _:
            return TransientError(
                message,
                unavailable=meaning is Meaning.AWAY,
                overloaded=meaning is Meaning.BUSY,
                retry_after=wait,
            )


def _details(body: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the details of an error in the form of google.rpc.Status."""
    details = fields(fields(body).get("error")).get("details")
    yield from map(fields, details if isinstance(details, list) else ())


def _violations(body: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the quotas that are used up, where the details of an error name them."""
    for detail in _details(body):
        violations = detail.get("violations")
        yield from map(fields, violations if isinstance(violations, list) else ())


def _retry_delays(body: Any) -> Iterator[float]:
    for detail in _details(body):
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (match := _RETRY_DELAY.fullmatch(delay)):
            yield float(match[1])


def _codes(body: Any) -> set[str]:
    """Return the words by which the body of an error says what kind it is, in lower case."""
    record = fields(body)
    error = fields(record.get("error")) or fields(record.get("detail")) or record
    inner = next(filter(None, (fields(error.get(name)) for name in ("innererror", "inner_error", "innerError"))), {})
    words = {str(part.get(name)) for part in (error, inner) for name in _CODE_NAMES if part.get(name)}
    words |= {str(detail["reason"]) for detail in _details(body) if detail.get("reason")}
    words |= {str(each["quotaId"]) for each in _violations(body) if each.get("quotaId")}
    if fields(error.get("metadata")).get("flagged_input") or fields(error.get("metadata")).get("reasons"):
        words.add("moderation")
    return {word.lower() for word in words}


def _rejected(server: str, message: str, remedy: str) -> RejectedError:
    return RejectedError(f"{server} turns the caller away ({message.rstrip('.')}): {remedy}")
