"""Whole runs: composed from the configs, carried out, scored and scored again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config
from evalkit.run.rescore import rescore
from evalkit.tool_syntax import with_tool_calls
from tests.servers.backends import Answer, Called, ServedRequest
from tests.servers.openai_server import OpenAIServer
from tests.tasks.toolcall.replica import judgement, reply, spoken_words, write_replica

KEYS = ("trigger_precision", "trigger_recall", "type_accuracy", "parameter_accuracy")


def run(folder: Path, replica: Path, *overrides: str) -> dict[str, Any]:
    models = "tests.tasks.toolcall.replica"
    words = [
        f"runs={folder / 'runs'}",
        "name=toolcall",
        "task=toolcall",
        f"tasks.toolcall.dataset.path={replica}",
        "model=predictions",
        f"model.path={replica}",
        f"model._target_={models}.Caller",
        "prompts@model.prompts=step_audio_2",
        "model@judge=predictions",
        f"judge.path={replica}",
        f"judge._target_={models}.PlaceNameJudge",
        *overrides,
    ]
    metrics = evaluate(
        plan_from_config(compose_configuration(words), {"model": "caller", "task": "toolcall"})
    ).results.to_json()
    task: dict[str, Any] = metrics["tasks"]["toolcall"]
    return task


def cells(task: dict[str, Any]) -> dict[str, tuple[float | None, ...]]:
    """The figures of each tool, in per cent, in the order of KEYS."""
    return {
        tool: tuple(
            None if figure["value"] is None else round(figure["value"], 1)
            for figure in (group["metrics"][key] for key in KEYS)
        )
        for tool, group in task["groups"]["tool"].items()
    }


EXPECTED = {
    "Audio search": (50.0, 100.0, 100.0, 100.0),  # "speak faster" is not for the audio search, but triggers it
    "Date & Time": (100.0, 100.0, 100.0, None),
    "Weather": (100.0, 66.7, 100.0, 50.0),  # one question has no keyword; one place name is Chinese
    "Web search": (100.0, 100.0, 100.0, 100.0),
}


@pytest.mark.slow
def test_conversations_are_heard_called_judged_and_scored_again(tmp_path: Path) -> None:
    replica = write_replica(tmp_path / "replica")
    task = run(tmp_path, replica)
    assert cells(task) == EXPECTED
    assert (task["samples"]["scored"], task["samples"]["failed"], task["samples"]["skipped"]) == (11, 0, 0)
    assert task["metrics"]["trigger_precision"]["statistics"] == {"true_positives": 6, "triggered": 7}
    assert task["metrics"]["trigger_precision"]["recipe"]["false_positive"] == "target_tool"

    folder = tmp_path / "runs" / "toolcall"
    stored = (folder / "metrics.json").read_bytes()
    answers = {file.name: file.read_bytes() for file in (folder / "toolcall").glob("*.jsonl")}
    assert set(answers) == {"model.jsonl", "judge.jsonl"}
    run(tmp_path, replica)
    assert (folder / "metrics.json").read_bytes() == stored
    assert {file.name: file.read_bytes() for file in (folder / "toolcall").glob("*.jsonl")} == answers

    shutil.rmtree(replica)
    strict = rescore(folder, ["tasks.toolcall.false_positive=any_tool"]).to_json()["tasks"]["toolcall"]
    assert cells(strict)["Date & Time"] == (66.7, 100.0, 100.0, None), "the weather was asked for and called"
    again = rescore(folder, ["tasks.toolcall.false_positive=target_tool"]).to_json()["tasks"]["toolcall"]
    assert cells(again) == EXPECTED


def test_a_model_that_reads_gives_the_same_figures(tmp_path: Path) -> None:
    task = run(tmp_path, write_replica(tmp_path / "replica"), "tasks.toolcall.input_mode=text")
    assert cells(task) == EXPECTED
    assert task["metrics"]["type_accuracy"]["recipe"]["input"] == "text"


def test_a_conversation_that_cannot_be_heard_counts_as_no_call(tmp_path: Path) -> None:
    replica = write_replica(tmp_path / "replica")
    (replica / "Step-Audio_Toolcall" / "wav" / "get_date_time_positive.jsonl-0-2.wav").unlink()
    task = run(tmp_path, replica)
    assert cells(task) == EXPECTED | {"Date & Time": (100.0, 50.0, 100.0, None)}
    assert (task["samples"]["scored"], task["samples"]["failed"]) == (10, 1)


@pytest.mark.parametrize("input_mode", ["audio", "text"])
def test_served_models_call_and_judge_over_http(tmp_path: Path, input_mode: str) -> None:
    replica = write_replica(tmp_path / "replica")
    words = spoken_words(replica)

    def answer(request: ServedRequest) -> Answer:
        if request.fields["model"] == "judge":
            return Answer((judgement(request.texts[-1]),))
        assert [tool["function"]["name"] for tool in request.tools] == [
            "search",
            "get_date_time",
            "get_weather",
            "timbre_rag",
        ]
        heard = request.sounds[-1] if input_mode == "audio" else None
        said = words[round(100 * heard.seconds)] if heard else request.texts[-1]
        calls = tuple(Called(call.name, call.arguments) for call in with_tool_calls(reply(said)).tool_calls)
        return Answer(("" if calls else "好的。",), tool_calls=calls)

    with OpenAIServer(answer) as server:
        task = run(
            tmp_path,
            replica,
            f"tasks.toolcall.input_mode={input_mode}",
            *(
                override
                for role in ("model", "judge")
                for override in (
                    f"~{role}.path",
                    f"{role}._target_=model_adapters.openai.models.ChatModel",
                    f"+{role}.model={role}",
                    f"+{role}.base_url={server.base_url}",
                    f"prompts@{role}.prompts=chat",
                )
            ),
        )
        assert not server.journal.violations
    assert cells(task) == EXPECTED


def test_real_speech_is_heard_whole(tmp_path: Path, shared_data: Path) -> None:
    replica, queries = write_replica(tmp_path / "replica"), shared_data / "spoken_queries"
    records = [json.loads(line) for line in (queries / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    chosen = {record["task"]: record for record in records if record["task"] == "tool_call" or record.get("round") == 1}
    sessions = replica / "web_search_positive.jsonl"
    [session] = [json.loads(line) for line in sessions.read_text(encoding="utf-8").splitlines()]
    for turn, kind in zip((session[0], session[2]), ("multi_turn", "tool_call"), strict=True):
        turn["text"] = chosen[kind]["text"]
        shutil.copyfile(queries / chosen[kind]["audio"], replica / "Step-Audio_Toolcall" / turn["value"]["value"])
    sessions.write_text(json.dumps(session, ensure_ascii=False) + "\n", encoding="utf-8")
    task = run(tmp_path, replica)
    assert cells(task)["Web search"] == EXPECTED["Web search"]
    answers = (tmp_path / "runs" / "toolcall" / "toolcall" / "model.jsonl").read_text(encoding="utf-8")
    assert "今天上证指数的开盘价是多少" in answers


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["model", "model,judge"])
def test_an_interrupted_run_is_taken_up_where_it_stopped(tmp_path: Path, keep: str) -> None:
    replica = write_replica(tmp_path / "replica")
    run(tmp_path, replica)
    folder = tmp_path / "runs" / "toolcall"
    complete = (folder / "metrics.json").read_bytes()
    for file in (folder / "toolcall").glob("*.jsonl"):
        lines = file.read_bytes().splitlines(keepends=True)
        if file.stem in keep.split(","):
            file.write_bytes(b"".join(lines[:-1]))
        else:
            file.unlink()
    run(tmp_path, replica)
    assert (folder / "metrics.json").read_bytes() == complete
