"""The averages that the configuration has, of bare scores."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import yaml

from evalkit.metrics.resampling import BootstrapSettings
from evalkit.place import TablePlace
from evalkit.results.aggregates import AggregateDefinition, definitions_from, with_aggregates
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import Aggregate, MetricResult, SampleCounts, TaskResult
from tasks.uro_bench.subsets import load_subsets
from tests.conftest import ROOT

_LANGUAGES = {"en": "English", "zh": "Chinese"}


@cache
def configured_averages() -> tuple[AggregateDefinition, ...]:
    """Every average of ``configs/aggregates``."""
    files = sorted((ROOT / "configs" / "aggregates").glob("*.yaml"))
    return definitions_from({key: each for file in files for key, each in yaml.safe_load(file.read_text()).items()})


def averages_of(scores: Mapping[str, float], version: str = "v2") -> dict[str, Aggregate]:
    """The averages of URO-Bench over scores of subsets, named as the original names them: ``oral_basic_en``."""
    tasks = {name: _result(name, score, version) for name, score in scores.items()}
    run = RunResult("run", "model", "Model", "0", tasks)
    found = with_aggregates(run, configured_averages(), BootstrapSettings(resamples=2)).aggregates
    return {_name(name): each for name, each in found.items()}


def _name(key: str) -> str:
    _, track, language, *rest = key.removesuffix("_v1").split("_")
    return "_".join([*rest, track, language])


def _result(subset: str, score: float, version: str) -> TaskResult:
    facts = load_subsets()[subset]
    group = f"{_LANGUAGES[facts.language]} {facts.track.capitalize()}"
    recipe = {"metric": "Score", "data": version}
    metric = MetricResult("Score", score, None, 0.95, None, "", 1, 2, True, "ratio", {}, recipe)
    return TaskResult(
        name=subset,
        title=subset,
        place=TablePlace("uro_bench", group, subset, facts.dimension),
        samples=SampleCounts(1, 1, 1, 0, 0, 0),
        partial=False,
        not_applicable=None,
        headline="score",
        compared=("score",),
        metrics={"score": metric},
        groups={},
        models={},
        failures=(),
        digest="",
        replicates=np.array([score, score]),
    )
