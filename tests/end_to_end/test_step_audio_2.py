"""Step-Audio 2 through the command line: a small random checkpoint, from recordings to tables, written and spoken."""

import json
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import soundfile

from evalkit.results.shared_parts import StoredParts
from evalkit.run.audit import audit_run
from tests.conftest import CommandLine
from tests.end_to_end.step_audio_2_runs import SHORT, SMOKE, write_data
from tests.end_to_end.test_resume import command, kill_when

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
pytestmark = pytest.mark.slow

TEXT_TASKS = {"librispeech_clean", "mmau_test_mini", "covost2_en_zh", "big_bench_audio", "toolcall"}
SPEECH_TASKS = {"cvss_zh_en", "paralinguistic", "uro_repeat", "uro_mtbencheval_en"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from step_audio_2.testing.tiny_checkpoint import write_tiny_checkpoint

    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def run(command: CommandLine, *words: str) -> None:
    """A run of the smoke suite that ends well."""
    done = command("run", *SMOKE, *words, timeout=900)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "Traceback" not in done.stderr


def test_the_smoke_suite_runs_every_task_in_writing_and_in_speech(
    evalkit_command: CommandLine, tmp_path: Path, checkpoint: Path, data: Path
) -> None:
    words = ["model=step_audio_2_mini", f"model.path={checkpoint}", f"data_root={data}"]
    words += ["model@transcriber=pocketsphinx", "model@judge=word_judge", "model.batch_size=4"]
    run(evalkit_command, *words)
    folder = tmp_path / "runs" / "run"
    metrics = (folder / "metrics.json").read_bytes()
    tasks = json.loads(metrics)["tasks"]
    assert tasks.keys() >= TEXT_TASKS | SPEECH_TASKS
    for name in TEXT_TASKS | SPEECH_TASKS:
        samples = tasks[name]["samples"]
        assert not tasks[name]["not_applicable"]
        assert samples["scored"] == samples["total"] > 1, name
    for name in SPEECH_TASKS:
        sounds = sorted((folder / name / "speech").rglob("*.flac"))
        assert sounds, name
        assert {soundfile.info(sound).samplerate for sound in sounds} == {24_000}
        assert all(soundfile.info(sound).frames % 960 == 0 for sound in sounds)
    # A second round is asked with the tokens of the first.
    log = folder / "uro_mtbencheval_en" / "model.jsonl"
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    said = [call["response"].get("tokens") for call in calls]
    with closing(StoredParts(log)) as parts:
        reminded = [message.get("tokens") for call in calls for message in parts.whole(call["asked"])["messages"]]
    assert {tokens for tokens in reminded if tokens} == {tokens for tokens in said if tokens} & set(reminded)
    assert any(reminded)
    # The same command asks nothing more and writes the same.
    run(evalkit_command, *words)
    assert (folder / "metrics.json").read_bytes() == metrics
    report = evalkit_command("report", str(folder))
    assert report.returncode == 0
    assert (folder / "report" / "index.html").is_file()


def test_without_a_voice_the_tasks_in_speech_are_not_applicable(
    evalkit_command: CommandLine, tmp_path: Path, checkpoint: Path, data: Path
) -> None:
    silent = shutil.copytree(checkpoint, tmp_path / "silent")
    shutil.rmtree(silent / "assets")
    words = ["model=step_audio_2_mini", f"model.path={silent}", f"data_root={data}"]
    words += ["model@transcriber=pocketsphinx", "model@judge=word_judge"]
    run(evalkit_command, *words)
    tasks = json.loads((tmp_path / "runs" / "run" / "metrics.json").read_text())["tasks"]
    applicable = {name for name, task in tasks.items() if not task["not_applicable"]}
    assert applicable == TEXT_TASKS
    assert tasks["cvss_zh_en"]["not_applicable"] == "the model does not speak"


def test_base_and_think_run_too_and_speech_can_be_streamed(
    evalkit_command: CommandLine, tmp_path: Path, checkpoint: Path, data: Path
) -> None:
    for kind in ("base", "think"):
        words = [
            f"model=step_audio_2_mini_{kind}",
            f"model.path={checkpoint}",
            f"data_root={data}",
            "model.stream=true",
        ]
        words += ["model@transcriber=pocketsphinx", "model@judge=word_judge", f"name={kind}"]
        done = evalkit_command(
            "run", "task=[librispeech_clean,cvss_zh_en]", "statistics.resamples=100", *SHORT, *words, timeout=900
        )
        assert done.returncode == 0, done.stderr[-2_000:]
        assert "first sound after" in done.stdout
        provenance = json.loads((tmp_path / "runs" / kind / "provenance.json").read_text())
        assert provenance["usage"]["cvss_zh_en"]["model"]["streamed"] > 0


def test_a_run_killed_while_answers_are_under_way_ends_as_one_of_batches_that_stay_together(
    tmp_path: Path, checkpoint: Path
) -> None:
    words = ["task=demo_clean", "model=step_audio_2_mini", f"model.path={checkpoint}", "model.batch_size=3", *SHORT]
    words += ["statistics.resamples=100", "cache.folder=null"]
    subprocess.run(command("static", tmp_path, [*words, "model.batching=static"]), check=True, capture_output=True)
    log = tmp_path / "continuous" / "demo_clean" / "model.jsonl"
    for lines in (1, 7, 16):
        process = subprocess.Popen(
            command("continuous", tmp_path, words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        kill_when(process, log, lines)
    subprocess.run(command("continuous", tmp_path, words), check=True, capture_output=True)
    static, continuous = ((tmp_path / name / "metrics.json").read_text() for name in ("static", "continuous"))
    assert continuous == static.replace('"name": "static"', '"name": "continuous"')
    answers = [json.loads(line)["sample"] for line in log.read_text().splitlines()]
    assert len(answers) == len(set(answers)) == 24
    assert not audit_run(tmp_path / "continuous").findings
