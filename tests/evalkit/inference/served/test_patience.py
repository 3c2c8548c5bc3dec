"""How long a server that is busy or away is waited for."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from evalkit.errors import PermanentError, ServerUnavailableError, TransientError
from evalkit.types import Call, Request, Response
from tests.evalkit.inference.served import virtual_time
from tests.evalkit.inference.served.calls import (
    Model,
    absent,
    ask,
    ask_all,
    asking,
    busy,
    caller,
    echo,
    failing,
    outage,
    text_of,
)
from tests.evalkit.inference.served.virtual_time import now


@pytest.mark.parametrize("error", [busy, absent], ids=["busy", "away"])
def test_attempts_that_find_the_server_busy_or_away_are_not_counted(error: Callable[[], TransientError]) -> None:
    model = Model(outage(0, 50, error), attempts=1)
    assert ask(model).text == "re a"
    assert len(model.asked) > 3


def test_an_outage_of_minutes_costs_no_answer() -> None:
    lines: list[str] = []
    model = Model(outage(2, 302, absent), attempts=2, patience=1800)
    texts = [str(number) for number in range(100)]
    responses = ask_all(model, texts, notify=lines.append)
    assert [response.text for response in responses if isinstance(response, Response)] == [f"re {t}" for t in texts]
    assert lines == ["judge: cannot connect; trying again, for up to 1800 s without an answer"]


def test_a_server_that_stays_away_ends_the_run_after_its_patience() -> None:
    model = Model(outage(2, 10_000, absent), patience=600)

    async def main() -> None:
        put = caller(model)
        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(put.answer(Call("judge", asking(str(number)))))

    with pytest.raises(ExceptionGroup) as stopped:
        virtual_time.run(main())
    (error,) = stopped.value.exceptions
    assert isinstance(error, ServerUnavailableError)
    assert str(error).startswith("judge: no answer for 6")
    assert "(cannot connect). What was answered is kept" in str(error)
    assert 602 <= max(time for time, _ in model.asked) <= 602 + 62


def test_a_server_that_was_never_there_gets_a_minute() -> None:
    model = Model(outage(0, 10_000, absent), patience=1800)
    with pytest.raises(ServerUnavailableError, match=r"judge: no answer for \d+ s \(cannot connect\)"):
        ask(model)
    assert 60 <= max(time for time, _ in model.asked) <= 121


def test_a_server_that_is_busy_from_the_start_gets_all_the_patience_there_is() -> None:
    model = Model(outage(0, 900, busy), patience=1800)
    assert ask(model).text == "re a"


def test_refusals_are_a_sign_of_life() -> None:
    async def answer(request: Request) -> Response:
        await asyncio.sleep(1)
        if text_of(request) == "last" and now() < 320:
            raise absent()
        if text_of(request) in ("first", "last"):
            return await echo(request)
        raise PermanentError("HTTP 400")

    model = Model(answer, patience=100, concurrency=2)
    responses = ask_all(model, ["first", *map(str, range(600)), "last", *map(str, range(100))])
    answered = [response for response in responses if isinstance(response, Response)]
    assert len(answered) == len(responses)
    assert Counter(response.error for response in answered) == {None: 2, "HTTP 400": 700}
    assert model.attempts["last"] > 1


def test_a_request_that_is_turned_away_for_ever_is_given_up_while_others_are_answered() -> None:
    model = Model(failing(busy, float("inf"), only="unwanted"), patience=100, concurrency=2)
    unwanted, *others = ask_all(model, ["unwanted", *map(str, range(1000))])
    assert isinstance(unwanted, Response)
    assert unwanted.error is not None
    assert unwanted.error.endswith("attempts: HTTP 429")
    assert 100 < max(time for time, text in model.asked if text == "unwanted") < 170
    assert all(isinstance(response, Response) and not response.failed for response in others)


@pytest.mark.parametrize("error", [busy, absent], ids=["busy", "away"])
def test_hours_in_which_nothing_was_asked_do_not_use_up_the_patience(error: Callable[[], TransientError]) -> None:
    """A judge waits for as long as the model under test takes to answer."""

    async def main() -> list[Response]:
        put = caller(Model(outage(5000, 5020, error), patience=100))
        first = await put.answer(Call("judge", asking("a")))
        await asyncio.sleep(5000 - now())
        return [first, *await asyncio.gather(*(put.answer(Call("judge", asking(text))) for text in "bcdefghij"))]

    assert [response.text for response in virtual_time.run(main())] == [f"re {text}" for text in "abcdefghij"]


def test_a_server_that_asks_for_more_patience_than_there_is_ends_the_run_at_once() -> None:
    model = Model(failing(lambda: busy(86_400), 1), patience=1800)
    with pytest.raises(ServerUnavailableError, match=r"HTTP 429, it asks to wait 86400 s"):
        ask(model)
    assert len(model.asked) == 1
