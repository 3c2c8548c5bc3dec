"""Whole runs of Step-Audio 2 behind its server: every kind of task that is answered in writing, over HTTP.

The model behind the server knows the demo's recordings by their sound, and what is to be said of each. Every expected
figure follows from what it says.
"""

import base64
import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.conftest import DEMO_SPEECH, CommandLine
from tests.end_to_end.task_runs import Said, Speaker, carried_out, clip, judge, plan_of, proven, served
from tests.servers.backends import Answer, ServedRequest
from tests.servers.faults import Fault, Faults
from tests.servers.openai_server import OpenAIServer
from tests.servers.step_audio_answers import prompt_of
from tests.servers.step_audio_server import StepAudioServer

pytest.importorskip("openai", reason="the openai extra is not installed")

TASKS = ("demo_clean", "demo_mmau", "demo_covost2_en_zh", "demo_toolcall")
KEY = "sk-step-5up3r-53cr3t-k3y"
CALL = '<tool_call>function\nget_weather\n{"location": "york"}</tool_call>'


def column(path: Path, key: str, value: str) -> dict[str, str]:
    """One column of a table of the demo by another."""
    text = path.read_text(encoding="utf-8").splitlines()
    is_jsonl = path.suffix == ".jsonl"
    rows: Any = map(json.loads, text) if is_jsonl else csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row[key]: row[value] for row in rows}


def speaker(texts: Mapping[str, str]) -> Callable[[ServedRequest], Answer]:
    """A model that says these texts to these recordings."""
    return Speaker({DEMO_SPEECH / "audio" / Path(name).name: Said(text) for name, text in texts.items()})


class Model:
    """Transcribes, translates and answers without a mistake; calls for the weather whatever is said."""

    def __init__(self) -> None:
        self._transcribe = speaker(column(DEMO_SPEECH / "manifest.jsonl", "audio", "text"))
        self._translate = speaker(column(DEMO_SPEECH / "covost_v2.en_zh-CN.tsv", "path", "translation"))
        questions = json.loads((DEMO_SPEECH / "mmau.json").read_text(encoding="utf-8"))
        self._answers = {
            f"{item['question']} Please choose the answer from the following options: [{', '.join(item['choices'])}] "
            "Output the final answer in <RESPONSE> </RESPONSE>.": item["answer"]
            for item in questions
        }
        assert len(self._answers) == len(questions), "a question is not known by its words"

    def __call__(self, request: ServedRequest) -> Answer:
        prompt = prompt_of(request)
        if request.tools:
            return Answer((f"Let me see.{CALL}",))
        if "请记录下你所听到的语音内容。" in prompt:
            return self._transcribe(request)
        if "翻译成中文。" in prompt:
            return self._translate(request)
        question = request.messages[1]["content"][-1]["text"]
        return Answer((f"<RESPONSE>{self._answers[question]}</RESPONSE>", "another beam"))


def words(folder: Path, base_url: str, *overrides: str, tasks: tuple[str, ...] = TASKS) -> list[str]:
    """What follows ``evalkit run``."""
    chosen = [f"task=[{','.join(tasks)}]", f"runs={folder}", "name=run", "cache.folder=null", "statistics.resamples=50"]
    chosen += ["model=step_audio_2_mini_server", f"model.base_url={base_url}"]
    if "demo_toolcall" in tasks:
        chosen.append("tasks.demo_toolcall.answer_mode=text")
    return [*chosen, *overrides]


@pytest.fixture
def judge_of_calls() -> Iterator[list[str]]:
    """What fills the role of the judge, which stands behind a server of its own."""
    with OpenAIServer(judge) as server:
        yield served("judge", "judge", server.base_url, "Judge by rule")


def values(tasks: Mapping[str, Any]) -> dict[str, float]:
    """The headline figure of each task."""
    headlines = {"demo_clean": "wer", "demo_mmau": "accuracy", "demo_covost2_en_zh": "bleu"}
    figures = {task: tasks[task]["metrics"][metric]["value"] for task, metric in headlines.items()}
    recall = tasks["demo_toolcall"]["groups"]["tool"]["Weather"]["metrics"]
    return figures | {key: recall[key]["value"] for key in ("trigger_precision", "trigger_recall", "type_accuracy")}


EXPECTED = {
    "demo_clean": 0.0,
    "demo_mmau": 100.0,
    "demo_covost2_en_zh": pytest.approx(100.0),
    "trigger_precision": 50.0,  # the weather was not wanted in half of its conversations
    "trigger_recall": 100.0,
    "type_accuracy": 100.0,
}


