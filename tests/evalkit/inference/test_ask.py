"""The one loop over the chains of all tasks, with models that compute their answers from what they are asked."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from evalkit.adapter import Capabilities, ServedModelAdapter
from evalkit.cascade import Cascade
from evalkit.chain import Chain, Outcome, Score
from evalkit.errors import BudgetReachedError, ConfigurationError, RejectedError, StoreError
from evalkit.inference.ask import TooManyFailuresError
from evalkit.inference.composed import ComposedEndpoint
from evalkit.inference.endpoint import ModelFacts
from evalkit.inference.local import LocalExecutor
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.types import Call, Request, Response, Sample
from tests.evalkit.inference.chains import Arithmetic, Kept, ThreeRoles, ask, models, question


def texts(outcome: Outcome) -> list[str]:
    return [exchange.response.text for exchange in outcome.exchanges]


def test_a_chain_runs_through_its_roles_each_call_built_on_the_answers_before() -> None:
    outcomes = ask([ThreeRoles()], models())["three_roles"]
    assert [outcome.sample.id for outcome in outcomes] == [f"n{number}" for number in range(10)]
    for number, outcome in enumerate(outcomes):
        assert texts(outcome) == [str(number + 1), str(2 * number + 2), str(-2 * number - 2), str(2 * number + 2)]
        assert outcome.status == "scored"
        assert outcome.score == Score({"last": (2.0 * number + 2,)})


def test_a_local_model_answers_all_tasks_before_the_next_role_works() -> None:
    adapters: Any = models()
    ask([ThreeRoles(name="a"), ThreeRoles(7, name="b")], adapters)
    assert adapters["model"].asked == [*map(str, range(10)), *map(str, range(7))]
    assert adapters["model"].batches == [3, 3, 3, 3, 3, 2], "the tasks shared no batch"
    assert len(adapters["judge"].asked) == 34


@pytest.mark.parametrize("residency", ["together", "one_at_a_time"])
def test_a_model_is_loaded_once_and_closed_for_the_next_only_where_they_do_not_fit(residency: Any) -> None:
    loaded: list[str] = []
    adapters: Any = models()
    tasks = [ThreeRoles(50, name="a"), ThreeRoles(50, name="b")]
    for task in tasks:
        task.roles = ("model", "transcriber", "judge")
    closed_before: dict[str, int] = {}

    def met(role: str, facts: ModelFacts) -> None:
        loaded.append(role)
        closed_before[role] = sum(adapter.closed for adapter in adapters.values())

    ask(tasks, adapters, executor=LocalExecutor(residency=residency), met=met)
    assert loaded == ["model", "transcriber", "judge"]
    together = residency == "together"
    assert closed_before == {"model": 0, "transcriber": 0 if together else 1, "judge": 0 if together else 2}
    assert [adapter.closed for adapter in adapters.values()] == [1, 1, 1]


def test_outcomes_are_handed_out_in_the_order_of_the_samples_whichever_ends_first() -> None:
    class Uneven(ThreeRoles):
        def chain(self, sample: Sample) -> Chain:
            number = int(sample.id[1:])
            for _ in range(5 - number % 5):
                yield Call("model", question(str(number)))
            return Score({})

    outcomes = ask([Uneven(40)], models(), samples_under_way=8)["three_roles"]
    assert [outcome.sample.id for outcome in outcomes] == [f"n{number}" for number in range(40)]


@pytest.mark.parametrize("stop_after", [1, 9, 10, 17, 33])
def test_a_run_that_stops_anywhere_goes_on_without_asking_again_what_is_stored(stop_after: int) -> None:
    class Full(Kept):
        def append(self, *arguments: Any) -> Response:
            if len(self.responses) == stop_after:
                raise StoreError("the disk is full")
            return super().append(*arguments)

    store = Full()
    with pytest.raises(StoreError):
        ask([ThreeRoles()], models(), {"three_roles": store}, executor=LocalExecutor(batch_size=1))
    again: Any = models()
    outcomes = ask([ThreeRoles()], again, {"three_roles": Kept(store.responses)})["three_roles"]
    assert [outcome.status for outcome in outcomes] == ["scored"] * 10
    assert sum(len(adapter.asked) for adapter in again.values()) == 40 - stop_after


def test_a_failed_call_breaks_its_chain_and_is_asked_again_by_the_next_session() -> None:
    adapters: Any = models(fails_on=["3"])
    store = Kept()
    outcomes = ask([ThreeRoles()], adapters, {"three_roles": store})["three_roles"]
    assert [outcome.status for outcome in outcomes].count("failed") == 1
    reason = outcomes[3].reason
    assert reason is not None
    assert (reason.message, outcomes[3].score) == ("no idea about 3", Score({"last": (0.0,)}))
    adapters["model"].fails_on.clear()
    outcomes = ask([ThreeRoles()], adapters, {"three_roles": store})["three_roles"]
    assert [outcome.status for outcome in outcomes] == ["scored"] * 10
    assert [len(adapters[role].asked) for role in ("model", "transcriber", "judge")] == [11, 10, 20]


def test_too_many_failures_of_one_task_stop_the_run_and_keep_the_answers() -> None:
    adapters = models(fails_on=["2", "3", "4", "5"])
    store = Kept()
    with pytest.raises(TooManyFailuresError, match="b: 3 calls failed, more than max_failures=2; the last, sample n4"):
        ask([ThreeRoles(2, name="a"), ThreeRoles(name="b")], adapters, {"b": store}, max_failures=2)
    assert store.get("n0", 0, Call("model", question("0"))) is not None


def test_a_sample_whose_scoring_breaks_fails_alone() -> None:
    class Breaks(ThreeRoles):
        def chain(self, sample: Sample) -> Chain:
            response = yield Call("model", question(sample.id[1:]))
            return Score({"last": (1 / (int(response.text) - 4),)})

    outcomes = ask([Breaks()], models())["three_roles"]
    assert [outcome.status for outcome in outcomes].count("scored") == 9
    assert outcomes[3].reason is not None
    assert outcomes[3].reason.message == "ZeroDivisionError: division by zero"
    with pytest.raises(TooManyFailuresError):
        ask([Breaks()], models(), max_failures=0)


def test_an_answer_that_cannot_be_kept_fails_alone() -> None:
    class Picky(Kept):
        def append(self, sample_id: str, position: int, call: Call, response: Response) -> Response:
            if response.text == "4":
                raise AssertionError
            return super().append(sample_id, position, call, response)

    outcomes = ask([ThreeRoles()], models(), {"three_roles": Picky()})["three_roles"]
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert [outcome.reason and outcome.reason.kind for outcome in failed] == ["invalid_response"] * len(failed)
    assert 1 <= len(failed) <= 2


def test_samples_in_a_language_a_model_does_not_take_are_skipped_with_the_reason() -> None:
    adapters: Any = models(languages=["en"])
    outcomes = ask([ThreeRoles(languages=["en", "zh", None])], adapters)["three_roles"]
    assert [outcome.status for outcome in outcomes[:3]] == ["scored", "skipped", "scored"]
    assert outcomes[1].reason is not None
    assert outcomes[1].reason.message == "the model does not take the language 'zh'"
    assert "1" not in adapters["model"].asked


def test_a_role_nobody_fills_is_named() -> None:
    adapters = models()
    del adapters["judge"]
    with pytest.raises(ConfigurationError, match="task three_roles needs a model in the role 'judge'; choose one with"):
        ask([ThreeRoles()], adapters)


def test_a_model_that_is_refused_is_refused_before_its_answers_are_used_or_kept() -> None:
    store = Kept()
    ask([ThreeRoles(5)], models(), {"three_roles": store})

    def refuse(role: str, facts: ModelFacts) -> None:
        raise ConfigurationError(f"another {role}: {facts.fingerprint}")

    before = dict(store.responses)
    adapters: Any = models()
    with pytest.raises(ConfigurationError, match="another model: {'operation': 'add'}"):
        ask([ThreeRoles()], adapters, {"three_roles": store}, met=refuse)
    assert (store.responses, adapters["model"].asked) == (before, [])


def test_a_model_that_cannot_be_made_stops_the_run_with_its_reason() -> None:
    class Absent(Arithmetic):
        def fingerprint(self) -> dict[str, Any]:
            raise ConfigurationError("no weights at hand")

    with pytest.raises(ConfigurationError, match="no weights at hand"):
        ask([ThreeRoles()], models() | {"transcriber": Absent("double")})


def test_what_a_model_says_of_itself_as_impossible_stops_the_run() -> None:
    class Picky(Arithmetic):
        def generate(self, requests: Sequence[Request]) -> list[Response]:
            raise ConfigurationError("max_new_tokens is no setting of mine")

    with pytest.raises(ConfigurationError, match="max_new_tokens"):
        ask([ThreeRoles()], models() | {"judge": Picky("negate")})


class Served(ServedModelAdapter):
    """Answers with the number itself, or as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0

    async def answer(self, request: Request) -> Response:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return Response(str(request.messages[-1].content[0]))

    def fingerprint(self) -> dict[str, Any]:
        return {}


