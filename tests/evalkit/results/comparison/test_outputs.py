"""What a comparison is written as: JSON by its schema, JUnit XML of the usual form; and the command's exit status."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lxml import etree

from evalkit.cli.main import main
from evalkit.results.compared import (
    Change,
    ChangeCounts,
    ComparedMetric,
    Comparison,
    GroupChange,
    OtherTest,
    Verdict,
)
from evalkit.results.comparison.gate import Condition
from evalkit.results.comparison.junit import render_junit
from evalkit.results.comparison.markdown import render_markdown
from tests.answered_runs import Answered, store_run
from tests.conftest import ROOT

SCHEMA = json.loads((ROOT / "docs" / "comparison.schema.json").read_text(encoding="utf-8"))
FORM = etree.XMLSchema(etree.parse(str(ROOT / "tests" / "data" / "junit.xsd")))
SENTENCE = "the old lighthouse keeper counted seven grey ships"


def saying(wrong: int, count: int = 12) -> list[Answered]:
    """Samples in all of which so many words are wrong."""
    answer = " ".join(["wrong"] * wrong + SENTENCE.split()[wrong:])
    return [Answered(f"u{number:03}", SENTENCE, answer, clusters={"speaker": f"s{number}"}) for number in range(count)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three runs of a task, and one of another."""
    folder = tmp_path_factory.mktemp("runs")
    made = {name: store_run(folder / name, saying(wrong)) for name, wrong in (("base", 2), ("same", 2), ("worse", 3))}
    made["other"] = store_run(folder / "other", {"elsewhere": saying(2)})
    return {name: str(folder) for name, folder in made.items()}


def row(verdict: Verdict, **values: Any) -> ComparedMetric:
    return ComparedMetric("task", "Task", "WER", "%", 2, verdict, run="new", **values)


def junit(comparison: Comparison, *conditions: Condition) -> Any:
    """The report, which must be of the usual form."""
    root = etree.fromstring(render_junit(comparison, conditions).encode())
    FORM.assertValid(root)
    return root


def test_everything_that_a_comparison_can_hold_is_in_the_schema(tmp_path: Path, runs: Mapping[str, str]) -> None:
    out = tmp_path / "out.json"
    words = [runs["base"], runs["worse"], runs["other"], "--resamples", "200", "--test", "mcnemar", "--json", str(out)]
    assert main(["compare", *words]) == 2, "of the run of another task nothing could be compared"
    content = json.loads(out.read_text(encoding="utf-8"))
    jsonschema.validate(content, SCHEMA)
    assert content["metrics"][0]["resampled"] == "speaker"
    definitions = SCHEMA["$defs"]
    types = {
        "metric": ComparedMetric,
        "counts": ChangeCounts,
        "change": Change,
        "group": GroupChange,
        "test": OtherTest,
    }
    for name, kind in types.items():
        assert set(definitions[name]["required"]) == {field.name for field in fields(kind)}


