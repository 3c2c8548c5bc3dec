"""Step-Audio 2 through the command line: a small random checkpoint, from recordings to tables, written and spoken."""

import json
import shutil
from pathlib import Path

import pytest
import soundfile

from tests.conftest import DEMO_SPEECH, CommandLine, write_jsonl
from tests.end_to_end.task_runs import TEXTS, clip
from tests.end_to_end.test_every_task import cvss
from tests.end_to_end.test_paralinguistic import QUESTIONS, questions
from tests.end_to_end.test_uro_bench import subset_of_clips
from tests.evalkit.datasets.test_covost_cvss import tree
from tests.tasks.test_mmau import ITEMS, replica
from tests.tasks.toolcall.replica import write_replica

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
pytestmark = pytest.mark.slow

TEXT_TASKS = {"librispeech_clean", "mmau_test_mini", "covost2_en_zh", "big_bench_audio", "toolcall"}
SPEECH_TASKS = {"cvss_zh_en", "paralinguistic", "uro_repeat", "uro_mtbencheval_en"}
KINDS = ("asr", "mmau", "translation", "spoken_translation", "spoken_question", "paralinguistic", "toolcall")
# Random answers end when they happen to; no table needs them long.
SHORT = [f"model.prompts.{kind}.generation.max_new_tokens=30" for kind in (*KINDS, "conversation")]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from step_audio_2.testing.tiny_checkpoint import write_tiny_checkpoint

    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few samples of some test sets, as these are unpacked."""
    folder = tmp_path_factory.mktemp("data")
    names = list(TEXTS)[:4]
    root = folder / "data"
    chapter = root / "librispeech" / "test-clean" / "1" / "2"
    chapter.mkdir(parents=True)
    for number, name in enumerate(names):
        shutil.copy(clip(name), chapter / f"1-2-{number:04}.flac")
        with (chapter / "1-2.trans.txt").open("a") as transcript:
            transcript.write(f"1-2-{number:04} {TEXTS[name].upper()}\n")
    (root / "mmau" / "test-mini-audios").mkdir(parents=True)
    replica(root / "mmau")
    for number in range(len(ITEMS)):
        shutil.copy(clip(names[number % 4]), root / "mmau" / "test-mini-audios" / f"item-{number}.wav")
    rows = "".join(f"{name}.mp3\t我们从波士顿到内罗毕。\ttest\n" for name in names)
    covost = tree(root / "covost2" / "en", {"covost_v2.en_zh-CN.tsv": f"path\ttranslation\tsplit\n{rows}"})
    (covost / "clips").mkdir()
    for name in names:
        shutil.copy(clip(name), covost / "clips" / f"{name}.mp3")
    (root / "big_bench_audio" / "data").mkdir(parents=True)
    asked = []
    for number, name in enumerate(names):
        shutil.copy(clip(name), root / "big_bench_audio" / "data" / f"question_{number}.mp3")
        file_name = f"data/question_{number}.mp3"
        asked.append({"category": "navigate", "official_answer": "Yes", "file_name": file_name, "id": number})
    write_jsonl(root / "big_bench_audio" / "metadata.jsonl", asked)
    cvss(folder, {name: TEXTS[name] for name in names})
    questions(root / "StepEval-Audio-Paralinguistic", QUESTIONS, DEMO_SPEECH / "audio", language="en")
    write_replica(root / "stepeval_audio_toolcall")
    subset_of_clips(folder, "Repeat")
    dialogues(root / "URO-Bench-data" / "pro" / "MtBenchEval-en", names)
    return root


def dialogues(folder: Path, names: list[str]) -> None:
    """Two conversations of two rounds."""
    (folder / "audio").mkdir(parents=True)
    rows = []
    for number in range(2):
        rounds = []
        for turn in range(2):
            name = names[(number + turn) % 4]
            shutil.copy(clip(name), folder / "audio" / f"{number}-{turn}.flac")
            rounds.append(
                {"source_wav": f"audio/{number}-{turn}.flac", "source_text": TEXTS[name], "target_text": "Yes."}
            )
        rows.append({"id": str(number), "num_round": 2, "dialogue": rounds})
    write_jsonl(folder / "test.jsonl", rows)


def run(command: CommandLine, *words: str) -> None:
    """A run of the smoke suite that ends well."""
    common = ["suite=smoke", "statistics.resamples=100", "name=run", "cache.folder=null", *SHORT]
    # PocketSphinx takes English only.
    common += ["tasks.paralinguistic.language=en", "tasks.paralinguistic.dataset.language=en"]
    done = command("run", *common, *words, timeout=900)
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
        sounds = sorted((folder / name / "speech").glob("*.flac"))
        assert sounds, name
        assert {soundfile.info(sound).samplerate for sound in sounds} == {24_000}
        assert all(soundfile.info(sound).frames % 960 == 0 for sound in sounds)
    # A second round is asked with the tokens of the first.
    calls = [json.loads(line) for line in (folder / "uro_mtbencheval_en" / "model.jsonl").read_text().splitlines()]
    said = [call["response"].get("tokens") for call in calls]
    reminded = [message.get("tokens") for call in calls for message in call["asked"]["messages"]]
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
