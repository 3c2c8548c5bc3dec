"""Chains of calls over several roles, with models that compute their answers from what they are asked."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from evalkit.adapter import Capabilities, Model, ModelAdapter
from evalkit.chain import Chain, Outcome, Score
from evalkit.errors import ConfigurationError
from evalkit.inference.ask import TooManyFailuresError, ask
from evalkit.inference.batching import LocalExecutor
from evalkit.inference.replay import outcome_of, refusal_by
from evalkit.results.responses import ResponseStore
from evalkit.task import Task
from evalkit.types import Call, Failure, Message, Request, Response, Sample


class Arithmetic(ModelAdapter):
    """Adds, doubles or negates the number it is asked about; fails on the numbers it is told to."""

    def __init__(self, operation: str, fails_on: Sequence[str] = (), languages: Sequence[str] | None = None) -> None:
        self.capabilities = Capabilities(frozenset(languages) if languages else None, sample_rate=None, batch_size=3)
        self.operation = operation
        self.fails_on = set(fails_on)
        self.asked: list[str] = []

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._answer(str(request.messages[-1].content[0])) for request in requests]

    def _answer(self, question: str) -> Response:
        self.asked.append(question)
        if question in self.fails_on:
            return Response(failure=Failure("error", f"no idea about {question}"))
        operations = {"add": int(question) + 1, "double": int(question) * 2, "negate": -int(question)}
        return Response(str(operations[self.operation]))

    def fingerprint(self) -> dict[str, Any]:
        return {"operation": self.operation}


class ThreeRoles(Task):
    """Each number goes to the model, its answer to the transcriber, that answer twice to the judge."""

    name, title, metrics, expected_samples = "three_roles", "Three roles", {}, None
    roles = ("model", "transcriber", "judge", "judge")

    def __init__(self, count: int = 10, languages: Sequence[str | None] = (None,)) -> None:
        self.count = count
        self.languages = languages

    def samples(self) -> Iterator[Sample]:
        for number in range(self.count):
            yield Sample(f"n{number}", language=self.languages[number % len(self.languages)])

    def chain(self, sample: Sample) -> Chain:
        question = sample.id[1:]
        for role in self.roles:
            question = (yield Call(role, Request((Message("user", (question,)),)))).text
        return Score({})

    def unanswered(self, sample: Sample) -> Score:
        return Score({})


def outcome(task: Task, adapters: Mapping[str, Model], store: ResponseStore, sample: Sample) -> Outcome:
    return outcome_of(task, store, sample, refusal_by(task, adapters, sample))


def responses(task: Task, adapters: Mapping[str, Model], store: ResponseStore, sample: Sample) -> list[Response]:
    return [exchange.response for exchange in outcome(task, adapters, store, sample).exchanges]


def models(**options: Any) -> dict[str, Arithmetic]:
    return {
        "model": Arithmetic("add", **options),
        "transcriber": Arithmetic("double"),
        "judge": Arithmetic("negate"),
    }


def test_a_chain_runs_through_its_roles_each_call_built_on_the_answers_before(tmp_path: Path) -> None:
    adapters, task = models(), ThreeRoles()
    with ResponseStore(tmp_path) as store:
        asyncio.run(ask(task, adapters, store, LocalExecutor()))
        chains = {sample.id: responses(task, adapters, store, sample) for sample in task.samples()}
    for number in range(10):
        texts = [response.text for response in chains[f"n{number}"]]
        assert texts == [str(number + 1), str(2 * number + 2), str(-2 * number - 2), str(2 * number + 2)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "judge.jsonl",
        "model.jsonl",
        "transcriber.jsonl",
    ]


def test_a_local_model_answers_all_that_is_ready_before_the_next_role_works(tmp_path: Path) -> None:
    adapters = models()
    with ResponseStore(tmp_path) as store:
        asyncio.run(ask(ThreeRoles(), adapters, store, LocalExecutor()))
    assert adapters["model"].asked == [str(number) for number in range(10)]
    assert len(adapters["judge"].asked) == 20


@pytest.mark.parametrize("stop_after", [1, 9, 10, 17, 33])
def test_a_run_that_stops_anywhere_goes_on_without_asking_again_what_is_stored(tmp_path: Path, stop_after: int) -> None:
    adapters, task = models(), ThreeRoles()
    answered = 0

    def stop(response: Response) -> None:
        nonlocal answered
        answered += 1
        if answered == stop_after:
            raise KeyboardInterrupt

    with ResponseStore(tmp_path) as store, pytest.raises(KeyboardInterrupt):
        asyncio.run(ask(task, adapters, store, LocalExecutor(batch_size=1), on_answer=stop))
    again = models()
    with ResponseStore(tmp_path) as store:
        stored = sum(usage.answers for usage in store.usage.values())
        asyncio.run(ask(task, again, store, LocalExecutor(batch_size=1)))
        assert all(len(responses(task, again, store, sample)) == 4 for sample in task.samples())
    assert stored >= stop_after
    assert sum(len(adapter.asked) for adapter in again.values()) == 40 - stored


def test_a_failed_call_breaks_its_chain_and_is_asked_again_by_the_next_session(tmp_path: Path) -> None:
    adapters, task = models(fails_on=["3"]), ThreeRoles()
    with ResponseStore(tmp_path) as store:
        asyncio.run(ask(task, adapters, store, LocalExecutor()))
        failed = outcome(task, adapters, store, Sample("n3"))
        assert (failed.status, failed.reason) == ("failed", Failure("error", "no idea about 3"))
        assert adapters["model"].asked.count("3") == 1
    adapters["model"].fails_on.clear()
    with ResponseStore(tmp_path) as store:
        asyncio.run(ask(task, adapters, store, LocalExecutor()))
        assert len(responses(task, adapters, store, Sample("n3"))) == 4
    assert [len(adapters[role].asked) for role in ("model", "transcriber", "judge")] == [11, 10, 20]


def test_too_many_failures_stop_the_run_and_keep_the_answers(tmp_path: Path) -> None:
    adapters = models(fails_on=["2", "3", "4", "5"])
    with (
        ResponseStore(tmp_path) as store,
        pytest.raises(
            TooManyFailuresError,
            match="3 calls failed, more than max_failures=2; the last, sample n4: no idea",
        ),
    ):
        asyncio.run(ask(ThreeRoles(), adapters, store, LocalExecutor(), max_failures=2))
    with ResponseStore(tmp_path) as store:
        kept = responses(ThreeRoles(), adapters, store, Sample("n0"))[0]
        assert kept == store.get("n0", 0, Call("model", Request((Message("user", ("0",)),))))


def test_samples_in_a_language_a_model_does_not_take_are_skipped_with_the_reason(tmp_path: Path) -> None:
    adapters, task = models(languages=["en"]), ThreeRoles(languages=["en", "zh", None])
    with ResponseStore(tmp_path) as store:
        asyncio.run(ask(task, adapters, store, LocalExecutor()))
        outcomes = [outcome(task, adapters, store, sample) for sample in task.samples()]
    assert [each.reason and each.reason.message for each in outcomes[:3]] == [
        None,
        "the model does not take the language 'zh'",
        None,
    ]
    assert "1" not in adapters["model"].asked


def test_limit_takes_the_first_samples(tmp_path: Path) -> None:
    adapters = models()
    with ResponseStore(tmp_path) as store:
        asyncio.run(ask(ThreeRoles(), adapters, store, LocalExecutor(), samples=islice(ThreeRoles().samples(), 4)))
    assert adapters["model"].asked == ["0", "1", "2", "3"]


def test_a_role_nobody_fills_is_named(tmp_path: Path) -> None:
    with (
        ResponseStore(tmp_path) as store,
        pytest.raises(
            ConfigurationError,
            match="task three_roles needs a model in the role 'judge'; choose one with model@judge=NAME",
        ),
    ):
        asyncio.run(
            ask(ThreeRoles(), {role: models()[role] for role in ("model", "transcriber")}, store, LocalExecutor())
        )
