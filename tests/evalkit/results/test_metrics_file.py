"""metrics.json: what is written is what is read, and whatever else a file holds is one clear line."""

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import evalkit
from evalkit.errors import ConfigurationError, StoreError
from evalkit.metrics.metric import render_recipe, rounded
from evalkit.metrics.resampling import SamplingDistribution
from evalkit.results.certainty import finite_in_unit, interval_and_error
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import ModelIdentity
from tests.conftest import ROOT, CommandLine
from tests.runs import make_run

REFERENCES = {"a": "the colour is grey", "b": "twenty one geese", "c": "hello", "d": ""}
STORED = ROOT / "tests" / "data" / "run_format_1"
SCHEMA = json.loads((ROOT / "docs" / "metrics.schema.json").read_text())


def stored() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((STORED / "metrics.json").read_text())
    return content


def test_real_results_are_as_the_schema_says_and_read_as_written(tmp_path: Path) -> None:
    answers = {"a": "the color is gray", "c": "hello", "d": ""}
    run = make_run(tmp_path, "run", REFERENCES, answers, "+tasks.librispeech_other.dataset.groups={half: id}")
    content = json.loads((run / "metrics.json").read_text())
    jsonschema.validate(content, SCHEMA)
    assert evalkit.read_run(run).to_json() == content
    [failure] = content["tasks"]["librispeech_other"]["failures"]
    assert (failure["count"], failure["sample"]) == (1, "b")
    assert "no prediction for b" in failure["message"]


def test_the_run_of_an_earlier_version_is_as_the_schema_says() -> None:
    jsonschema.validate(stored(), SCHEMA)
    run = evalkit.read_run(STORED)
    assert run.to_json() == stored()
    assert run.scores("librispeech_other").num_rows == 6
    with pytest.raises(ConfigurationError, match="has no task 'librispeech'"):
        run.scores("librispeech")


def test_a_run_is_a_data_frame_and_a_table_for_notebooks() -> None:
    run = evalkit.read_run(STORED)
    frame = run.to_pandas()
    assert list(frame["task"]) == ["librispeech_other"]
    assert (frame["resampled"][0], frame["clusters"][0]) == ("sample", 6)
    assert frame["value"][0] == run.tasks["librispeech_other"].metric.value
    assert "<td>LibriSpeech other</td><td>WER</td>" in run._repr_html_()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": "a"}, "is of a version without a format number, and this evalkit reads format 1"),
        ({**stored(), "format": 2}, "is of format 2, and this evalkit reads format 1"),
        ({**stored(), "format": "1"}, "is of format '1'"),
        ([], "is not a JSON object"),
    ],
)
def test_another_format_is_one_clear_line(
    tmp_path: Path, evalkit_here: CommandLine, content: Any, message: str
) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(StoreError, match="metrics.json"):
        evalkit.read_run(tmp_path)
    outcome = evalkit_here("report", str(tmp_path))
    assert (outcome.returncode, len(outcome.stderr.splitlines())) == (2, 1)
    assert message in outcome.stderr


def places(value: Any) -> Iterator[list[str | int]]:
    """The way to every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield [key]
        yield from ([key, *rest] for rest in places(item))


def test_any_damage_is_a_clear_error_or_none() -> None:
    damaged = 0
    for way in places(stored()):
        for wrong in (None, 5, -1, 1e400, 10**400, "x", [], {}, True, [None], {"x": None}, ...):
            content = copy.deepcopy(stored())
            inner: Any = content
            for key in way[:-1]:
                inner = inner[key]
            if wrong is ...:
                del inner[way[-1]]
            else:
                inner[way[-1]] = wrong
            with suppress(StoreError):
                RunResult.from_json(content)
                damaged -= 1
            damaged += 1
    assert damaged > 200


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"format": NaN}', "\udcff"])
def test_what_is_no_json_is_a_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match="is not valid JSON"):
        evalkit.read_run(tmp_path)


def test_a_task_of_someone_elses_run_cannot_lead_out_of_the_folder() -> None:
    content = stored()
    content["tasks"]["../other"] = content["tasks"].pop("librispeech_other")
    with pytest.raises(StoreError, match="'../other' cannot be the name of a task"):
        RunResult.from_json(content)


def test_a_recipe_is_one_line_whatever_its_values_hold() -> None:
    line = render_recipe({"metric": "WER", "judge": "Judge | v2: x\nscored:9"})
    assert line == r"metric:WER|judge:Judge \| v2\: x scored\:9"


def test_a_model_is_what_its_fingerprint_says_and_not_its_title() -> None:
    weights = {"model": "judge", "weights": "a1b2", "settings": {"temperature": 0}}
    same = ModelIdentity.of("Judge", weights), ModelIdentity.of("Judge 2", dict(reversed(weights.items())))
    assert same[0].fingerprint == same[1].fingerprint
    assert ModelIdentity.of("Judge", {**weights, "weights": "ffff"}).fingerprint != same[0].fingerprint


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(2.675, 2, "2.68"), (0.005, 2, "0.01"), (-1e26, 3, f"-1{'0' * 26}.000"), (1e300, 0, f"1{'0' * 300}")],
)
def test_any_number_can_be_printed(value: float, decimals: int, text: str) -> None:
    assert rounded(value, decimals) == text
    content = stored()
    content["tasks"]["librispeech_other"]["metrics"]["wer"] |= {"value": value, "decimals": 20}
    assert RunResult.from_json(content).tasks["librispeech_other"].metric.text
    content["tasks"]["librispeech_other"]["metrics"]["wer"]["decimals"] = 21
    with pytest.raises(StoreError, match=r"wer\.decimals: must be a whole number from 0 to 20, not 21"):
        RunResult.from_json(content)


def test_what_no_float_can_hold_in_its_unit_is_undefined() -> None:
    assert finite_in_unit(1e308, 100) is None
    far, near = np.array([1e307, 1e308]), np.array([0.25, 0.25])
    assert interval_and_error(SamplingDistribution(far, 1e308, 9), 0.95, 100) == (None, None)
    assert interval_and_error(SamplingDistribution(near, 1e308, 9), 0.95, 100) == ((25, 25), None)
    assert interval_and_error(SamplingDistribution(near, 0.05, 9), 0.95, 100) == ((25, 25), 5)