def test_a_served_adapter_needs_only_answer_and_fingerprint() -> None:
    served = Served()
    assert served.capabilities == Capabilities(sample_rate=None)
    outcomes = ask(
        [ThreeRoles()],
        models(),
        endpoints=lambda _: {"model": ServedEndpoint("model", served, Budget(BudgetCaps()))},
    )["three_roles"]
    assert [texts(outcome)[0] for outcome in outcomes] == [str(number) for number in range(10)]


def test_a_server_that_takes_no_request_stops_the_run_at_its_first_answer() -> None:
    served = Served(RejectedError("HTTP 401: wrong key"))
    with pytest.raises(RejectedError, match="judge: HTTP 401: wrong key. What was answered is kept"):
        ask(
            [ThreeRoles(1_000)],
            models(),
            endpoints=lambda _: {"judge": ServedEndpoint("judge", served, Budget(BudgetCaps()))},
        )
    assert served.asked <= 32, "it went on asking"


def test_a_budget_that_is_spent_stops_the_run_and_what_is_under_way_is_kept() -> None:
    served, store = Served(), Kept()
    budget = Budget(BudgetCaps(calls=4))
    with pytest.raises(BudgetReachedError):
        ask(
            [ThreeRoles()],
            models(),
            {"three_roles": store},
            endpoints=lambda _: {"model": ServedEndpoint("model", served, budget)},
        )
    assert sum(position == 0 for _, position, _ in store.responses) == served.asked == 4


def test_an_answer_put_together_of_others_is_put_together_anew_where_these_are_others() -> None:
    def last(operation: str, store: Kept) -> list[float]:
        task = ThreeRoles(2)
        task.roles, task.cascade = ("model",), Cascade()
        put = {"model": ComposedEndpoint("model", ["llm"])}
        outcomes = ask([task], {"llm": Arithmetic(operation)}, {task.name: store}, endpoints=lambda _: put)
        return [float(outcome.score.statistics["last"][0]) for outcome in outcomes[task.name] if outcome.score]

    store = Kept()
    assert last("add", store) == [1, 2]
    assert last("negate", store) == [1, 2], "all is stored"
    for key in [key for key in store.responses if key[1] == 0]:
        del store.responses[key]
    assert last("negate", store) == [0, -1]
    assert last("add", store) == [0, -1]
