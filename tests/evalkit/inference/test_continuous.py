"""A model that takes requests while others are under way, with a thread of its own, as engines have."""

import asyncio
import queue
import random
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from evalkit.adapter import Capabilities, ContinuousModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.inference.local import HangingModelError, LocalExecutor
from evalkit.types import Request, Response
from tests.evalkit.inference.test_local import calls, run
from tests.live_models import spec_of


class Engine(ContinuousModelAdapter):
    """Answers with the length of what it hears, after as many steps as chance says, in another thread.

    ``generate`` is for batches by itself, and remembered.
    """

    def __init__(self, rows: int = 4, fail_at: int | None = None, error: Exception | None = None) -> None:
        self.capabilities = Capabilities(sample_rate=8_000, batch_size=rows, longest_audio=1.0, beyond="splits")
        self.fail_at = fail_at
        self.error = error or ValueError("lost its place")
        self.pulled: list[float] = []
        self.most_under_way = 0
        self.batches: list[list[str]] = []
        self.begun = 0

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        self.batches.append([request.sample_id for request in requests])
        return [self._answer(request) for request in requests]

    def generate_each(self, requests: Iterator[Request]) -> Iterator[tuple[int, Response]]:
        self.begun += 1
        done: queue.Queue[tuple[int, Response] | Exception | None] = queue.Queue()
        threading.Thread(target=self._work, args=(requests, done), daemon=True).start()
        while (given := done.get()) is not None:
            if isinstance(given, Exception):
                raise given
            yield given

    def _work(self, requests: Iterator[Request], done: "queue.Queue[Any]") -> None:
        rng = random.Random(0)
        under_way: dict[int, tuple[int, Request]] = {}
        position, more = 0, True
        while more or under_way:
            while more and len(under_way) < self.capabilities.batch_size:
                request = next(requests, None)
                if request is None:
                    more = False
                    break
                self.pulled.append(len(request.audio[0].waveform(8_000)) / 8_000)
                under_way[position] = (rng.randint(1, 9), request)
                position += 1
            self.most_under_way = max(self.most_under_way, len(under_way))
            if self.fail_at is not None and len(self.pulled) >= self.fail_at:
                self.fail_at = None
                done.put(self.error)
                return
            for number, (steps, request) in list(under_way.items()):
                under_way[number] = (steps - 1, request)
                if steps == 1:
                    del under_way[number]
                    done.put((number, self._answer(request)))
        done.put(None)

    def _answer(self, request: Request) -> Response:
        return Response(str(len(request.audio[0].waveform(8_000))))

    def fingerprint(self) -> dict[str, Any]:
        return {"model": "engine"}


SECONDS = {f"s{number}": 0.1 + 0.05 * ((number * 7) % 11) for number in range(23)}
EXPECTED = {name: str(round(8_000 * seconds)) for name, seconds in SECONDS.items()}


def texts(answers: dict[str, Response]) -> dict[str, str]:
    return {name: response.text for name, response in answers.items()}


def test_every_call_gets_its_own_answer_longest_first(tmp_path: Any) -> None:
    engine = Engine()
    answers = run(LocalExecutor(), engine, calls(tmp_path, SECONDS))
    assert texts(answers) == EXPECTED
    assert engine.pulled == sorted(engine.pulled, reverse=True)
    assert engine.most_under_way == 4
    assert engine.batches == []
    assert all(response.seconds is not None for response in answers.values())


def test_a_long_recording_is_put_to_it_in_pieces_and_a_file_that_is_missing_fails_alone(tmp_path: Any) -> None:
    answers = run(LocalExecutor(), Engine(), calls(tmp_path, {"a": 0.2, "long": 2.5, "missing": 0.0, "b": 0.3}))
    assert (answers["a"].text, answers["b"].text) == ("1600", "2400")
    assert sum(map(int, answers["long"].text.split())) == 20_000
    assert answers["long"].overlong == "split"
    assert answers["missing"].failed


def test_a_window_that_ends_is_followed_by_the_next(tmp_path: Any) -> None:
    engine = Engine(rows=2)
    assert texts(run(LocalExecutor(batches_ahead=2), engine, calls(tmp_path, SECONDS))) == EXPECTED
    assert engine.begun == 1


