"""Errors in the documented form: ``{"error": {"message", "type", "param", "code"}}``."""

import json


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: of the HTTP answer.
        message: for people.
        kind: the ``type`` of the error object.
        param: the part of the request at fault, as a path such as ``messages[0].content``.
        code: for programs.
        outcome: what the journal calls it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        outcome: str = "refused",
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.status = status
        self.param = param
        self.code = code
        self.body = json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


class ViolationError(ApiError):
    """A request that breaks the documented schema: what a correct client never sends."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(status, message, param=param, code=code, outcome="invalid")


def check_key(headers: dict[str, str], key: str) -> None:
    """Refuse a request without ``Authorization: Bearer <key>``.

    Raises:
        ApiError: status 401. Like some real servers it repeats the offending key in its message, which therefore must
            not reach a log.
    """
    given = headers.get("authorization", "")
    if not given:
        message = "You didn't provide an API key. Send it as: Authorization: Bearer YOUR_KEY."
        raise ApiError(401, message, outcome="unauthorised")
    if given != f"Bearer {key}":
        message = f"Incorrect API key provided: {given.removeprefix('Bearer ')}."
        raise ApiError(401, message, code="invalid_api_key", outcome="unauthorised")
