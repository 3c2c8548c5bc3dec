"""The tool loop's benchmark as whole runs, killed and taken up again: Step-Audio 2 here, and a served chat model."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from tests.end_to_end.served_runs import KEY, evalkit_run
from tests.servers.backends import Answer, Called, ServedRequest
from tests.servers.openai_server import OpenAIServer
from tests.tasks.tool_loop.talker import BY_WORDS, SAMPLES, call_of, words_of

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("bm25s", reason="bm25s is not installed")
pytestmark = pytest.mark.slow

COMMON = ["statistics.resamples=100", "cache.folder=null", "model@judge=word_judge", "model@tools=offline_tools"]


def finished(words: list[str], **environment: str) -> None:
    process = evalkit_run(words, env={**os.environ, **environment})
    _, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints[-2_000:]
    assert "Traceback" not in complaints


def killed(words: list[str], is_time: Callable[[], bool], **environment: str) -> None:
    """Start a run and kill it as soon as it is time, which must be before its end."""
    process = evalkit_run(words, env={**os.environ, **environment})
    while not is_time():
        assert process.poll() is None, process.communicate()[1][-2_000:]
        time.sleep(0.02)
    process.kill()
    process.communicate()


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def figures(folder: Path, task: str) -> dict[str, float]:
    metrics = json.loads((folder / "metrics.json").read_bytes())["tasks"][task]["metrics"]
    return {key: metric["value"] for key, metric in metrics.items()}


def test_step_audio_2_hears_calls_and_speaks_in_the_voice_that_is_found(tmp_path: Path) -> None:
    from step_audio_2.testing.tiny_checkpoint import write_tiny_checkpoint

    checkpoint = write_tiny_checkpoint(tmp_path / "checkpoint")
    steered = "tests.tasks.tool_loop.steered"
    words = [
        *COMMON,
        "name=run",
        "task=[tool_loop,tool_loop_voice]",
        "limit=1",
        "tasks.tool_loop.dataset.kinds=[weather]",
        "model=step_audio_2_mini",
        f"model._target_={steered}.SteeredStepAudio2",
        f"model.path={checkpoint}",
        "model@transcriber=echo",
        f"transcriber._target_={steered}.Listener",
        "model@speaker_encoder=step_audio_2_speaker_encoder",
        f"speaker_encoder.path={checkpoint / 'token2wav'}",
    ]
    finished([*words, f"runs={tmp_path / 'whole'}"])
    whole, broken = tmp_path / "whole" / "run", tmp_path / "broken" / "run"
    loop = figures(whole, "tool_loop")
    assert loop == {"grounded": 100.0, "answer_accuracy": 100.0, "call_accuracy": 100.0, "rounds": 2.0}
    voice = figures(whole, "tool_loop_voice")
    assert voice["call_accuracy"] == 100.0
    # With random weights these have no meaning; that they are there is all that can be said.
    assert voice["target_similarity"] is not None
    asked = [json.loads(line) for line in (whole / "tool_loop_voice" / "model.jsonl").read_text().splitlines()]
    results = [message for call in asked for message in call["asked"]["messages"] if message["role"] == "tool"]
    [[sentence, found]] = [message["content"] for message in results]
    assert sentence == "你的音色已经更新完成，请继续对话。"
    target = SAMPLES["voices-en-1"].audio[2].path
    assert target is not None
    heard, _ = soundfile.read(whole / "tool_loop_voice" / found["audio"])
    assert (heard == soundfile.read(target)[0]).all()

    again = [*words, f"runs={tmp_path / 'broken'}"]
    killed(again, lambda: lines(broken / "tool_loop_voice" / "model.jsonl") > 0)
    finished(again)
    assert (broken / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()


def calls_and_answers(request: ServedRequest) -> Answer:
    """A chat model that calls what a question needs, and then says what the tool gave back."""
    asked = [message for message in request.messages if message["role"] == "user"][-1]["content"]
    sample = BY_WORDS[asked]
    last = request.messages[-1]
    if last["role"] == "user" and (call := call_of(sample)) is not None:
        return Answer(("",), tool_calls=(Called(call.name, call.arguments),))
    if last["role"] == "tool":
        assert any(text in last["content"] for text in sample.metadata["evidence"])
        assert last["tool_call_id"] == request.messages[-2]["tool_calls"][0]["id"]
    return Answer((words_of(sample),))


def test_a_served_chat_model_that_calls_tools_is_right_in_everything(tmp_path: Path) -> None:
    def words(server: OpenAIServer, runs: str) -> list[str]:
        return [
            *COMMON,
            f"runs={tmp_path / runs}",
            "name=run",
            "task=tool_loop",
            "tasks.tool_loop.input_mode=text",
            "tasks.tool_loop.answer_mode=text",
            "model=openai_chat",
            "model.model=caller",
            f"model.base_url={server.base_url}",
            "model.api_key_variable=SERVER_KEY",
        ]

    whole, broken = tmp_path / "whole" / "run", tmp_path / "broken" / "run"
    with OpenAIServer(calls_and_answers) as server:
        finished(words(server, "whole"), SERVER_KEY=KEY)
        killed(words(server, "broken"), lambda: lines(broken / "tool_loop" / "model.jsonl") > 3, SERVER_KEY=KEY)
        assert lines(broken / "tool_loop" / "model.jsonl") < 50
        finished(words(server, "broken"), SERVER_KEY=KEY)
        assert not server.journal.violations
    assert figures(whole, "tool_loop") == {
        "grounded": 100.0,
        "answer_accuracy": 100.0,
        "call_accuracy": 100.0,
        "rounds": pytest.approx(50 / 28),
    }
    assert (broken / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()
