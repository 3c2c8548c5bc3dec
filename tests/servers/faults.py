"""What can go wrong between a client and a model, and plans of when it does."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from tests.servers.backends import Answer, ServedRequest
from tests.servers.errors import ApiError


class Fault(StrEnum):
    """A passing failure: the same request may be answered well the next time."""

    TOO_MANY = "429"
    TOO_MANY_SECONDS = "429-retry-after-seconds"
    TOO_MANY_DATE = "429-retry-after-date"
    TOO_MANY_MILLISECONDS = "429-retry-after-ms"
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    HANG = "hang"  # the answer never comes
    RESET_BEFORE = "reset-before"  # RST in place of an answer
    RESET_MIDWAY = "reset-midway"  # RST after half of it
    TRUNCATED_BODY = "truncated-body"  # a FIN before the announced length, or before the last chunk
    ENDED_EARLY = "ended-early"  # a stream that ends in good order, without finish reason and [DONE]
    MALFORMED_JSON = "malformed-json"  # status 200
    EMPTY_BODY = "empty-body"  # status 200
    HTML_PAGE = "html-page"  # status 200, as from a proxy
    TRICKLE = "trickle"  # a byte of white space now and then, for ever: no read times out
    NO_CHOICES = "no-choices"  # status 200 and an empty list
    WRONG_SCHEMA = "wrong-schema"  # status 200 and JSON of another kind
    FEWER_CHOICES = "fewer-choices"  # all but the last of the replies wanted
    ERROR_EVENT = "error-event"  # an error object in the middle of a stream of status 200

    def suits(self, request: ServedRequest) -> bool:
        """Whether it can happen to this request."""
        if self in (Fault.ENDED_EARLY, Fault.ERROR_EVENT):
            return request.is_chat and request.streamed
        if self is Fault.FEWER_CHOICES:
            return request.is_chat and request.replies > 1
        if request.is_speech and self is Fault.MALFORMED_JSON:
            return False  # a good answer is no JSON
        if self in (Fault.MALFORMED_JSON, Fault.WRONG_SCHEMA):
            return request.fields.get("response_format") != "text"  # where nobody could tell it from an answer
        return request.is_chat or self is not Fault.NO_CHOICES


LASTING = (Fault.HANG, Fault.TRICKLE)  # until the client gives up


class Refusal(StrEnum):
    """A lasting failure: the same request fails however often it is sent."""

    BAD_REQUEST = "bad-request"
    UNAUTHORISED = "unauthorised"
    NOT_FOUND = "not-found"
    CONTENT_FILTER = "content-filter"
    NO_CREDIT = "no-credit"  # a 429 that waiting does not help
    REFUSED = "refused"  # status 200: the model declines, in the field for it
    FILTERED = "filtered"  # status 200: the answer is cut out, and the finish reason says so

    def error(self, request: ServedRequest) -> ApiError | None:
        """The error it is answered with, None for those of status 200."""
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        quota = "insufficient_quota"
        match self:
            case Refusal.BAD_REQUEST:
                error = ApiError(400, "The audio is longer than this model takes.", param="messages")
            case Refusal.UNAUTHORISED:
                error = ApiError(401, f"Incorrect API key provided: {key}.", code="invalid_api_key")
            case Refusal.NOT_FOUND:
                error = ApiError(404, "The model does not exist or you do not have access.", code="model_not_found")
            case Refusal.CONTENT_FILTER:
                error = ApiError(400, "The prompt triggered the content policy.", param="prompt", code="content_filter")
            case Refusal.NO_CREDIT:
                error = ApiError(429, "You exceeded your current quota.", kind=quota, code=quota)
            case _:
                return None
        error.outcome = self.value
        return error


REFUSING_ANSWERS = {
    Refusal.REFUSED: Answer(refusal="I'm sorry, I can't help with that."),
    Refusal.FILTERED: Answer(finish_reason="content_filter"),
}

FaultPlan = Callable[[ServedRequest], Fault | None]


class Faults:
    """Faults drawn at random, the same for the same seed and content whatever the order of arrival.

    Args:
        seed: of the draw.
        rates: the probability of each fault; their sum is at most 1. One that cannot happen to a request is not drawn.
        per_request_limit: after so many faults the same content is answered well.
    """

    def __init__(self, seed: int, rates: Mapping[Fault, float], per_request_limit: int = 3) -> None:
        if sum(rates.values()) > 1 + 1e-9 or any(rate < 0 for rate in rates.values()):
            raise ValueError("rates must be probabilities whose sum is at most 1")
        self._seed = seed
        self._rates = {Fault(kind): rate for kind, rate in rates.items()}
        self._limit = per_request_limit
        self._asked: Counter[str] = Counter()
        self._faulted: Counter[str] = Counter()

    def __call__(self, request: ServedRequest) -> Fault | None:
        """What is to go wrong with this request, if anything."""
        asked = self._asked[request.content]
        self._asked[request.content] += 1
        if self._faulted[request.content] >= self._limit:
            return None
        draw = random.Random(f"{self._seed} {request.content} {asked}").random()
        for kind, rate in self._rates.items():
            draw -= rate
            if draw < 0:
                if not kind.suits(request):
                    return None
                self._faulted[request.content] += 1
                return kind
        return None


def scripted_faults(kinds: Iterable[Fault | None]) -> FaultPlan:
    """One entry for each request in the order of arrival; None, and the end of the script, is a good answer."""
    remaining = iter(kinds)

    def plan(request: ServedRequest) -> Fault | None:
        kind = next(remaining, None)
        if kind is not None and not kind.suits(request):
            raise ValueError(f"the fault '{kind}' cannot happen to this request")
        return kind

    return plan
