"""URO-Bench's subsets, averages and configurations against what was published and what the facts say."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

from evalkit.run.composition import compose_configuration
from evalkit.run.plan import tasks_from_config
from reports.published import load_published
from tasks.uro_bench.subsets import load_subsets
from tests.averages import averages_of
from tests.conftest import ROOT

_COLUMNS = {"Avg.": "", "U.": "understanding_", "R.": "reasoning_", "O.": "oral_"}
_GROUPS = {
    "Chinese Basic": "basic_zh",
    "Chinese Pro": "pro_zh",
    "English Basic": "basic_en",
    "English Pro": "pro_en",
}


def table_7() -> Mapping[str, dict[str, float]]:
    """By model the score of each subset in the technical report, which used data v1."""
    scores: dict[str, dict[str, float]] = {}
    for figure in load_published():
        if figure.table == "uro_bench_detail_table7" and figure.value is not None:
            scores.setdefault(figure.model, {})[figure.benchmark] = float(figure.value)
    return scores


def test_published_averages_are_those_of_the_published_subsets() -> None:
    by_model = {model: averages_of(scores, "v1") for model, scores in table_7().items()}
    assert len(by_model) == 5
    compared = 0
    for figure in load_published():
        if figure.table == "uro_bench" and figure.release.startswith("2025-07-23"):
            average = by_model[figure.model][_COLUMNS[figure.benchmark] + _GROUPS[figure.group]]
            assert average.missing == ()
            assert average.metric.value == pytest.approx(float(figure.value or "nan"), abs=0.011), figure
            compared += 1
    assert compared == 80


def test_a_tracks_average_is_over_subsets_not_over_dimensions() -> None:
    found = averages_of(table_7()["Step-Audio 2"], "v1")
    dimensions = [found[f"{name}_pro_zh"].metric.value or 0 for name in ("understanding", "reasoning", "oral")]
    track = found["pro_zh"].metric.value
    assert track is not None
    assert abs(track - sum(dimensions) / 3) > 0.5
    assert [len(found[f"{name}_pro_zh"].members) for name in ("understanding", "reasoning", "oral")] == [3, 2, 3]


def test_an_average_says_what_it_is_without() -> None:
    scores = table_7()["Step-Audio 2"]
    assert averages_of(scores, "v2")["reasoning_basic_zh"].missing == ("SQuAD-zh", "APE-zh")
    assert averages_of({"Repeat": 50.0})["basic_en"].missing[:2] == ("AlpacaEval", "CommonEval")
    assert set(averages_of({"Repeat": 50.0})) == {"basic_en", "understanding_basic_en"}


@pytest.mark.parametrize(("version", "count", "size"), [("v1", 36, 6933), ("v2", 40, 7329)])
def test_both_versions_of_the_data_are_complete(version: str, count: int, size: int) -> None:
    sizes = [subset.sizes[version] for subset in load_subsets().values() if version in subset.sizes]
    assert (len(sizes), sum(sizes)) == (count, size)


def test_the_configurations_are_those_that_the_facts_make() -> None:
    script = ROOT / "scripts" / "make_uro_bench_configs.py"
    found = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, timeout=300)
    assert (found.stdout, found.stderr, found.returncode) == ("", "", 0)


@pytest.mark.parametrize(
    ("suite", "version", "size"),
    [
        ("basic_en", "v2", 2851),
        ("basic_zh", "v2", 1691),
        ("pro_en", "v2", 2393),
        ("pro_zh", "v2", 394),
        ("basic_zh_v1", "v1", 1305),
        ("pro_zh_v1", "v1", 385),
    ],
)
def test_suites(suite: str, version: str, size: int) -> None:
    config = compose_configuration([f"suite=uro_bench_{suite}"])
    tasks = tasks_from_config(config)
    assert sum(task.expected_samples or 0 for task in tasks) == size
    for task in tasks:
        assert task.metrics["score"].recipe["data"] == version
        assert task.metrics["score"].unit == ""
        assert load_subsets()[task.place.benchmark].dimension == task.place.dimension
        assert task.place.group in _GROUPS


def test_a_subset_that_a_version_does_not_have_is_refused() -> None:
    config = compose_configuration(["task=uro_hsk5_zh", "tasks.uro_hsk5_zh.version=v1"])
    with pytest.raises(Exception, match="data version v1 has no subset HSK5-zh"):
        tasks_from_config(config)
