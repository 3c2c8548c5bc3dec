"""One served model as the engine calls it: attempts, deadlines, rates, budget and cache."""

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from evalkit.adapter import Prices
from evalkit.audio import Audio
from evalkit.errors import AudioError, BudgetReachedError, ConfigurationError, PermanentError, ServerUnavailableError
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.cache import AnswerCache
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.types import Call, Message, Request, Response, Usage
from tests.evalkit.inference.served import virtual_time
from tests.evalkit.inference.served.calls import (
    Model,
    absent,
    ask,
    ask_all,
    asking,
    busy,
    caller,
    damaged,
    echo,
    failing,
    text_of,
)


def test_good_answers_come_back_each_to_its_question_asked_once() -> None:
    texts = [str(number) for number in range(100)]
    model = Model(echo, concurrency=16)
    responses = ask_all(model, texts)
    assert [response.text for response in responses if isinstance(response, Response)] == [f"re {t}" for t in texts]
    assert model.attempts == Counter(texts)
    assert model.most_in_flight == 16


def test_a_passing_failure_is_mended_and_every_request_counted() -> None:
    model = Model(failing(damaged, 3), attempts=8)
    response = ask(model)
    assert response.text == "re a"
    assert response.error is None
    assert response.usage == Usage(requests=4, input_tokens=90, output_tokens=10)


def test_waits_grow_and_are_drawn_at_random() -> None:
    waits = []
    for _ in range(20):
        model = Model(failing(damaged, 12), attempts=20)
        ask(model)
        times = [time for time, _ in model.asked]
        waits.append([after - before for before, after in pairwise(times)])
    for place, columns in enumerate(zip(*waits, strict=True)):
        assert max(columns) <= min(60, 0.5 * 2**place)
        assert len({round(wait, 6) for wait in columns}) > 10, "without jitter all clients come back at one moment"
    assert max(max(row) for row in waits) > 20
    assert sum(waits[0]) > 10


@pytest.mark.parametrize("retry_after", [0.0, 7.5, 90.0])
def test_no_attempt_is_made_before_the_server_wants_it(retry_after: float) -> None:
    model = Model(failing(lambda: busy(retry_after), 4))
    ask(model)
    times = [time for time, _ in model.asked]
    assert len(times) == 5
    assert all(after - before >= retry_after for before, after in pairwise(times))


def test_a_poison_request_is_given_up_after_its_attempts_and_no_other_suffers() -> None:
    model = Model(failing(damaged, float("inf"), only="poison"), attempts=5, concurrency=4)
    texts = ["poison", *map(str, range(50))]
    poisoned, *others = ask_all(model, texts)
    assert isinstance(poisoned, Response)
    assert poisoned.error == "gave up after 5 attempts: the answer broke off"
    assert poisoned.text == ""
    assert poisoned.usage == Usage(requests=5)
    assert model.attempts == Counter({"poison": 5, **{str(number): 1 for number in range(50)}})
    assert all(isinstance(response, Response) and not response.failed for response in others)


def test_a_request_that_brings_the_server_down_is_given_up_while_it_answers_others() -> None:
    async def answer(request: Request) -> Response:
        if text_of(request) == "poison":
            await asyncio.sleep(3)  # in which others are answered
            raise absent()
        return await echo(request)

    model = Model(answer, attempts=4, concurrency=2)
    poisoned, *others = ask_all(model, ["poison", *map(str, range(200))])
    assert isinstance(poisoned, Response)
    assert poisoned.error == "gave up after 4 attempts: cannot connect"
    assert all(isinstance(response, Response) and not response.failed for response in others)


def test_a_refusal_is_recorded_at_once_with_what_the_server_says() -> None:
    model = Model(failing(lambda: PermanentError("HTTP 400: too long for sk-secret"), 1))
    response = ask(model)
    assert response.error == "HTTP 400: too long for (key removed)"
    assert response.usage == Usage(requests=1)
    assert len(model.asked) == 1


def test_what_an_adapter_did_not_foresee_costs_one_sample_only() -> None:
    model = Model(failing(lambda: ZeroDivisionError("of sk-secret"), float("inf"), only="3"))
    responses = ask_all(model, list("12345"))
    errors = [response.error for response in responses if isinstance(response, Response)]
    assert errors == [None, None, "ZeroDivisionError: of (key removed)", None, None]