@pytest.mark.slow
def test_every_kind_of_task_that_is_answered_in_writing(tmp_path: Path, judge_of_calls: list[str]) -> None:
    with StepAudioServer(Model(), models=["step-audio-2-mini"]) as server:
        run = proven(words(tmp_path, server.base_url, *judge_of_calls), server)
    assert values(run.tasks) == EXPECTED
    records = [json.loads(line) for line in (run.folder / "demo_toolcall/model.jsonl").read_text().splitlines()]
    assert {record["response"]["text"] for record in records} == {"Let me see."}
    column_of_model = ("", "Step-Audio 2 mini (served)", "CoVoST 2 (S2TT)", "English-to-Chinese")
    assert run.cells("covost2_demo") == {column_of_model: "100.00"}


def test_the_thinking_model_is_asked_twice(tmp_path: Path) -> None:
    model = Model()

    def thinking(request: ServedRequest) -> Answer:
        if prompt_of(request).endswith("<think>"):
            return Answer(("Someone speaks.</think>",))
        assert "<think>Someone speaks.</think>\n\n" in prompt_of(request)
        return model(request)

    tasks = ("demo_clean", "demo_mmau")
    with StepAudioServer(thinking) as server:
        override = ["model=step_audio_2_mini_think_server", f"model.base_url={server.base_url}", "limit=4"]
        result = carried_out(plan_of([*words(tmp_path, server.base_url, tasks=tasks), *override]))
    assert server.journal.violations == []
    assert len(server.journal.hits) == 16
    assert [result[task]["metrics"][name]["value"] for task, name in zip(tasks, ("wer", "accuracy"), strict=True)] == [
        0.0,
        100.0,
    ]


@pytest.mark.slow
def test_the_command_line_gets_every_answer_from_a_server_that_fails_and_keeps_the_key(
    tmp_path: Path, evalkit_command: CommandLine, judge_of_calls: list[str]
) -> None:
    rates = dict.fromkeys(
        (
            Fault.TOO_MANY_SECONDS,
            Fault.SERVER_ERROR,
            Fault.BAD_GATEWAY,
            Fault.UNAVAILABLE,
            Fault.RESET_BEFORE,
            Fault.RESET_MIDWAY,
            Fault.TRUNCATED_BODY,
            Fault.MALFORMED_JSON,
            Fault.HTML_PAGE,
            Fault.ENDED_EARLY,
            Fault.ERROR_EVENT,
        ),
        0.03,
    )
    with StepAudioServer(Model(), key=KEY, faults=Faults(3, rates)) as server:
        outcome = evalkit_command(
            "run",
            *words(tmp_path, server.base_url, "model.stream=true", *judge_of_calls),
            "model.api_key_variable=STEP_KEY",
            env={**os.environ, "STEP_KEY": KEY, "OPENAI_LOG": "debug"},
        )
    assert outcome.returncode == 0, outcome.stderr
    assert server.journal.violations == []
    assert set(server.journal.answered().values()) == {1}, "something was asked again after its answer"
    assert len(server.journal.outcomes()) > 4, "too little failed"
    assert values(json.loads((tmp_path / "run" / "metrics.json").read_text())["tasks"]) == EXPECTED
    for secret in (KEY, base64.b64encode(KEY.encode()).decode()):
        assert secret not in outcome.stdout + outcome.stderr
        for file in (path for path in (tmp_path / "run").rglob("*") if path.is_file()):
            assert secret.encode() not in file.read_bytes(), f"the key is in {file}"


@pytest.mark.slow
def test_a_spoken_task_by_a_very_small_synthesizer(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from step_audio_2.testing.tiny_token2wav import write_tiny_token2wav

    folder = write_tiny_token2wav(tmp_path / "token2wav")
    speech = [f"model.token2wav={folder}", f"model.voice={clip('clean-slt-03')}"]
    with StepAudioServer() as server, OpenAIServer() as ear:
        transcriber = served("transcriber", "ear", ear.base_url, "Ear", "openai_transcription")
        spoken_task = [*speech, *transcriber, "limit=2"]
        run = proven(words(tmp_path, server.base_url, *spoken_task, tasks=("demo_cvss_en_zh",)), server)
    records = [json.loads(line) for line in (run.folder / "demo_cvss_en_zh/model.jsonl").read_text().splitlines()]
    assert len(records) == 2
    for record in records:
        codes = json.loads(record["response"]["tokens"])["tts_audio"].count("<audio_")
        sound = soundfile.info(run.folder / "demo_cvss_en_zh" / record["response"]["speech"]["locator"])
        assert (sound.samplerate, sound.frames) == (24_000, 960 * codes)
        assert codes > 0
    assert run.counts("demo_cvss_en_zh") == (2, 0, 0, 0)


def test_a_spoken_task_is_skipped_without_asking_where_nothing_makes_sound(tmp_path: Path) -> None:
    with StepAudioServer(Model()) as server:
        chosen = words(tmp_path, server.base_url, "model@transcriber=echo", "limit=2", tasks=("demo_cvss_en_zh",))
        result = carried_out(plan_of(chosen))["demo_cvss_en_zh"]
    assert result["not_applicable"] == "the model does not speak"
    assert result["samples"]["skipped"] == 2
    assert server.journal.hits == []
