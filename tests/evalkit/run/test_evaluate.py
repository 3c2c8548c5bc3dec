"""Sessions of one run: what is kept, what is left as it is, what is refused and what is asked again."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.chain import Exchange, Outcome
from evalkit.errors import ConfigurationError
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.progress import say
from evalkit.results.task_result import ModelIdentity
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import Evaluation, evaluate
from evalkit.run.events import run_log
from evalkit.run.plan import Plan, plan_from_config
from evalkit.run.rescore import rescore
from evalkit.run.scoring import score_task
from evalkit.run.selection import Selection
from evalkit.types import Call, Message, Request, Response
from tests.conftest import write_jsonl
from tests.evalkit.inference.chains import Arithmetic
from tests.live_models import specs_of
from tests.runs import composed

TASK = "librispeech_other"
WORDS = ("name=run", "model=predictions", "model.path=…", "statistics.resamples=10")
TEXTS = {f"u{number}": f"word {number}" for number in range(6)}


def plan(folder: Path, answers: Mapping[str, str] = TEXTS, task: str = TASK, **changes: Any) -> Plan:
    manifest = write_jsonl(
        folder / "manifest.jsonl", [{"id": id_, "audio": f"{id_}.wav", "text": text} for id_, text in TEXTS.items()]
    )
    path = write_jsonl(folder / "answers.jsonl", [{"id": id_, "text": text} for id_, text in answers.items()])
    config = composed(f"task={task}", *WORDS)
    config.tasks[task].dataset.path, config.runs, config.model.path = str(manifest), str(folder), str(path)
    return replace(plan_from_config(config, {"model": "predictions", "task": task}), **changes)


def counts(evaluation: Evaluation) -> dict[str, int]:
    return {name: result.samples.total for name, result in evaluation.results.tasks.items()}


def provenance(folder: Path) -> Any:
    return json.loads((folder / "run" / "provenance.json").read_text())


def test_a_smaller_request_leaves_complete_results_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(plan(tmp_path))
    before = (tmp_path / "run" / "metrics.json").read_text()
    again = evaluate(plan(tmp_path, selection=Selection(limit=2)))
    assert counts(again) == {TASK: 6}
    assert (tmp_path / "run" / "metrics.json").read_text() == before
    assert "results of 6 samples are there and are left as they are" in capsys.readouterr().err


def test_results_of_a_name_grow(tmp_path: Path) -> None:
    assert counts(evaluate(plan(tmp_path, selection=Selection(limit=2)))) == {TASK: 2}
    assert counts(evaluate(plan(tmp_path))) == {TASK: 6}
    assert counts(evaluate(plan(tmp_path, task="librispeech_clean"))) == {TASK: 6, "librispeech_clean": 6}
    assert set(provenance(tmp_path)["data"]) == set(provenance(tmp_path)["usage"]) == {TASK, "librispeech_clean"}


def test_a_run_that_goes_on_says_what_it_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(plan(tmp_path, selection=Selection(limit=4)))
    assert "are kept" not in capsys.readouterr().err
    started = provenance(tmp_path)["sessions"][0]["started"]
    evaluate(plan(tmp_path))
    assert f"4 answers of the session of {started} are kept" in capsys.readouterr().err
    log = tmp_path / "run" / TASK / "model.jsonl"
    assert len(log.read_text().splitlines()) == 6


def test_fresh_asks_again_and_keeps_what_was_there(tmp_path: Path) -> None:
    evaluate(plan(tmp_path))
    other = {**TEXTS, "u0": "something else"}
    with pytest.raises(ConfigurationError, match="holds answers of another model"):
        evaluate(plan(tmp_path, other))
    evaluate(plan(tmp_path, other, fresh=True))
    first = json.loads((tmp_path / "run" / TASK / "model.jsonl").read_text().splitlines()[0])
    assert first["response"]["text"] == "something else"
    kept = tmp_path / "run" / "replaced" / "1" / TASK / "model.jsonl"
    assert json.loads(kept.read_text().splitlines()[0])["response"]["text"] == "word 0"
    assert len(provenance(tmp_path)["sessions"]) == 1


def test_a_model_is_known_even_after_a_session_without_its_role(tmp_path: Path) -> None:
    with_judge = plan(tmp_path)
    models = {**with_judge.models, **specs_of({"judge": Arithmetic("add")})}
    record = tmp_path / "run" / "provenance.json"
    evaluate(with_judge)
    content = json.loads(record.read_text())
    content["models"]["judge"] = {"weights": "A"}
    record.write_text(json.dumps(content))
    evaluate(plan(tmp_path, models=models))  # no task asks the judge
    assert json.loads(record.read_text())["models"]["judge"] == {"weights": "A"}


def test_the_log_says_why_a_run_stopped_and_each_event_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="calls failed"):
        evaluate(plan(tmp_path, {"u0": "word 0"}, max_failures=2))
    log = (tmp_path / "run" / "run.log").read_text()
    assert "WARNING librispeech_other, sample u1, model: no prediction for u1" in log
    assert "ERROR stopped: librispeech_other: 3 calls failed" in log
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds == ["session", "started", *["failed"] * 5, "progress", "ended"], "the batch under way was kept too"
    assert events[2]["kind"] == "refused"
    assert not logging.getLogger("evalkit").handlers, "the log is still open"


def test_a_setting_that_the_adapter_does_not_have_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    made = plan(tmp_path)
    spec = made.models["model"]
    wrong = replace(spec, config={**spec.config, "text_kye": "text"})
    with pytest.raises(ConfigurationError, match="model: its adapter has no setting 'text_kye', did you mean"):
        evaluate(replace(made, models={"model": wrong}))


def test_what_models_say_moves_no_cursor_in_the_log_and_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_log(tmp_path):
        logging.getLogger("evalkit").warning("cleared \x1b[2J\nand gone")
    assert "cleared \\x1b[2J\\nand gone" in (tmp_path / "run.log").read_text()
    say("cleared \x1b[2J")
    assert capsys.readouterr().err == "cleared \\x1b[2J\n"


def judged_plan(folder: Path, answers: Mapping[str, str], *words: str) -> Plan:
    path = write_jsonl(folder / "answers.jsonl", [{"id": id_, "text": text} for id_, text in answers.items()])
    config = composed("task=demo_big_bench_audio", "model@judge=word_judge", *WORDS, *words)
    config.runs, config.model.path = str(folder), str(path)
    return plan_from_config(config, {"model": "predictions", "task": "demo_big_bench_audio"})


ANSWERS = {"0": "six", "6": "no idea"}


def test_a_judge_whose_answers_are_all_there_stays_part_of_the_recipe(tmp_path: Path) -> None:
    evaluate(judged_plan(tmp_path, ANSWERS))
    before = (tmp_path / "run" / "metrics.json").read_bytes()
    task = evalkit.read_run(tmp_path / "run").tasks["demo_big_bench_audio"]
    judge = task.models["judge"]
    assert (judge.title, task.metric.recipe["judge"]) == ("Word judge (demo stand-in)", judge.fingerprint)
    evaluate(judged_plan(tmp_path, ANSWERS))
    assert (tmp_path / "run" / "metrics.json").read_bytes() == before


def test_a_judge_that_no_sample_was_put_to_takes_no_part_however_early_it_is_known(tmp_path: Path) -> None:
    [task] = judged_plan(tmp_path, ANSWERS).tasks
    sample = next(iter(task.samples()))
    judge, asked = ModelIdentity("Judge", "aaaa"), Call("judge", Request((Message("user", ("is it right?",)),)))
    wrong = Outcome(sample, "scored", score=task.unanswered(sample))
    for outcome, models in (
        (wrong, {}),
        (replace(wrong, exchanges=(Exchange(asked, Response("no")),)), {"judge": judge}),
    ):
        result = score_task(task, [outcome], tmp_path, BootstrapSettings(resamples=10), models={"judge": judge})
        assert result.models == models
        assert result.metric.recipe.get("judge") == (judge.fingerprint if models else None)


def test_a_run_that_grew_can_be_scored_again_whole(tmp_path: Path) -> None:
    evaluate(judged_plan(tmp_path, {**TEXTS, "0": "six"}))
    answers = tmp_path / "answers.jsonl"
    manifest = write_jsonl(tmp_path / "manifest.jsonl", [{"id": "u0", "audio": "u0.wav", "text": "word 0"}])
    words = [f"task={TASK}", f"tasks.{TASK}.dataset.path={manifest}", f"runs={tmp_path}", "name=run"]
    words += ["model=predictions", f"model.path={answers}", "statistics.resamples=10"]
    grown = evaluate(plan_from_config(compose_configuration(words), {"model": "predictions"})).results
    assert list(grown.tasks) == ["demo_big_bench_audio", TASK]
    assert rescore(tmp_path / "run") == grown


def test_results_are_in_the_order_of_the_configuration_whichever_task_ends_first(tmp_path: Path) -> None:
    both = judged_plan(tmp_path, ANSWERS, "task=[demo_big_bench_audio,demo_clean]")
    evaluate(replace(both, tasks=both.tasks[1:]))
    assert list(evaluate(both).results.tasks) == ["demo_big_bench_audio", "demo_clean"]
