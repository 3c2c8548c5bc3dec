"""Another judge on answers that a run holds: it alone is asked, the first run stays as it is, and both are compared."""

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

import evalkit
from evalkit.cli.main import main
from evalkit.results.folder import PROVENANCE
from evalkit.run.rescore import rescore
from reports.write import write_report
from tests.end_to_end.served_runs import KEY, TASK, model_and_judge, recordings, words
from tests.end_to_end.task_runs import (
    Said,
    Speaker,
    carried_out,
    clip,
    judge,
    plan_of,
    served,
    stored_answers,
    words_of_run,
)
from tests.end_to_end.test_judges_that_fail import TASKS, asked_of, model, settings_of
from tests.runs import make_run
from tests.servers.backends import Answer, ServedRequest
from tests.servers.openai_server import OpenAIServer

pytest.importorskip("openai", reason="the openai extra is not installed")


def strict(request: ServedRequest) -> Answer:
    """A judge that finds nothing right: says no where the first says yes, and gives marks two lower."""
    said = judge(request).texts
    if said[0].isdecimal():
        return Answer(tuple(str(max(int(text) - 2, 1)) for text in said))
    return Answer(tuple(re.sub("(?<!IN)CORRECT", "INCORRECT", text).replace("yes", "no") for text in said))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def second(run: Path, server: OpenAIServer, *further: str, role: str = "judge", backend: str = "strict") -> list[str]:
    """The command line that puts a run's answers to another judge behind the server."""
    chosen = served(role, backend, server.base_url, "Strict judge")
    return ["judge", str(run), *chosen, "cache.folder=null", *further]


@pytest.mark.slow
def test_every_judged_task_is_judged_again_by_another_judge_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
    tasks = {name: task for name, task in TASKS.items() if task.role == "judge"}
    for task in tasks.values():
        task.write(tmp_path)
    counts: Counter[str] = Counter()
    run, again = tmp_path / "run", tmp_path / "run-judge-openai_chat"
    with OpenAIServer(asked_of({"speaker": model(), "judge": judge, "strict": strict}, counts)) as server:
        first = words_of_run(tmp_path, server.base_url, tasks, *settings_of(*tasks), "model@transcriber=pocketsphinx")
        carried_out(plan_of(first))
        before, counts_before = contents(run), counts.copy()
        counts.clear()
        files = [f"--json={tmp_path / 'judges.json'}", f"--markdown={tmp_path / 'judges.md'}"]
        assert main([*second(run, server), *files]) == 0
        assert counts == {"strict": counts_before["judge"]}, "nobody but the other judge is asked"
        assert not server.journal.violations
        kept = contents(again)
        assert main(second(run, server)) == 0
    assert counts == {"strict": counts_before["judge"]}, "the same command asks nothing twice"
    assert contents(run) == before, "the first run is left as it is"
    assert {name: bytes_ for name, bytes_ in stored_answers(again).items() if not name.endswith("judge.jsonl")} == {
        name: bytes_ for name, bytes_ in stored_answers(run).items() if not name.endswith("judge.jsonl")
    }
    same = ("metrics.json", *(name for name in kept if name.endswith((".jsonl", ".parquet")) and "/" in name))
    assert {name: contents(again)[name] for name in same} == {name: kept[name] for name in same}
    rescore(again)
    assert (again / "metrics.json").read_bytes() == kept["metrics.json"], "scored again, it has the same metrics"
    write_report([run, again], output_folder=tmp_path / "report")
    assert not evalkit.compare_runs(run, again, resamples=100).metrics[0].compared, (
        "figures of two judges do not compare"
    )
    old, new = evalkit.read_run(run), evalkit.read_run(again)
    assert list(new.tasks) == list(old.tasks)
    for name in tasks:
        models = old.tasks[name].models, new.tasks[name].models
        assert models[1]["judge"].title == "Strict judge"
        assert {role: each for role, each in models[0].items() if role != "judge"} == {
            role: each for role, each in models[1].items() if role != "judge"
        }
        assert new.tasks[name].samples == old.tasks[name].samples
    provenance = [json.loads((folder / PROVENANCE).read_text()) for folder in (run, again)]
    assert provenance[0]["models"]["model"] == provenance[1]["models"]["model"]
    assert provenance[0]["data"] == provenance[1]["data"]
    assert set(provenance[1]["usage"]["toolcall"]) == {"judge"}, "what the model once took is not counted again"
    (compared,) = json.loads((tmp_path / "judges.json").read_text())
    by_metric = {(each["task"], each["metric"]): each for each in compared["agreements"]}
    assert set(by_metric) == {
        ("paralinguistic", "Accuracy"),
        ("toolcall", "Parameter accuracy"),
        ("big_bench_audio", "Accuracy"),
        ("uro_alpacaeval", "Score"),
        ("uro_speakeraware_en", "Score"),
    }
    calls = by_metric["toolcall", "Parameter accuracy"]
    assert (calls["judged"], calls["new"], calls["weights"]) == (4, 0, "none")
    marks = by_metric["uro_alpacaeval", "Score"]
    assert (marks["judged"], marks["agreed"], marks["weights"]) == (1, 0, "quadratic")
    assert marks["base"] == pytest.approx(100 * 14 / 15)
    assert marks["difference"] == pytest.approx(-40)
    (parted,) = marks["disagreements"]
    assert parted["base_replies"] == ["5", "5", "4"]
    assert parted["new_replies"] == ["3", "3", "2"]
    assert "walk along the river" in parted["question"]
    assert "walk along the river" in parted["answer"]
    assert "what the judges part over" in (tmp_path / "judges.md").read_text()
    assert "Strict judge" in capsys.readouterr().out


