"""Whose answers a run holds, and what of a server's secrets: nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigurationError, RejectedError
from evalkit.run.evaluate import evaluate
from evalkit.run.rescore import rescore
from tests.end_to_end.served_runs import KEY, TASK, evalkit_run, model_and_judge, recordings, words
from tests.end_to_end.test_served import make_plan
from tests.servers.backends import Answer, Called, ServedRequest
from tests.servers.openai_server import OpenAIServer


@pytest.fixture(autouse=True)
def key_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test here has a user with a key."""
    monkeypatch.setenv("SERVER_KEY", KEY)


def _run(manifest: Path, server: OpenAIServer, runs: Path, name: str, *overrides: str) -> None:
    evaluate(make_plan(words(manifest, server.base_url, runs, name, *overrides)))


@pytest.mark.slow
def test_two_checkpoints_on_two_ports_share_no_answers_unless_told_to(tmp_path: Path) -> None:
    manifest, runs = recordings(tmp_path / "data", 3), tmp_path / "runs"
    with OpenAIServer(model_and_judge, key=KEY) as first, OpenAIServer(model_and_judge, key=KEY) as second:
        _run(manifest, first, runs, "run", "cache.roles=[model,judge]")
        with pytest.raises(ConfigurationError, match="another judge|another model") as refusal:
            _run(manifest, second, runs, "run", "cache.roles=[model,judge]")
        assert f"server was 127.0.0.1:{first.port}/v1, now 127.0.0.1:{second.port}/v1" in str(refusal.value)
        assert f".server=127.0.0.1:{first.port}/v1 if the same model has moved" in str(refusal.value)
        assert not second.journal.hits
        _run(manifest, second, runs, "other", "cache.roles=[model,judge]")
        assert len(second.journal.hits) == 6, "an answer of the one was taken for one of the other"
        moved = f"server=127.0.0.1:{first.port}/v1"
        _run(manifest, second, runs, "run", "cache.folder=null", f"model.{moved}", f"judge.{moved}")
        assert len(second.journal.hits) == 6, "the same model has moved: nothing is asked again"


@pytest.mark.slow
def test_a_server_that_says_it_holds_other_weights_is_another_model(tmp_path: Path) -> None:
    manifest, runs = recordings(tmp_path / "data", 2), tmp_path / "runs"
    models = ["speaker", "judge"]
    with OpenAIServer(model_and_judge, key=KEY, models=models, root="/ckpt/step-1000") as server:
        port = server.port
        _run(manifest, server, runs, "run")
    kept = json.loads((runs / "run" / "provenance.json").read_text())["models"]["model"]["server_says"]
    assert kept == {"id": "speaker", "created": 1_700_000_000, "owned_by": "tests", "root": "/ckpt/step-1000"}
    with OpenAIServer(model_and_judge, key=KEY, models=models, port=port) as server:
        _run(manifest, server, runs, "run")  # a server that says less says nothing else
    other = OpenAIServer(model_and_judge, key=KEY, models=models, port=port, root="/ckpt/step-2000")
    with other as server, pytest.raises(ConfigurationError, match="root, was /ckpt/step-1000, now /ckpt/step-2000"):
        _run(manifest, server, runs, "run")


def test_who_answered_is_kept(tmp_path: Path) -> None:
    manifest, runs = recordings(tmp_path / "data", 2), tmp_path / "runs"
    with OpenAIServer(model_and_judge, key=KEY) as server:
        _run(manifest, server, runs, "run")
    usage = json.loads((runs / "run" / "provenance.json").read_text())["usage"][TASK]
    assert usage["model"]["answered_by"] == {"speaker fp_evalkit_test": 2}


def test_a_key_that_good_answers_repeat_is_kept_nowhere(tmp_path: Path) -> None:
    def repeating(request: ServedRequest) -> Answer:
        entry = {"token": KEY, "logprob": -0.5, "bytes": None, "top_logprobs": []}
        if request.fields["model"] == "judge":
            return Answer((f"CORRECT {KEY}",))
        return Answer(
            (f"your key is {KEY}",),
            tool_calls=(Called(KEY, json.dumps({"key": KEY})),),
            finish_reason=KEY,
            logprobs=(entry,),
        )

    manifest, runs = recordings(tmp_path / "data", 2), tmp_path / "runs"
    with OpenAIServer(repeating, key=KEY, vllm=True) as server:
        _run(
            manifest,
            server,
            runs,
            "run",
            "cache.roles=[model,judge]",
            f"+model.extra_body.chat_template_kwargs.api_key={KEY}",
            f"+model.extra_body.user=the-user-of-{KEY}",
        )
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".wav"]
    assert len(files) > 5
    assert [str(path) for path in files if KEY.encode() in path.read_bytes()] == []
    assert "your key is (key removed)" in (runs / "run" / TASK / "model.jsonl").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["key", "model"])
def test_a_wrong_key_or_model_stops_the_run_at_the_first_answer_that_says_so(tmp_path: Path, wrong: str) -> None:
    manifest, runs = recordings(tmp_path / "data", 40), tmp_path / "runs"
    right: dict[str, Any] = (
        {"key": "sk-another-one", "models": None} if wrong == "key" else {"key": KEY, "models": ["step-2000"]}
    )
    with OpenAIServer(model_and_judge, **right) as server:
        with pytest.raises(RejectedError) as error:
            _run(manifest, server, runs, "run", "model.limits.concurrency=4")
        process = evalkit_run(
            words(manifest, server.base_url, runs, "told", "model.limits.concurrency=4"), env=dict(os.environ)
        )
        _, stderr = process.communicate(timeout=300)
    assert len(server.journal.hits) <= 8, "more was asked than was under way at the first answer"
    assert process.returncode == 2
    last = stderr.splitlines()[-1]
    assert server.base_url in last
    assert ("see to the key" if wrong == "key" else "it lists the models step-2000") in last
    assert KEY not in stderr + str(error.value)
    assert "Traceback" not in stderr


@pytest.mark.slow
def test_decoding_settings_that_a_user_gives_win_for_every_role(tmp_path: Path) -> None:
    manifest, runs = recordings(tmp_path / "data", 2), tmp_path / "runs"
    asked: list[ServedRequest] = []

    def noting(request: ServedRequest) -> Answer:
        asked.append(request)
        return model_and_judge(request)

    overrides = ("+model.generation.max_new_tokens=32", "+judge.generation={max_new_tokens: 16, temperature: 0.5}")
    with OpenAIServer(noting, key=KEY) as server:
        _run(manifest, server, runs, "run", *overrides)
        before = len(server.journal.hits)
        _run(manifest, server, runs, "run", *overrides)
        assert len(server.journal.hits) == before, "what was asked is found again"
    settings = {request.fields["model"]: request.fields for request in asked}
    assert settings["speaker"]["max_tokens"] == 32
    assert (settings["judge"]["max_tokens"], settings["judge"]["temperature"]) == (16, 0.5)
    models = json.loads((runs / "run" / "provenance.json").read_text())["models"]
    assert models["model"]["generation"] == {"max_new_tokens": 32}
    assert models["judge"]["generation"] == {"max_new_tokens": 16, "temperature": 0.5, "do_sample": True}
    assert rescore(runs / "run").tasks[TASK].samples.scored == 2
