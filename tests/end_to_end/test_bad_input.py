"""What a user gets for each kind of bad input: one line that names it, a failed sample, or a clean stop."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.conftest import DEMO_SPEECH, CommandLine, write_jsonl

TASK = "librispeech_clean"


def arguments(manifest: Path, *more: str, model: str = "pocketsphinx") -> list[str]:
    return ["run", f"task={TASK}", f"tasks.{TASK}.dataset.path={manifest}", f"model={model}", "name=run", *more]


def one_line(outcome: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that stopped: a single line, no traceback."""
    assert outcome.returncode == 2, outcome.stderr
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("evalkit: ")]
    assert len(lines) == 1, outcome.stderr
    assert "Traceback" not in outcome.stderr
    return lines[0]


@pytest.fixture
def utterance(tmp_path: Path) -> Path:
    source = sorted((DEMO_SPEECH / "audio").glob("clean-*.flac"))[0]
    return Path(shutil.copy(source, tmp_path / "good.flac"))


@pytest.mark.slow
def test_bad_audio_fails_its_own_sample_and_no_other(
    tmp_path: Path, utterance: Path, evalkit_command: CommandLine
) -> None:
    pytest.importorskip("pocketsphinx")
    samples, rate = soundfile.read(utterance, dtype="float32")
    (tmp_path / "truncated.flac").write_bytes(utterance.read_bytes()[: utterance.stat().st_size * 6 // 10])
    soundfile.write(tmp_path / "silent.wav", np.zeros(0), 16_000)
    (tmp_path / "noise.wav").write_text("this is no audio")
    soundfile.write(tmp_path / "stereo.wav", np.stack([samples[::2], samples[::2]], axis=1), rate // 2)
    names = {"good": "good.flac", "truncated": "truncated.flac", "silent": "silent.wav", "text": "noise.wav"}
    names |= {"missing": "missing.flac", "stereo": "stereo.wav", "no-reference": "good.flac"}
    records = [
        {"id": id_, "audio": name, "text": "" if id_ == "no-reference" else "a b c"} for id_, name in names.items()
    ]
    outcome = evalkit_command(*arguments(write_jsonl(tmp_path / "manifest.jsonl", records)))
    assert outcome.returncode == 1, outcome.stderr
    assert "4 samples failed and count as wrong" in outcome.stderr

    metrics = json.loads((tmp_path / "runs/run/metrics.json").read_text())["tasks"][TASK]
    assert metrics["samples"] == {"expected": 2620, "total": 7, "scored": 3, "failed": 4, "skipped": 0, "empty": 0}
    assert metrics["metrics"]["wer"]["statistics"]["reference_length"] == 6 * 3
    assert metrics["metrics"]["wer"]["statistics"]["deletions"] >= 4 * 3
    assert [metrics["samples"][each] for each in ("scored", "failed", "skipped")] == [3, 4, 0]
    responses = {record["sample"]: record["response"] for record in log(tmp_path)}
    assert {name for name, response in responses.items() if "failure" in response} == {
        "truncated",
        "silent",
        "text",
        "missing",
    }
    messages = {name: response["failure"]["message"] for name, response in responses.items() if "failure" in response}
    assert "cut short" in messages["truncated"] or "cannot be read" in messages["truncated"]
    assert "no samples" in messages["silent"]
    assert "missing.flac: no such audio file" in messages["missing"]
    assert responses["stereo"]["text"]

    soundfile.write(tmp_path / "missing.flac", samples, rate)
    again = evalkit_command(*arguments(tmp_path / "manifest.jsonl"))
    assert "3 samples failed" in again.stderr
    asked = [record["sample"] for record in log(tmp_path)]
    assert sorted(asked[7:]) == ["missing", "silent", "text", "truncated"], "only failures are asked again"


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "runs/run" / TASK / "model.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'{"id": "a", "audio": "a.wav", "text": "x"}\n{"id": "a", "audio": "b.wav", "text": "y"}\n',
            "line 2.*'a'.*line 1",
        ),
        (b'{"id": "a", "audio": "a.wav", "text": "x"}\n{"id": "b", "audio": "b.wav", "te', "line 2"),
        (b'{"id": "a", "audio": "a.wav", "text": "caf\xe9"}\n', "UTF-8"),
        (b'{"id": "a", "audio": "../../etc/passwd.wav", "text": "x"}\n', "line 1.*leads out of the data root"),
        (b'{"id": "a", "audio": "a.wav", "text": null}\n', "line 1"),
        (b'{"id": "a", "audio": "a.wav", "txt": "x"}\n', "line 1.*text"),
        (b"", "no samples"),
    ],
    ids=["duplicate id", "torn row", "not UTF-8", "escaping path", "null reference", "mistyped key", "empty"],
)
def test_a_bad_manifest_stops_the_run_before_the_model_is_loaded(
    tmp_path: Path, evalkit_here: CommandLine, content: bytes, message: str
) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(content)
    outcome = evalkit_here(*arguments(tmp_path / "manifest.jsonl", "model.path=nowhere.jsonl", model="predictions"))
    line = one_line(outcome)
    assert "manifest.jsonl" in line
    assert re.search(message, line), line
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_data_set_that_is_not_there_says_what_to_do(tmp_path: Path, evalkit_command: CommandLine) -> None:
    line = one_line(evalkit_command("run", "task=aishell", "model=pocketsphinx"))
    assert "task aishell: data/data_aishell: no such file or folder" in line
    assert "data_root=" in line


