"""How long a run takes and what it costs, by a few calls that were made."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from evalkit.adapter import Limits, Prices
from evalkit.inference.endpoint import ModelSpec
from evalkit.run.cost import TOKENS_HEARD, TOKENS_WRITTEN, price_of, rough_usage
from evalkit.run.forecast import TaskForecast
from evalkit.run.pace import Expectation, limits_of, pace_of, seconds_by_role, seconds_of_run, usage_by_role
from evalkit.run.probe import AnsweredCall, Probe
from evalkit.run.rehearsal import SPOKEN_SECONDS, Load
from evalkit.types import Usage

LOCAL = ModelSpec("model", "Local", {"_target_": "model_adapters.stand_ins.echo.Echo"})
SERVED: dict[str, Any] = {"_target_": "model_adapters.openai.models.ChatModel", "limits": {"concurrency": 8}}


def found(*calls: AnsweredCall) -> Probe:
    return Probe(calls, samples=4, failed=0, refused={}, seconds=1.0)


def call(seconds: float, task: str = "a", role: str = "model", usage: Usage | None = None) -> AnsweredCall:
    return AnsweredCall(task, role, seconds, 2.0, usage)


def task(name: str, **calls: float) -> TaskForecast:
    return TaskForecast(name, name, loads={role: Load(calls=count) for role, count in calls.items()})


def test_a_role_works_for_its_mean_time_on_each_call_of_a_task() -> None:
    probed = found(call(1.0), call(3.0), call(10.0, "b"), call(10.0, "b"))
    work = seconds_by_role([task("a", model=100), task("b", model=10)], probed)
    assert work["model"].value == 100 * 2.0 + 10 * 10.0
    # The mean of two calls that took 1 and 3 seconds has a standard error of 1 second, 100 times; the other task's has
    # none. Of two calls there is one degree of freedom.
    assert work["model"].error == pytest.approx(stats.t.ppf(0.975, 1) * 100, rel=1e-3)


def test_a_task_that_was_not_asked_is_like_the_others() -> None:
    work = seconds_by_role([task("c", model=10)], found(call(1.0), call(3.0)))
    assert work["model"].value == 20
    assert seconds_by_role([task("c", judge=10)], found(call(1.0))) == {}


def test_of_one_sample_no_spread_is_known() -> None:
    work = seconds_by_role([task("a", model=10)], found(call(2.0)))["model"]
    assert (work.value, work.error) == (20.0, None)


def test_the_interval_holds_the_time_that_a_run_takes() -> None:
    """Simulated: 8 of 1,000 calls, with times as differently long as sentences are."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        seconds = generator.gamma(4, 0.25, 1000)
        probed = found(*(call(float(each)) for each in seconds[:8]))
        expected = seconds_by_role([task("a", model=1000)], probed)["model"]
        assert expected.error is not None
        held += abs(expected.value - seconds.sum()) <= expected.error
    assert 0.9 < held / 200 < 0.98


def test_models_of_this_process_take_turns_and_servers_answer_many_at_once() -> None:
    models = {"model": LOCAL, "transcriber": LOCAL, "judge": ModelSpec("judge", "Served", SERVED)}
    by_role = {"model": Expectation(100, 9.0), "transcriber": Expectation(50, 16.0), "judge": Expectation(800, 64.0)}
    calls = {"model": 10, "transcriber": 10, "judge": 120}
    together = seconds_of_run(by_role, models, calls)
    assert together.value == 150
    assert together.error == pytest.approx(1.96 * 5, rel=1e-3)
    judged = seconds_of_run({**by_role, "judge": Expectation(8000, 6400.0)}, models, calls)
    assert judged == Expectation(1000, 100.0)
    assert seconds_of_run({"judge": Expectation(80)}, models, calls) == Expectation(10)
    # 30 a minute, whatever the server could do.
    slow = ModelSpec("judge", "Served", {**SERVED, "limits": {"requests_per_minute": 30}})
    allowed = seconds_of_run(by_role, {**models, "judge": slow}, calls)
    assert (allowed.value, allowed.error) == (240, 0)
    assert limits_of(ModelSpec("judge", "Served", {"_target_": "x"})) == Limits()


def test_tasks_of_unlike_spread_share_the_degrees_of_freedom() -> None:
    generator = np.random.default_rng(0)
    samples = {"a": generator.normal(1, 0.1, 4), "b": generator.normal(1, 0.3, 4)}
    probed = found(*(call(float(each), name) for name, values in samples.items() for each in values))
    work = seconds_by_role([task("a", model=1), task("b", model=1)], probed)["model"]
    # Welch's test of a and minus b, whose interval is that of the sum.
    welch = stats.ttest_ind(samples["a"], -samples["b"], equal_var=False).confidence_interval(0.95)
    assert work.error == pytest.approx((welch.high - welch.low) / 2, rel=1e-3)


def test_usage_goes_with_the_calls() -> None:
    usage = Usage(requests=1, input_tokens=100, output_tokens=10, audio_seconds=2.0, cost=0.5)
    probed = found(call(1, role="judge", usage=usage), call(1, role="judge", usage=usage + usage), call(1))
    taken = usage_by_role([task("a", judge=20, model=5)], probed)
    assert taken == {"judge": Usage(30, 3000, 300, audio_seconds=60.0, cost=15.0)}


def test_as_large_a_share_of_further_answers_is_taken_to_be_cached() -> None:
    usage = Usage(requests=1, input_tokens=100, cost=0.5)
    cached = AnsweredCall("a", "judge", 0.0, 0.0, Usage(), cached=True)
    probed = found(call(4, role="judge", usage=usage), cached, cached, cached)
    assert seconds_by_role([task("a", judge=100)], probed)["judge"].value == 100
    assert usage_by_role([task("a", judge=100)], probed)["judge"].cost == 12.5


def test_the_pace_of_a_model() -> None:
    cached = AnsweredCall("a", "model", 0.0, 2.0, Usage(), cached=True)
    pace = pace_of(found(call(1), call(3), call(2, "b"), cached, call(9, role="judge")), "model")
    assert pace is not None
    assert (pace.calls, pace.a_call.value, pace.for_a_second) == (3, 2.0, 1.0)
    assert pace.a_call.error == pytest.approx(stats.t.ppf(0.975, 2) / math.sqrt(3), rel=1e-3)
    silent = pace_of(found(AnsweredCall("a", "judge", 1.0, 0.0, None)), "judge")
    assert silent is not None
    assert silent.for_a_second is None
    assert pace_of(found(cached), "model") is None


def test_what_nothing_was_asked_for_is_roughly_known() -> None:
    load = Load(calls=10, replies=30, text_tokens=1000, audio_seconds=60, spoken=10)
    usage = rough_usage(load)
    assert usage.input_tokens == 1000 + 60 * TOKENS_HEARD
    assert usage.output_tokens == 30 * TOKENS_WRITTEN + usage.output_audio_tokens
    assert usage.output_audio_tokens == 10 * SPOKEN_SECONDS * 20
    prices = {"input": 1.0, "output": 2.0}
    spec = ModelSpec("model", "Served", {**SERVED, "prices": prices})
    assert price_of(spec, usage) == Prices(**prices).cost(usage) > 0
    assert price_of(LOCAL, usage) is None
