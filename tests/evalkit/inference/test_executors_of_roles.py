"""Roles with executors of their own: their models work side by side, where those of one executor take turns."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.chain import Outcome
from evalkit.errors import ConfigurationError
from evalkit.inference.ask import run_inference
from evalkit.inference.local import LocalExecutor
from evalkit.inference.opening import ExecutorChoice, ServedSettings, open_endpoints
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.clock import Clock
from evalkit.run.composition import compose_run
from evalkit.run.plan import Plan, plan_from_config
from evalkit.types import Request, Response, Usage
from tests.evalkit.inference.chains import Kept, ThreeRoles, work
from tests.live_models import specs_of

SECONDS = 120


class Together(ModelAdapter):
    """Answers the question of one number only once another model is asked something at the same time."""

    capabilities = Capabilities(sample_rate=None)

    def __init__(self, meeting: threading.Barrier, meets_at: int) -> None:
        self.meeting = meeting
        self.meets_at = meets_at
        self.asked = 0

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        self.asked += len(requests)
        if self.asked == self.meets_at:
            self.meeting.wait(SECONDS)
        return [Response("1") for _ in requests]

    def fingerprint(self) -> dict[str, Any]:
        return {}


def settings() -> ServedSettings:
    return ServedSettings(Budget(BudgetCaps(), Usage()), None, (), Clock(), lambda line: None)


def plan(*words: str) -> Plan:
    composition = compose_run(["model=whisper_tiny_en", "task=demo_clean", *words])
    return plan_from_config(composition.config, composition.choices)


def test_a_judge_works_while_the_model_does() -> None:
    meeting = threading.Barrier(2)
    models = {"model": Together(meeting, meets_at=2), "judge": Together(meeting, meets_at=1)}
    task, outcomes = ThreeRoles(4), list[Outcome]()
    task.roles = ("model", "judge")

    async def main() -> None:
        executors = ExecutorChoice(LocalExecutor(), {"judge": LocalExecutor()})
        endpoints = open_endpoints(specs_of(models).values(), executors, settings())
        await run_inference([work(task, Kept(), outcomes)], endpoints)

    asyncio.run(main())
    assert [outcome.score is not None for outcome in outcomes] == [True] * 4
    assert [models[role].asked for role in models] == [4, 4]


def test_an_executor_of_a_role_is_chosen_on_the_command_line_and_set_by_its_role() -> None:
    words = ("model@judge=word_judge", "executor@executors.judge=local", "executors.judge.batch_size=3")
    made = plan(*words, "executor.batch_size=2")
    assert isinstance(made.executor, LocalExecutor)
    [(role, own)] = made.executors.items()
    assert isinstance(own, LocalExecutor)
    assert (role, own.batch_size, made.executor.batch_size) == ("judge", 3, 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["executor@executors.judge=local"], r"executors\.judge: no model is chosen for the role 'judge'"),
        (["executor@executors.modle=local"], r"the role 'modle', did you mean 'model'\? \(there are model\)"),
        (["executor@executors.model=lokal"], r"there is no executor 'lokal', did you mean 'local'\?"),
        (["executors=3"], r"executors: '3' must be a mapping from roles to executors"),
    ],
)
def test_an_executor_that_cannot_be_is_refused(words: Sequence[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        plan(*words)


def test_a_model_behind_a_server_has_no_executor() -> None:
    judge = [
        "model@judge=openai_chat",
        "judge.model=x",
        "judge.base_url=http://127.0.0.1:9",
        "judge.api_key_variable=K",
    ]
    made = plan(*judge, "executor@executors.judge=local")
    with pytest.raises(ConfigurationError, match=r"executors\.judge: .* is behind a server, and has no executor"):
        open_endpoints(made.models.values(), ExecutorChoice(made.executor, made.executors), settings())
