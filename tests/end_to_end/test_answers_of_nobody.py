"""What looks like a result and is none: answers of another kind than asked, errors as answers, smaller requests."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.datasets import open_dataset
from tests.conftest import DEMO_SPEECH, CommandLine, write_jsonl
from tests.end_to_end.served_runs import TASK, evalkit_run, recordings, words
from tests.servers import oddities
from tests.servers.backends import digest_backend
from tests.servers.openai_server import OpenAIServer

pytestmark = pytest.mark.slow  # a whole run for each

ADAPTER = """
from evalkit.adapter import ModelAdapter


class Odd(ModelAdapter):
    def __init__(self, answer):
        self._answer = answer

    def generate(self, requests):
        return {kinds}[self._answer]

    def fingerprint(self):
        return {{"adapter": "odd"}}
"""
KINDS = """{"none": None, "number": 3, "texts": ["x"] * len(requests), "few": [], "numbers": [3] * len(requests)}"""


def _metrics(folder: Path) -> dict[str, Any]:
    tasks: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["tasks"]
    return tasks


@pytest.mark.parametrize("answer", ["none", "number", "texts", "few", "numbers"])
def test_an_adapter_that_returns_something_else_is_refused_and_nothing_of_it_is_kept(
    tmp_path: Path, answer: str, evalkit_command: CommandLine
) -> None:
    (tmp_path / "odd_adapter.py").write_text(ADAPTER.format(kinds=KINDS))
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "odd.yaml").write_text(
        f"# @package model\n_target_: odd_adapter.Odd\nanswer: {answer}\n"
    )
    run = ("run", "--config-dir", "mine", "task=demo_clean", "model=odd", "name=n", "limit=3")
    outcome = evalkit_command(*run, env={"PYTHONPATH": str(tmp_path)})
    assert outcome.returncode == 1, outcome.stderr
    assert "Traceback" not in outcome.stderr
    stored = list((tmp_path / "runs").rglob("model.jsonl"))
    records = [json.loads(line) for path in stored for line in path.read_text(encoding="utf-8").splitlines()]
    assert {record["response"]["failure"]["kind"] for record in records} == {"invalid_response"}
    assert "Odd.generate " in outcome.stdout, "it is said what is wrong"


def test_a_gateways_error_in_200_is_a_failed_sample_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_KEY", "sk-test")
    manifest, runs = recordings(tmp_path / "data", 2), tmp_path / "runs"
    with OpenAIServer(digest_backend, oddity=oddities.ERRORS["in the choice"]) as server:
        port = server.port
        arguments = words(manifest, server.base_url, runs, "n", "model.limits.attempts=2", "judge.limits.attempts=2")
        process = evalkit_run(arguments)
        said = "".join(process.communicate(timeout=300))
        assert process.returncode == 1, said
        assert "Upstream failed" in said
    assert _metrics(runs / "n")[TASK]["samples"]["failed"] == 2
    with OpenAIServer(digest_backend, port=port) as server:
        process = evalkit_run(arguments)
        process.communicate(timeout=300)
        assert len(server.journal.hits) >= 2, "no failure is taken for an answer"


@pytest.mark.slow
def test_a_smaller_request_leaves_larger_results_as_they_are(tmp_path: Path, evalkit_command: CommandLine) -> None:
    ids = [sample.id for sample in open_dataset(DEMO_SPEECH / "manifest.jsonl")]
    write_jsonl(tmp_path / "p.jsonl", [{"id": id_, "text": "x"} for id_ in ids])
    run = ("run", "model=predictions", "model.path=p.jsonl", "name=n", "statistics.resamples=20")
    for chosen in (["task=[demo_clean,demo_noise]"], ["task=demo_clean", "limit=2"], ["task=demo_reverberation"]):
        outcome = evalkit_command(*run, *chosen)
        assert outcome.returncode == 0, outcome.stderr
    tasks = _metrics(tmp_path / "runs" / "n")
    assert {name: task["samples"]["scored"] for name, task in tasks.items()} == {
        "demo_clean": 24,
        "demo_noise": 8,
        "demo_reverberation": 8,
    }


def test_rows_say_their_language_and_values_are_in_one_unit(tmp_path: Path, evalkit_command: CommandLine) -> None:
    rows = [
        {"id": "a", "text": "don't do it", "language": "en-US"},
        {"id": "b", "text": "你好吗", "language": "zh-CN"},
        {"id": "c", "text": "侬好呀", "language": "wuu"},
        {"id": "d", "text": "早晨"},
    ]
    write_jsonl(tmp_path / "m.jsonl", rows)
    answers = ["do not do it", "你好", "侬好", "早"]
    write_jsonl(
        tmp_path / "p.jsonl", [{"id": row["id"], "text": text} for row, text in zip(rows, answers, strict=True)]
    )
    outcome = evalkit_command(
        *("run", "task=common_voice_yue", "model=predictions", "model.path=p.jsonl", "name=n"),
        *("tasks.common_voice_yue.dataset.path=m.jsonl", "+tasks.common_voice_yue.dataset.columns.audio=null"),
    )
    assert outcome.returncode == 0, outcome.stderr
    metric = _metrics(tmp_path / "runs" / "n")["common_voice_yue"]["metrics"]["cer"]
    assert metric["statistics"]["reference_length"] == 4 + 3 + 3 + 2  # "do not do it" in words, the rest in characters
    assert (metric["value"], metric["unit"]) == (pytest.approx(25), "%"), "a value is in the unit beside it"
    assert "25.00 %" in outcome.stdout
    assert "default-wuu.v1 by character" in outcome.stdout
    write_jsonl(tmp_path / "m.jsonl", [*rows, {"id": "e", "text": "x", "language": "hak"}])
    refused = evalkit_command(
        *("run", "task=common_voice_yue", "model=predictions", "model.path=p.jsonl", "name=m"),
        *("tasks.common_voice_yue.dataset.path=m.jsonl", "+tasks.common_voice_yue.dataset.columns.audio=null"),
    )
    assert refused.returncode == 2
    assert "sample e" in refused.stderr
    assert "hak" in refused.stderr