@pytest.mark.slow
def test_missing_data_can_be_left_out_of_a_suite(tmp_path: Path, evalkit_command: CommandLine) -> None:
    manifest = write_jsonl(tmp_path / "manifest.jsonl", [{"id": "a", "audio": "a.wav", "text": "x y"}])
    answers = write_jsonl(tmp_path / "answers.jsonl", [{"id": "a", "text": "x z"}])
    words = ["run", f"task=[{TASK},aishell]", f"tasks.{TASK}.dataset.path={manifest}", "model=predictions", "name=run"]
    words.append(f"model.path={answers}")
    assert "task aishell" in one_line(evalkit_command(*words))
    assert evalkit_command(*words, "missing_data=skip").returncode == 0
    assert list(json.loads((tmp_path / "runs/run/metrics.json").read_text())["tasks"]) == [TASK]
    assert "aishell" in json.loads((tmp_path / "runs/run/provenance.json").read_text())["left_out"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=pocketsphinks", "task=demo_clean"], "there is no model 'pocketsphinks', did you mean 'pocketsphinx'?"),
        (["task=demo_claen"], "there is no task 'demo_claen', did you mean 'demo_clean'?"),
        (["suite=dmo"], "there is no suite 'dmo', did you mean 'demo'?"),
        (["task=demo_clean", "max_failure=3"], "unknown config key 'max_failure', did you mean 'max_failures'?"),
        (
            ["task=demo_clean", "model=whisper_base", "model.compute_tpe=int8"],
            "unknown config key 'model.compute_tpe', did you mean 'compute_type'?",
        ),
        (["task=demo_clean", "model=predictions"], "model.path"),
        (["task=demo_clean", "model=predictions", "model.path=none.jsonl"], "none.jsonl: no such file of predictions"),
        (["task=demo_clean", "model=pocketsphinx", "+model.speed=3"], "speed"),
        (["task=demo_clean", "schemes=[wisper]"], "did you mean 'whisper'"),
        (["task=demo_clean", "name=a/b"], "must be a plain folder name"),
        (["task=demo_clean", "executor.batch_size=0"], "executor.batch_size is 0"),
        (["task=demo_clean", "limit=0"], "limit"),
        (["task=demo_clean", "statistics.level=95"], "level"),
        (["model=pocketsphinx"], "nothing to run: choose suite=NAME or task=NAME"),
        (["task=demo_clean", "limit=[1"], "limit"),
        (
            ["task=demo_clean,demo_noise"],
            "wants --multirun, a list is written task=[demo_clean,demo_noise]",
        ),
        (["task=demo_clean", "missing_data=ignore"], "must be error, skip or skip_remote"),
    ],
)
def test_a_wrong_setting_is_one_line_with_a_hint(evalkit_here: CommandLine, words: list[str], message: str) -> None:
    if not any(word.startswith(("model=", "suite=dmo", "task=demo_claen")) for word in words):
        words = [*words, "model=echo"]
    assert message in one_line(evalkit_here("run", *words))


@pytest.mark.slow
def test_another_model_does_not_continue_a_run(tmp_path: Path, evalkit_command: CommandLine) -> None:
    manifest = write_jsonl(tmp_path / "manifest.jsonl", [{"id": "a", "audio": "a.wav", "text": "x y"}])
    answers = write_jsonl(tmp_path / "answers.jsonl", [{"id": "a", "text": "x z"}])
    words = arguments(manifest, f"model.path={answers}", model="predictions")
    assert evalkit_command(*words).returncode == 0
    write_jsonl(answers, [{"id": "a", "text": "x y"}])
    line = one_line(evalkit_command(*words))
    assert "runs/run: holds answers of another model" in line
    assert "name=" in line


@pytest.mark.slow
def test_a_missing_library_is_named_with_the_command_that_brings_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pocketsphinx'] = None\n"
    code += "from evalkit.cli.main import main; sys.exit(main(sys.argv[1:]))"
    outcome = subprocess.run(
        [sys.executable, "-c", code, "run", "task=demo_clean", "model=pocketsphinx"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "pip install " in one_line(outcome)


FULL_DISK = """
import resource, sys
from evalkit.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_loses_no_answer(tmp_path: Path, evalkit_command: CommandLine) -> None:
    records = [{"id": str(number), "audio": f"{number}.wav", "text": "x y z"} for number in range(200)]
    manifest = write_jsonl(tmp_path / "manifest.jsonl", records)
    answers = write_jsonl(tmp_path / "answers.jsonl", [{"id": record["id"], "text": "x y"} for record in records])
    words = arguments(manifest, f"model.path={answers}", model="predictions")
    outcome = subprocess.run([sys.executable, "-c", FULL_DISK, *words], cwd=tmp_path, capture_output=True, text=True)
    assert "model.jsonl: cannot be written (File too large); the answers before are kept" in one_line(outcome)
    kept = len(log(tmp_path))
    assert 10 < kept < 200
    assert evalkit_command(*words).returncode == 0
    assert sorted(record["sample"] for record in log(tmp_path)) == sorted(record["id"] for record in records)


def test_an_error_of_ours_gives_its_traceback_on_request(evalkit_command: CommandLine) -> None:
    outcome = evalkit_command("--debug", "run", "task=demo_clean", "model=echo", "name=a/b")
    assert outcome.returncode == 2, "1 would mean that samples failed"
    assert "Traceback" in outcome.stderr
