"""Averages as results: of what they are, and how sure they are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evalkit.errors import ConfigurationError
from evalkit.metrics.intervals import percentile_interval
from evalkit.metrics.resampling import BootstrapSettings, bootstrap_values
from evalkit.place import TablePlace
from evalkit.results.aggregates import definitions_from, with_aggregates
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import Aggregate, MetricResult, SampleCounts, TaskResult

PAIR = {"place": {"table": "asr", "group": "English", "benchmark": "Average"}, "members": ["A", "B"]}
ANY = {"place": {"table": "asr", "group": "*", "benchmark": "Average"}, "without": ["Alone"]}
SETTINGS = BootstrapSettings(resamples=4_000)


def task(name: str, value: float | None, benchmark: str = "", **changes: Any) -> TaskResult:
    metric = MetricResult(
        "WER", value, None, 0.95, None, "%", 100, 2, False, "corpus_error_rate", {}, {"metric": "WER"}
    )
    result = TaskResult(
        name=name,
        title=name,
        place=TablePlace("asr", "English", benchmark or name),
        samples=SampleCounts(10, 10, 10, 0, 0, 0),
        partial=False,
        not_applicable=None,
        headline="wer",
        compared=("wer",),
        metrics={"wer": metric},
        groups={},
        models={},
        failures=(),
        digest="",
        replicates=None if value is None else np.full(SETTINGS.resamples, value / 100),
    )
    return replace(result, **changes)


def averages(*tasks: TaskResult, **definitions: Mapping[str, Any]) -> Mapping[str, Aggregate]:
    run = RunResult("run", "model", "Model", "0", {each.name: each for each in tasks})
    return with_aggregates(run, definitions_from(definitions), SETTINGS).aggregates


def test_an_average_is_the_unweighted_mean_of_its_members_and_counts_their_samples() -> None:
    failing = SampleCounts(30, 20, 15, 4, 1, 2)
    [average] = averages(task("A", 10.25), task("B", 20, samples=failing, partial=True), pair=PAIR).values()
    assert (average.metric.value, average.metric.unit, average.metric.scale) == (15.125, "%", 1)
    assert average.metric.recipe == {"metric": "WER", "averaging": "unweighted mean of 2 test sets"}
    assert average.samples == SampleCounts(40, 30, 25, 4, 1, 2)
    assert (average.members, average.missing, average.partial) == (("A", "B"), (), True)


def test_a_sum_is_of_a_known_size_only_if_every_part_is() -> None:
    unknown = SampleCounts(None, 5, 5, 0, 0, 0)
    for parts in ((task("A", 1, samples=unknown), task("B", 2)), (task("A", 1), task("B", 2, samples=unknown))):
        assert averages(*parts, pair=PAIR)["pair"].samples == SampleCounts(None, 15, 15, 0, 0, 0)


@pytest.mark.parametrize("missing", [[], [task("B", None)], [task("B", 5, place=TablePlace("asr", "Other", "B"))]])
def test_an_average_without_a_member_is_none_or_says_so(missing: list[TaskResult]) -> None:
    assert not averages(task("A", 100), *missing, pair=PAIR)
    [average] = averages(task("A", 100), *missing, pair={**PAIR, "when": "any"}).values()
    assert (average.metric.value, average.members, average.missing, average.partial) == (100, ("A",), ("B",), True)
    assert not averages(*missing, pair={**PAIR, "when": "any"})


def test_of_two_tasks_in_one_place_neither_is_taken() -> None:
    twins = task("A", 10), task("twin", 90, "A"), task("B", 20)
    assert not averages(*twins, pair=PAIR)
    [average] = averages(*twins, pair={**PAIR, "when": "any"}).values()
    assert (average.metric.value, average.missing) == (20, ("A",))


@pytest.mark.parametrize("other", [{"unit": ""}, {"higher_is_better": True}])
def test_values_in_other_units_have_no_mean(other: Mapping[str, Any]) -> None:
    b = task("B", 20)
    assert not averages(task("A", 10), replace(b, metrics={"wer": replace(b.metric, **other)}), pair=PAIR)


def test_an_open_average_is_of_every_group_that_has_none_of_its_own() -> None:
    def of_group(name: str, group: str, set_: str = "") -> TaskResult:
        return task(name, 10, place=TablePlace("asr", group, name, set=set_))

    tasks = [of_group(f"{group}{number}", group) for group in ("Mine", "Alone", "English") for number in (1, 2)]
    tasks += [of_group("single", "Single"), of_group("demo1", "Mine", "Demo"), of_group("demo2", "Mine", "Demo")]
    found = averages(*tasks, pair=PAIR, asr={**ANY, "title": "All"})
    assert {name: (each.title, each.members) for name, each in found.items()} == {
        "asr_mine": ("All Mine", ("Mine1", "Mine2")),
        "asr_mine_demo": ("Demo All Mine", ("demo1", "demo2")),
    }


def test_the_interval_is_that_of_independent_parts_even_if_they_were_drawn_alike() -> None:
    rng = np.random.default_rng(0)
    rows = [np.stack([rng.integers(0, 4, 200), *np.zeros((2, 200)), np.full(200, 10)], axis=1) for _ in range(2)]

    def rate(total: np.ndarray) -> float:
        return float(total[:3].sum() / total[3])

    drawn = [bootstrap_values(each, rate, resamples=SETTINGS.resamples, seed=0) for each in rows]

    def part(name: str, each: np.ndarray, values: np.ndarray) -> TaskResult:
        whole = task(name, 100 * rate(each.sum(axis=0)), replicates=values)
        metric = replace(whole.metric, standard_error=100 * float(np.std(values, ddof=1)))
        return replace(whole, metrics={"wer": metric})

    parts = [part(name, each, values) for name, each, values in zip("AB", rows, drawn, strict=True)]
    [average] = averages(*parts, pair=PAIR).values()
    error = 100 * float(np.hypot(np.std(drawn[0], ddof=1), np.std(drawn[1], ddof=1))) / 2
    assert average.metric.standard_error == pytest.approx(error)
    independent = [
        bootstrap_values(each, rate, resamples=SETTINGS.resamples, seed=seed) for seed, each in enumerate(rows)
    ]
    interval = percentile_interval(100 * np.mean(independent, axis=0))
    assert average.metric.interval == pytest.approx(interval, abs=0.2 * error)
    alike = averages(part("A", rows[0], drawn[0]), part("B", rows[0], drawn[0]), pair=PAIR)["pair"].metric
    assert alike.interval is not None
    alone = percentile_interval(100 * drawn[0])
    assert alike.interval[1] - alike.interval[0] == pytest.approx((alone.high - alone.low) / 2**0.5, rel=0.07)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"membres": []}, r"aggregates\.pair: unknown key 'membres', did you mean 'members'\?"),
        ({"members": "A"}, r"aggregates\.pair\.members: must be a list"),
        ({"members": []}, r"aggregates\.pair\.members: name at least one benchmark"),
        ({"when": "ever"}, r"aggregates\.pair\.when: 'ever' must be complete or any"),
        ({"place": {"table": "asr"}}, r"aggregates\.pair\.place: must name a table and a benchmark"),
    ],
)
def test_a_definition_that_cannot_be_is_one_clear_line(change: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        definitions_from({"pair": {**PAIR, **change}})
    with pytest.raises(ConfigurationError, match=r"aggregates\.pair: must be a mapping"):
        definitions_from({"pair": ["A"]})