def test_a_wrong_configuration_stops_the_run() -> None:
    model = Model(failing(lambda: ConfigurationError("'temprature' is no setting"), 1))
    with pytest.raises(ConfigurationError, match="temprature"):
        ask(model)


def test_a_recording_that_cannot_be_read_fails_its_sample_and_spends_nothing() -> None:
    model = Model(failing(lambda: AudioError("a.wav: no such audio file"), float("inf"), only="0"), concurrency=1)
    responses = ask_all(model, ["0", "1", "2"], caps=BudgetCaps(calls=2))
    assert [response.error for response in responses if isinstance(response, Response)] == [
        "a.wav: no such audio file",
        None,
        None,
    ]


def test_an_attempt_that_hangs_ends_at_its_deadline_and_counts() -> None:
    async def answer(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    model = Model(answer, deadline=30, attempts=3, patience=1800)
    response = ask(model)
    assert response.error == "gave up after 3 attempts: no complete answer within 30 s"
    times = [time for time, _ in model.asked]
    assert all(after - before >= 30 for before, after in pairwise(times))


def test_a_trickle_ends_at_the_deadline_and_no_other_call_waits_for_it() -> None:
    async def answer(request: Request) -> Response:
        while text_of(request) == "slow":
            await asyncio.sleep(0.1)  # a byte now and then
        return await echo(request)

    model = Model(answer, deadline=10, attempts=2, concurrency=2)
    slow, *others = ask_all(model, ["slow", *map(str, range(100))])
    assert isinstance(slow, Response)
    assert slow.error == "gave up after 2 attempts: no complete answer within 10 s"
    assert all(isinstance(response, Response) and not response.failed for response in others)


def test_a_server_that_hangs_altogether_ends_the_run() -> None:
    async def answer(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    responses = ask_all(Model(answer, deadline=300, attempts=8, patience=1800), list("abc"))
    assert any(isinstance(response, ServerUnavailableError) for response in responses)


def test_signs_of_overload_lower_the_number_of_requests_at_once() -> None:
    async def answer(request: Request) -> Response:
        if model.in_flight > 4:
            raise busy()
        return await echo(request)

    model = Model(answer, concurrency=64)
    texts = [str(number) for number in range(300)]
    responses = ask_all(model, texts)
    assert [response.text for response in responses if isinstance(response, Response)] == [f"re {t}" for t in texts]
    assert model.most_in_flight < 20
    assert sum(model.attempts.values()) < 600


@pytest.mark.parametrize("per_minute", [0.5, 30, 600, 6000])
def test_requests_keep_to_their_rate(per_minute: float) -> None:
    model = Model(echo, concurrency=100, requests_per_minute=per_minute, patience=1e9)
    ask_all(model, [str(number) for number in range(60)])
    times = [time for time, _ in model.asked]
    assert times[-1] == pytest.approx(59 * 60 / per_minute, rel=0.1, abs=4)  # seconds to grow to the rate
    for start in times:
        assert sum(start <= time < start + 60 for time in times) <= per_minute + 1


@pytest.mark.parametrize("per_minute", [600, 6000, 60_000])
def test_tokens_keep_to_their_rate_even_where_one_request_takes_more_than_a_second_of_it(per_minute: float) -> None:
    model = Model(echo, concurrency=8, tokens_per_minute=per_minute)  # echo takes 100 tokens
    ask_all(model, [str(number) for number in range(200)])
    elapsed = model.asked[-1][0]
    # The first requests go out before anything is known of them; what they took is made up for.
    assert per_minute * elapsed / 60 >= (200 - 9) * 100
    assert elapsed <= 200 * max(100 * 60 / per_minute, 1 / 8) * 1.2 + 2, "slower than allowed"


def test_retried_requests_keep_to_the_rate_too() -> None:
    model = Model(failing(damaged, 2), concurrency=8, requests_per_minute=60)
    ask_all(model, [str(number) for number in range(20)])
    times = [time for time, _ in model.asked]
    assert len(times) == 60
    assert times[-1] >= 58


def test_the_budget_stops_calls_and_keeps_those_under_way() -> None:
    model = Model(failing(damaged, 1), concurrency=8)
    responses = ask_all(model, [str(number) for number in range(50)], caps=BudgetCaps(calls=21))
    answered = [response for response in responses if isinstance(response, Response)]
    assert len(model.asked) == 21
    assert answered
    assert all(isinstance(response, Response | BudgetReachedError) for response in responses)
    assert not [response.error for response in answered if response.failed]


def test_answers_are_priced() -> None:
    response = ask(Model(echo, prices=Prices(input=2, output=8)))
    assert response.usage is not None
    assert response.usage.cost == pytest.approx(90e-6 * 2 + 10e-6 * 8)


def _with_cache(folder: Path, model: Model, requests: list[Request]) -> list[Response]:
    """Ask one after another."""

    async def main() -> list[Response]:
        cache = AnswerCache(folder)
        try:
            put = ServedEndpoint("judge", model, Budget(BudgetCaps()), cache)
            return [await put.answer(Call("judge", request)) for request in requests]
        finally:
            cache.close()

    return asyncio.run(main())


def test_what_was_answered_is_not_asked_again_and_what_failed_is(tmp_path: Path) -> None:
    async def answer(request: Request) -> Response:
        if text_of(request) == "refused":
            raise PermanentError("HTTP 400")
        replies = tuple(f"reply {number}" for number in range(request.replies))
        return Response(text=replies[0], replies=replies if request.replies > 1 else (), usage=Usage(1, 5, 5))

    first, second = Model(answer, prices=Prices(input=1)), Model(answer)
    requests = [asking("a"), asking("a", replies=3), asking("a", attempt=1), asking("refused")]
    asked = _with_cache(tmp_path, first, requests)
    again = _with_cache(tmp_path, second, requests)
    assert [text for _, text in first.asked] == ["a", "a", "a", "refused"]
    assert [text for _, text in second.asked] == ["refused"]
    assert [response.cached for response in again] == [True, True, True, False]
    assert [replace(response, cached=False) for response in again[:3]] == asked[:3]
    assert asked[1].replies == ("reply 0", "reply 1", "reply 2")
    assert asked[0].usage is not None
    assert asked[0].usage.cost == pytest.approx(5e-6)
    assert again[3].error == asked[3].error == "HTTP 400"


def test_equal_questions_under_way_at_once_are_asked_once(tmp_path: Path) -> None:
    model = Model(failing(lambda: PermanentError("HTTP 400"), 9, only="refused", seconds=1))
    cache = AnswerCache(tmp_path)
    good, again, other, refused, twice = (
        response
        for response in ask_all(model, ["a", "a", "b", "refused", "refused"], cache=cache)
        if isinstance(response, Response)
    )
    cache.close()
    assert model.attempts == Counter(["a", "b", "refused"])
    assert (good.text, other.text) == ("re a", "re b")
    assert again == replace(good, cached=True)
    assert refused.error == twice.error == "HTTP 400"
    assert twice.usage is None, "the one request is counted once"


def test_whoever_waits_for_an_equal_question_learns_that_it_ended_the_run(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    first, second = ask_all(Model(failing(absent, float("inf"))), ["a", "a"], cache=cache)
    cache.close()
    assert isinstance(first, ServerUnavailableError)
    assert isinstance(second, ServerUnavailableError)


def test_a_recording_that_cannot_be_read_is_no_error_of_the_cache(tmp_path: Path) -> None:
    model = Model(echo)
    (response,) = _with_cache(tmp_path, model, [Request((Message("user", (Audio("x", tmp_path / "x.wav"),)),))])
    assert response.error == f"{tmp_path / 'x.wav'}: no such audio file"
    assert model.asked == []


def test_an_interrupt_passes_through_and_leaves_the_place_to_others() -> None:
    async def main() -> Response:
        put = caller(Model(failing(damaged, 1, only="first", seconds=5), concurrency=1))
        first = asyncio.create_task(put.answer(Call("judge", asking("first"))))
        second = asyncio.create_task(put.answer(Call("judge", asking("second"))))
        await asyncio.sleep(2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert virtual_time.run(main()).text == "re second"