def test_the_schema_refuses_what_it_does_not_know() -> None:
    content = Comparison("base", ["new"], 0.95, [row("better", base=1.0, new=2.0, difference=1.0)]).to_json()
    content = json.loads(json.dumps(content))
    jsonschema.validate(content, SCHEMA)
    for broken in ({**content, "format": 2}, {**content, "more": 1}, {**content, "metrics": [{"name": "task"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA)


def test_junit_tells_failures_from_what_could_not_be_compared() -> None:
    verdicts: tuple[Verdict, ...] = ("worse", "better", "equivalent", "no evidence", "not comparable")
    comparison = Comparison("base", ["new"], 0.95, [row(verdict) for verdict in verdicts], minimum=0.3)
    cases = junit(comparison, "worse").findall(".//testcase")
    assert [case[0].tag for case in cases] == ["failure", "system-out", "system-out", "system-out", "skipped"]
    root = junit(comparison, "not-better", "not-comparable")
    assert [case[0].tag for case in root.findall(".//testcase")] == ["failure", "system-out", *["failure"] * 3]
    suite = root.find("testsuite")
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "4", "errors": "0", "skipped": "0",
    }  # fmt: skip
    assert "equivalent within ±0.3" in root.findall(".//testcase")[2][0].get("message")


def test_junit_calls_it_an_error_if_nothing_was_compared() -> None:
    root = junit(Comparison("base", ["new"], 0.95, [row("not comparable", reason="only the base run has it")]), "worse")
    [error] = root.findall(".//error")
    assert error.get("message") == "not comparable: only the base run has it"
    assert root.get("errors") == "1"


def test_junit_holds_no_character_that_xml_cannot() -> None:
    hostile = "a\x00b\x1b[31m<&>\"'\ud800\ufffe\u202e]]>"
    comparison = Comparison(
        hostile,
        [hostile],
        0.95,
        [ComparedMetric(hostile, hostile, hostile, hostile, 2, "worse", reason=hostile, run=hostile, base=1.0, new=2.0,
                        difference=1.0, interval=(0.5, 1.5), p_value=0.01, adjusted_p_value=0.01)],
    )  # fmt: skip
    root = junit(comparison, "worse")
    message = root.find(".//failure").get("message")
    assert "\\x00b\\x1b[31m<&>\"'\\ud800" in message
    assert "\u202e" not in message


def test_several_runs_stand_in_one_table(runs: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", runs["base"], runs["same"], runs["worse"], "--resamples", "200", "--samples", "1"]
    assert main(words) == 1
    text = capsys.readouterr().out
    assert text.startswith("# same, worse against base\n\n**1 worse, 1 no evidence**\n")
    assert "| same | Speech | WER (%) | 25.00 | 25.00 | +0.00" in text
    assert "| worse | Speech | WER (%) | 25.00 | 37.50 | +12.50" in text
    assert "12 speakers (12 samples)" in text
    assert "  REF   the   old   lighthouse keeper" in text
    assert "  BASE  wrong wrong lighthouse keeper" in text
    assert "  NEW   wrong wrong wrong      keeper" in text


def test_groups_and_other_tests_have_tables_of_their_own() -> None:
    group = GroupChange("accent", "a|b", 20, 5.0, 7.0, 2.0, (1.0, 3.0), 0.01, 0.02, "worse")
    tests = [OtherTest("mcnemar", 0.03, "1 fixed, 9 broken"), OtherTest("mapsswe", None, "is for word error rates")]
    found = row("no evidence", base=5.0, new=5.1, difference=0.1, p_value=0.4, adjusted_p_value=0.4,
                shared=2000, base_samples=2000, new_samples=2000, detectable=0.45, needed=30_000,
                groups=[group], tests=tests)  # fmt: skip
    text = render_markdown(Comparison("base", ["new"], 0.95, [found]))
    assert "| new | Task | accent: a\\|b | 5.00 | 7.00 | +2.00 [+1.00, +3.00] | 0.0200 | 20 | **worse** |" in text
    assert "| new | Task | WER (%) | McNemar's exact test | 0.0300 | 0.4000 | 1 fixed, 9 broken |" in text
    assert "| new | Task | WER (%) | MAPSSWE |  | 0.4000 | is for word error rates |" in text
    assert "| ±0.45 | 2,000 samples | **no evidence**: about 30,000 samples in all would settle +0.10 |" in text


@pytest.mark.parametrize(
    ("new", "options", "status"),
    [
        ("same", [], 0),
        ("worse", [], 1),
        ("same", ["--fail-on", "not-better"], 1),
        ("same", ["--fail-on", "worse,not-comparable"], 0),
        ("worse", ["--fail-on", "not-comparable"], 0),
        ("worse", ["--fail-on", "not-comparable", "--fail-on", "worse"], 1),
        ("other", [], 2),
        ("other", ["--fail-on", "not-comparable"], 2),
    ],
)
def test_the_exit_status_is_what_the_gate_says(
    runs: Mapping[str, str], new: str, options: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", runs["base"], runs[new], "--resamples", "100", *options]) == status
    assert ("nothing of other could be compared" in capsys.readouterr().err) == (status == 2)


def test_files_are_written_whatever_the_verdict(tmp_path: Path, runs: Mapping[str, str]) -> None:
    files = {name: tmp_path / f"out.{name}" for name in ("markdown", "json", "junit")}
    words = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    assert main(["compare", runs["base"], runs["other"], *words]) == 2
    assert "Not compared, as only the base run has it: Speech." in files["markdown"].read_text(encoding="utf-8")
    jsonschema.validate(json.loads(files["json"].read_text(encoding="utf-8")), SCHEMA)
    FORM.assertValid(etree.parse(str(files["junit"])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fail-on", "wors"], "'wors' is none of worse, not-better, not-comparable"),
        (["--minimum", "-1"], "minimum is -1.0; it must be a number above 0"),
        (["--level", "2"], "level is 2.0"),
        (["--cluster", "speakr"], "no sample has a field 'speakr'"),
        (["--only", "spech"], "no run has 'spech', did you mean 'speech'"),
        (["--junit", "no/such/folder.xml"], "cannot be written"),
    ],
)
def test_bad_options_are_one_line(
    runs: Mapping[str, str], options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", runs["base"], runs["same"], "--resamples", "10", *options]) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