def test_what_it_raises_costs_a_second_asking_of_what_was_under_way_and_nothing_else(tmp_path: Any) -> None:
    engine = Engine(fail_at=9)
    assert texts(run(LocalExecutor(), engine, calls(tmp_path, SECONDS))) == EXPECTED
    assert engine.begun == 2, "it goes on afterwards"
    assert 1 <= sum(map(len, engine.batches)) <= 4


def test_after_it_ran_out_of_memory_the_rest_is_asked_in_batches(tmp_path: Any) -> None:
    engine = Engine(fail_at=9, error=MemoryError())
    assert texts(run(LocalExecutor(), engine, calls(tmp_path, SECONDS))) == EXPECTED
    assert engine.begun == 1
    assert sum(map(len, engine.batches)) >= 23 - 9


def test_as_it_is_set_up_it_may_want_batches(tmp_path: Any) -> None:
    engine = Engine()
    engine.is_continuous = False
    assert texts(run(LocalExecutor(), engine, calls(tmp_path, SECONDS))) == EXPECTED
    assert engine.begun == 0
    assert sum(map(len, engine.batches)) == 23


class Wrong(Engine):
    """Yields what it is told to."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self.given = given

    def generate_each(self, requests: Iterator[Request]) -> Iterator[tuple[int, Response]]:
        for _ in requests:
            yield self.given


@pytest.mark.parametrize("given", [None, 3, (7, Response("x")), ("0", Response("x")), ([], Response("x")), (0, "text")])
def test_what_is_no_answer_costs_nothing(given: Any, tmp_path: Any) -> None:
    assert texts(run(LocalExecutor(), Wrong(given), calls(tmp_path, SECONDS))) == EXPECTED


class Lazy(Engine):
    """Pulls some requests, or none, and ends."""

    def __init__(self, pulls: int) -> None:
        super().__init__()
        self.pulls = pulls

    def generate_each(self, requests: Iterator[Request]) -> Iterator[tuple[int, Response]]:
        for _ in range(self.pulls):
            next(requests, None)
        yield from ()


@pytest.mark.parametrize("pulls", [0, 1, 3])
def test_what_it_leaves_unanswered_is_asked_again(pulls: int, tmp_path: Any) -> None:
    assert texts(run(LocalExecutor(), Lazy(pulls), calls(tmp_path, SECONDS))) == EXPECTED


def test_an_error_of_configuration_ends_the_run(tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match="no such setting"):
        run(LocalExecutor(), Engine(fail_at=2, error=ConfigurationError("no such setting")), calls(tmp_path, SECONDS))


def test_closing_lets_what_is_under_way_end(tmp_path: Any) -> None:
    engine = Engine()
    answered: list[Response] = []

    async def main() -> None:
        endpoint = LocalExecutor(batches_ahead=1).open(spec_of("model", engine))
        asking = [asyncio.ensure_future(endpoint.answer(call)) for call in calls(tmp_path, SECONDS)]
        for each in asking:
            each.add_done_callback(lambda done: None if done.cancelled() else answered.append(done.result()))
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)  # more may come, so the engine waits for it
        await asyncio.wait_for(endpoint.close(), 120)
        await asyncio.sleep(0)
        for each in asking:
            each.cancel()

    asyncio.run(main())
    assert 1 <= len(answered) == len(engine.pulled)


class Stuck(Engine):
    """Hangs for good once it has answered a few."""

    def __init__(self, *, each: bool) -> None:
        super().__init__(rows=2)
        self.each = each
        self.freed = threading.Event()

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        if len(self.batches) == 2:
            self.freed.wait(600)
        return super().generate(requests)

    def generate_each(self, requests: Iterator[Request]) -> Iterator[tuple[int, Response]]:
        if not self.each:
            raise MemoryError
        for position, request in enumerate(requests):
            if position == 3:
                self.freed.wait(600)
            yield position, self._answer(request)


@pytest.mark.slow
@pytest.mark.parametrize("each", [True, False])
def test_a_model_that_hangs_ends_the_run_by_its_deadline_and_names_the_samples(each: bool, tmp_path: Any) -> None:
    stuck = Stuck(each=each)
    try:
        with pytest.raises(HangingModelError) as caught:
            run(LocalExecutor(batch_deadline=0.5), stuck, calls(tmp_path, SECONDS))
    finally:
        stuck.freed.set()
    message = str(caught.value)
    assert "model: no answer within executor.batch_deadline=0.5 s to s" in message
    assert "model.python=PYTHON" in message
