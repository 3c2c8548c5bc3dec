"""What a plan will take, held against what it does take."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.chain import ChainRun, Score
from evalkit.results.shards import Shard
from evalkit.run.composition import compose_run
from evalkit.run.evaluate import evaluate
from evalkit.run.forecast import TaskForecast, forecast
from evalkit.run.plan import Plan, plan_from_config
from evalkit.run.rehearsal import SPOKEN_SECONDS, Load, Rehearsal
from evalkit.run.selection import Selection
from evalkit.types import Call, Message, Request, Sample
from tests.conftest import DEMO_SPEECH, write_jsonl

CLEAN = 24
REHEARSED = 64


def plan(tmp_path: Path, *words: str) -> Plan:
    composition = compose_run([f"runs={tmp_path}", "name=run", *words])
    return plan_from_config(composition.config, composition.choices)


def calls(task: TaskForecast) -> dict[str, int]:
    return {role: round(load.calls) for role, load in task.loads.items()}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    manifest = (DEMO_SPEECH / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in manifest]
    return write_jsonl(folder / "answers.jsonl", [{"id": row["id"], "text": row["text"]} for row in rows])


def test_what_is_stored_is_not_asked_again(tmp_path: Path, answers: Path) -> None:
    whole = plan(tmp_path, "model=predictions", f"model.path={answers}", "task=demo_clean", "statistics.resamples=10")
    [before] = forecast(whole)
    assert (before.samples, calls(before), before.stored) == (CLEAN, {"model": CLEAN}, {})
    assert before.audio_known_by == "stated"
    assert before.audio_seconds == pytest.approx(79.6, abs=0.1)
    assert before.loads["model"].audio_seconds == pytest.approx(before.audio_seconds)
    evaluate(replace(whole, selection=Selection(limit=10)))
    [partly] = forecast(whole)
    assert (calls(partly), partly.stored) == ({"model": CLEAN - 10}, {"model": 10})
    evaluate(whole)
    [all_of_it] = forecast(whole)
    assert (all_of_it.samples, calls(all_of_it), all_of_it.stored) == (CLEAN, {}, {"model": CLEAN})
    [again] = forecast(replace(whole, fresh=True))
    assert (calls(again), again.stored) == ({"model": CLEAN}, {})


def test_a_call_that_failed_is_asked_again(tmp_path: Path, answers: Path) -> None:
    few = write_jsonl(tmp_path / "few.jsonl", [json.loads(answers.read_text().splitlines()[0])])
    whole = plan(tmp_path, "model=predictions", f"model.path={few}", "task=demo_clean", "statistics.resamples=10")
    evaluate(whole)
    [found] = forecast(whole)
    assert (calls(found), found.stored) == ({"model": CLEAN - 1}, {"model": 1})


def test_what_is_not_here_is_known_by_its_facts(tmp_path: Path) -> None:
    whole = plan(tmp_path, "model=echo", "task=[librispeech_clean,kespeech_phase1]", f"data_root={tmp_path}")
    clean, kespeech = forecast(replace(whole, selection=Selection(limit=262)))
    assert (clean.state, clean.samples, clean.audio_known_by) == ("not here", 262, "facts")
    assert clean.audio_seconds == pytest.approx(5.4 * 360)
    assert clean.loads["model"].calls == 262
    assert "evalkit data prepare task=librispeech_clean" in clean.reason
    assert (kespeech.samples, kespeech.audio_seconds, calls(kespeech)) == (None, None, {"model": 0})
    part, _ = forecast(replace(whole, selection=Selection(fraction=0.5)))
    assert part.samples == 1310
    share, _ = forecast(replace(whole, selection=Selection(limit=262, shard=Shard(16, 16))))
    assert (share.samples, share.loads["model"].calls) == (16, 16)


def test_a_role_without_a_model_and_a_broken_data_set_cannot_run(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"id": "a"\n', encoding="utf-8")
    words = ["task=[demo_big_bench_audio,demo_clean]", f"tasks.demo_clean.dataset.path={tmp_path}/broken.jsonl"]
    judged, broken = forecast(plan(tmp_path, "model=echo", *words))
    assert (judged.state, judged.loads) == ("cannot run", {})
    assert "model@judge=NAME" in judged.reason
    assert broken.state == "cannot run"
    assert "broken.jsonl" in broken.reason


def test_headers_are_read_of_some_recordings_where_no_length_is_stated(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (DEMO_SPEECH / "manifest.jsonl").read_text().splitlines()]
    folder = DEMO_SPEECH
    many = [
        {"id": f"{number}", "audio": str(folder / rows[0]["audio"]), "text": "a"} for number in range(3 * REHEARSED)
    ]
    manifest = write_jsonl(tmp_path / "manifest.jsonl", many)
    words = ["task=demo_clean", f"tasks.demo_clean.dataset.path={manifest}", "~tasks.demo_clean.dataset.where"]
    [found] = forecast(
        plan(
            tmp_path,
            "model=echo",
            *words,
            f"++tasks.demo_clean.dataset.root={folder}",
            "~tasks.demo_clean.dataset.groups",
        )
    )
    assert (found.samples, found.audio_known_by) == (3 * REHEARSED, "headers")
    assert found.audio_seconds == pytest.approx(3 * REHEARSED * rows[0]["duration"], rel=0.01)
    assert calls(found) == {"model": 3 * REHEARSED}


def rehearsed(chain: Any) -> dict[str, Load]:
    rehearsal = Rehearsal()
    rehearsal.follow(ChainRun(chain, lambda _: Score({}), Sample("a"), task="t"))
    return rehearsal.loads


def question(text: str = "", **fields: Any) -> Request:
    return Request((Message("user", (text,)),), **fields)


def test_a_question_asked_again_counts_once() -> None:
    def chain() -> Any:
        for attempt in range(4):
            reply = yield Call("judge", question("a" * 40, attempt=attempt, replies=3))
            if reply.text.isdecimal():
                break
        return Score({})

    assert rehearsed(chain()) == {"judge": Load(1, 3, 10, 0, 0)}


def test_a_chain_that_never_ends_is_left() -> None:
    def chain() -> Any:
        while True:
            yield Call("model", question())

    assert rehearsed(chain())["model"].calls == 200


def test_stand_ins_speak_and_call_tools() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {}}}}}
    heard = []

    def chain() -> Any:
        said = yield Call("model", question(output="speech", tools=(tool,)))
        heard.append((said.tool_calls[0].name, json.loads(said.tool_calls[0].arguments)))
        yield Call("transcriber", Request((Message("user", (said.speech,)),)))
        return Score({})

    loads = rehearsed(chain())
    assert heard == [("f", {"x": "x"})]
    assert loads["model"].spoken == 1
    assert loads["transcriber"].audio_seconds == SPOKEN_SECONDS


def test_chinese_characters_are_a_token_each() -> None:
    def chain() -> Any:
        yield Call("judge", question("你好吗" + "abcd"))
        return Score({})

    assert rehearsed(chain())["judge"].text_tokens == 4


@pytest.mark.slow
def test_the_demo_asks_what_was_foreseen(tmp_path: Path) -> None:
    words = ["model=echo", "suite=demo", "statistics.resamples=10"]
    foreseen = {task.name: calls(task) for task in forecast(plan(tmp_path, *words))}
    evaluate(plan(tmp_path, *words))
    usage = json.loads((tmp_path / "run" / "provenance.json").read_text())["usage"]
    asked = {task: {role: each["answers"] for role, each in roles.items()} for task, roles in usage.items()}
    spoken = ("demo_cvss_en_zh", "demo_paralinguistic", "demo_uro_repeat", "demo_uro_summary")
    assert {task: asked[task] for task in spoken} == {task: foreseen[task] for task in spoken}
    # It writes nothing, and is not asked to.
    assert all(not asked[task] for task in ("demo_clean", "demo_mmau", "demo_big_bench_audio"))