def lenient(request: ServedRequest) -> Answer:
    """As the model or the first judge, what these say; as the second judge, right wherever the number is even."""
    if request.fields["model"] != "lenient":
        return model_and_judge(request)
    official = request.texts[-1].partition("The OFFICIAL ANSWER: ")[2].partition("\n")[0]
    return Answer(("CORRECT" if int(official) % 2 == 0 else "INCORRECT",))


@pytest.fixture
def questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest of twelve short questions."""
    monkeypatch.setenv("SERVER_KEY", KEY)
    return recordings(tmp_path / "data", 12)


def verdicts(run: Path) -> dict[str, float]:
    return {row["id"]: row["accuracy.correct"] for row in evalkit.read_run(run).scores(TASK).to_pylist()}


@pytest.mark.slow
def test_two_judges_are_compared_sample_by_sample(
    tmp_path: Path, questions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIServer(lenient, key=KEY) as server:
        first = words(questions, server.base_url, tmp_path, "run", "limit=10")
        assert main(["run", *first]) == 0
        asked = len(server.journal.hits)
        again = [
            *second(tmp_path / "run", server, "judge.api_key_variable=SERVER_KEY", "name=again", backend="lenient"),
            "--samples=1",
            f"--json={tmp_path / 'judges.json'}",
        ]
        capsys.readouterr()
        assert main(again) == 0
        assert len(server.journal.hits) == asked + 10, "the other judge is asked once about each answer"
    old, new = verdicts(tmp_path / "run"), verdicts(tmp_path / "again")
    assert new == {id_: float(int(id_[1:]) % 2 == 0) for id_ in old}
    (compared,) = json.loads((tmp_path / "judges.json").read_text())
    (found,) = compared["agreements"]
    agreed = sum(old[id_] == new[id_] for id_ in old) / 10
    chance = sum(old.values()) / 10 * 0.5 + (1 - sum(old.values()) / 10) * 0.5
    assert (found["judged"], found["unjudged"]) == (10, 0)
    assert found["agreed"] == pytest.approx(agreed)
    assert found["kappa"] == pytest.approx((agreed - chance) / (1 - chance))
    assert found["kappa_interval"][0] <= found["kappa"] <= found["kappa_interval"][1]
    assert (found["base"], found["new"]) == (10 * sum(old.values()), 50)
    assert found["interval"][0] <= found["difference"] <= found["interval"][1]
    assert [each["sample_id"] for each in found["disagreements"]] == [id_ for id_ in old if old[id_] != new[id_]]
    printed = capsys.readouterr().out
    assert f"what the judges part over (1 of {len(found['disagreements'])})" in printed
    assert evalkit.read_run(tmp_path / "again").tasks[TASK].samples.expected == 1000
    assert "lenient" not in (tmp_path / "run" / "config.yaml").read_text()


@pytest.mark.slow
def test_failures_and_skips_of_others_stand_and_a_part_can_be_judged(tmp_path: Path, questions: Path) -> None:
    def failing(request: ServedRequest) -> Answer:
        """A model that will not answer the first question."""
        if request.fields["model"] == "speaker" and request.sounds and len(request.sounds[0].samples) == 1_601:
            return Answer(refusal="I will not.")
        return lenient(request)

    rng = np.random.default_rng(3)
    soundfile.write(tmp_path / "data" / "audio" / "00000.wav", rng.uniform(-0.5, 0.5, 1_601), 16_000, subtype="PCM_16")
    with OpenAIServer(failing, key=KEY) as server:
        main(["run", *words(questions, server.base_url, tmp_path, "run", "limit=4", "model.limits.attempts=1")])
        before = evalkit.read_run(tmp_path / "run").tasks[TASK].samples
        assert (before.scored, before.failed) == (3, 1)
        further = ("judge.api_key_variable=SERVER_KEY", "name=again", "limit=2")
        status = main(second(tmp_path / "run", server, *further, backend="lenient"))
    samples = evalkit.read_run(tmp_path / "again").tasks[TASK].samples
    assert (status, samples.scored, samples.failed) == (1, 1, 1), "what the model failed at is not asked again"
    assert [row["id"] for row in evalkit.read_run(tmp_path / "again").scores(TASK).to_pylist()] == ["q00000", "q00001"]


REFUSED = {
    "judge.model=x": "who is to judge",
    "model=echo": "who is to judge",
    "model@model=echo": "the answers of the model under test stand",
    "model@judge=echo schemes=[raw]": "'schemes=[raw]' cannot be set here",
    "model@judge=echo tasks.librispeech_other.title=x": "cannot be set here",
    "model@judge=echo": "no task of this run asks a model in the role judge",
}


def test_what_cannot_be_judged_again_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path, "run", {"a": "yes"}, {"a": "yes"}, "statistics.resamples=10")
    for line, message in REFUSED.items():
        capsys.readouterr()
        assert main(["judge", str(run), *line.split()]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert main(["judge", str(tmp_path / "nowhere"), "model@judge=echo"]) == 2
    assert [path.name for path in tmp_path.glob("run-judge*")] == []


@pytest.mark.slow
def test_a_second_judge_that_is_killed_is_continued_and_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_KEY", KEY)
    manifest, count, killed = recordings(tmp_path / "data", 300), 300, 0
    with OpenAIServer(lenient, key=KEY, latency=lambda request: 0.1 * (request.fields["model"] == "lenient")) as server:
        assert main(["run", *words(manifest, server.base_url, tmp_path, "run")]) == 0
        before, asked = contents(tmp_path / "run"), len(server.journal.hits)
        chosen = second(tmp_path / "run", server, "judge.api_key_variable=SERVER_KEY", backend="lenient")
        command = [sys.executable, "-m", "evalkit.cli", *chosen, "judge.limits.concurrency=8"]
        for name in ("name=killed",) * 3:
            process = subprocess.Popen([*command, name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            enough = len(server.journal.hits) + 60
            while process.poll() is None and len(server.journal.hits) < enough:
                time.sleep(0.01)
            process.kill()
            killed += process.wait() == -signal.SIGKILL
        assert killed == 3
        assert subprocess.run([*command, "name=killed"], capture_output=True).returncode == 0
        # What was under way when a process was killed, eight requests at most, is asked once more.
        assert count <= len(server.journal.hits) - asked <= count + 3 * 8
        assert subprocess.run([*command, "name=whole"], capture_output=True).returncode == 0
    assert contents(tmp_path / "run") == before
    killed_run, whole = evalkit.read_run(tmp_path / "killed"), evalkit.read_run(tmp_path / "whole")
    assert killed_run.tasks == whole.tasks
    assert verdicts(tmp_path / "killed") == verdicts(tmp_path / "whole")


@pytest.mark.slow
def test_what_the_model_once_took_is_not_of_the_second_judges_budget(tmp_path: Path, questions: Path) -> None:
    with OpenAIServer(lenient, key=KEY) as server:
        main(["run", *words(questions, server.base_url, tmp_path, "run")])
        asked = len(server.journal.hits)
        chosen = second(tmp_path / "run", server, "judge.api_key_variable=SERVER_KEY", "name=again", backend="lenient")
        assert main([*chosen, "budget.calls=5"]) == 2
        assert len(server.journal.hits) == asked + 5
        assert main([*chosen, "budget.calls=12"]) == 0
        assert len(server.journal.hits) == asked + 12


@pytest.mark.slow
def test_a_second_judge_hears_what_the_model_said(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
    TASKS["uro_srt_en"].write(tmp_path)
    ears = [Speaker({clip("clean-slt-06"): Said(mark)}) for mark in ("4", "2")]
    with OpenAIServer(asked_of({"speaker": model(), "ear": ears[0], "other": ears[1]}, Counter())) as server:
        first = words_of_run(tmp_path, server.base_url, ["uro_srt_en"], "model@transcriber=pocketsphinx")
        carried_out(plan_of([*first, *served("audio_judge", "ear", server.base_url, "An ear")]))
        status = main(second(tmp_path / "run", server, "name=again", role="audio_judge", backend="other"))
    assert status == 0
    assert ears[1].heard == ears[0].heard == [(clip("clean-slt-06"),)]
    marks = [evalkit.read_run(tmp_path / name).tasks["uro_srt_en"].metric.value for name in ("run", "again")]
    assert marks == [80, 40]
