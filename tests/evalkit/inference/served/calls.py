"""Served models that behave as told, and calls to them by a clock whose seconds pass at once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from evalkit.adapter import Capabilities, Limits, Prices, ServedModelAdapter
from evalkit.errors import TransientError
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.types import Call, Message, Request, Response, Usage
from tests.evalkit.inference.served import virtual_time
from tests.evalkit.inference.served.virtual_time import now

Behaviour = Callable[[Request], Awaitable[Response]]


class Model(ServedModelAdapter):
    """A model that behaves as told, and remembers when it was asked what."""

    capabilities = Capabilities(sample_rate=None)

    def __init__(self, behaviour: Behaviour, prices: Prices | None = None, **limits: Any) -> None:
        self.limits = Limits(**limits)
        self.prices = prices
        self.asked: list[tuple[float, str]] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._behaviour = behaviour

    async def answer(self, request: Request) -> Response:
        self.asked.append((now(), text_of(request)))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._behaviour(request)
        finally:
            self.in_flight -= 1

    def fingerprint(self) -> Mapping[str, Any]:
        return {"model": "test"}

    def redact(self, text: str) -> str:
        return text.replace("sk-secret", "(key removed)")

    @property
    def attempts(self) -> Counter[str]:
        return Counter(text for _, text in self.asked)


def text_of(request: Request) -> str:
    return str(request.messages[0].content[0])


def asking(text: str, **settings: Any) -> Request:
    return Request((Message("user", (text,)),), **settings)


async def echo(request: Request) -> Response:
    await asyncio.sleep(1)
    return Response(text=f"re {text_of(request)}", usage=Usage(requests=1, input_tokens=90, output_tokens=10))


def failing(error: Callable[[], Exception], times: float, only: str | None = None, seconds: float = 0.0) -> Behaviour:
    """Fails so often for each text, or for one text alone, and answers well after that."""
    failed: Counter[str] = Counter()

    async def answer(request: Request) -> Response:
        text = text_of(request)
        if only in (None, text) and failed[text] < times:
            failed[text] += 1
            await asyncio.sleep(seconds)
            raise error()
        return await echo(request)

    return answer


def outage(start: float, end: float, error: Callable[[], Exception]) -> Behaviour:
    """Fails from one time to another."""

    async def answer(request: Request) -> Response:
        if start <= now() < end:
            raise error()
        return await echo(request)

    return answer


def damaged() -> TransientError:
    return TransientError("the answer broke off")


def absent() -> TransientError:
    return TransientError("cannot connect", unavailable=True)


def busy(retry_after: float | None = None) -> TransientError:
    return TransientError("HTTP 429", overloaded=True, retry_after=retry_after)


def caller(model: Model, *, caps: BudgetCaps | None = None, **settings: Any) -> ServedEndpoint:
    return ServedEndpoint("judge", model, Budget(caps or BudgetCaps()), clock=virtual_time.CLOCK, **settings)


def ask_all(model: Model, texts: list[str], **settings: Any) -> list[Response | BaseException]:
    """Ask everything at once; what is raised stands in place of a response."""

    async def main() -> list[Response | BaseException]:
        put = caller(model, **settings)
        return await asyncio.gather(
            *(put.answer(Call("judge", asking(text))) for text in texts), return_exceptions=True
        )

    return virtual_time.run(main())


def ask(model: Model, **settings: Any) -> Response:
    (response,) = ask_all(model, ["a"], **settings)
    if isinstance(response, BaseException):
        raise response
    return response
