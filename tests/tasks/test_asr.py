"""The transcription task: what it asks and how it scores."""

from pathlib import Path
from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.datasets import Manifest
from evalkit.errors import ConfigurationError
from evalkit.metrics.error_rate import error_rate
from evalkit.prompts import Prompts
from evalkit.types import Response, Sample
from tasks.asr import Transcription
from tests.chains import next_call, score_of
from tests.conftest import SHARED_DATA, write_jsonl


def task(tmp_path: Path, language: str = "en", **settings: Any) -> Transcription:
    rows = [{"id": "b", "audio": "b.wav", "text": "x"}, {"id": "a", "audio": "a.wav", "text": "y"}]
    manifest = write_jsonl(tmp_path / "manifest.jsonl", rows)
    return Transcription(
        name="name", title="Title", language=language, dataset=Manifest(manifest, language=language), **settings
    )


def test_one_question_a_recording_and_no_second_one(tmp_path: Path) -> None:
    asr = task(tmp_path, prompts=Prompts({"model": {"asr": {"system": "请记录下你所听到的语音内容。"}}}))
    assert [sample.id for sample in asr.samples()] == ["b", "a"]
    sample = next(iter(asr.samples()))
    call = next_call(asr, sample, ())
    assert call is not None
    assert (call.role, call.request.sample_id, call.request.task) == ("model", "b", "name")
    assert call.request.messages[0].content == ("请记录下你所听到的语音内容。",)
    assert next_call(asr, sample, (Response("x"),)) is None


@pytest.mark.parametrize(
    ("language", "metric"), [("en", "WER"), ("ar", "WER"), ("zh", "CER"), ("yue", "CER"), ("ja", "CER")]
)
def test_words_are_counted_where_words_are_written(tmp_path: Path, language: str, metric: str) -> None:
    assert next(iter(task(tmp_path, language).metrics.values())).name == metric


def test_no_answer_is_scored_as_an_empty_one(tmp_path: Path) -> None:
    asr = task(tmp_path)
    sample = Sample("s", (Audio("s.wav"),), ("three short words",))
    assert score_of(asr, sample, ()).statistics["wer"] == (0, 3, 0, 3)
    assert score_of(asr, sample, (Response(""),)).statistics["wer"] == (0, 3, 0, 3)


def test_each_scheme_keeps_its_own_statistics(tmp_path: Path) -> None:
    asr = task(tmp_path, "zh", schemes=["kimi_audio", "default"])
    assert list(asr.metrics) == ["mer", "cer_default"]
    score = score_of(asr, Sample("s", (Audio("s.wav"),), ("看NBA比赛",)), (Response("看NBC比赛"),))
    assert score.statistics["mer"] == (1, 0, 0, 4)
    assert score.statistics["cer_default"] == (1, 0, 0, 6)


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="schemes is empty"):
        task(tmp_path, schemes=[])
    with pytest.raises(ConfigurationError, match="no normalisation scheme 'kimi_audio' for language 'en'"):
        task(tmp_path, schemes=["kimi_audio"])


def test_real_references_score_as_error_rate_does(shared_data: Path) -> None:
    asr = Transcription(
        name="aishell",
        title="AISHELL",
        language="zh",
        dataset=Manifest(SHARED_DATA / "aishell1" / "manifest.jsonl"),
    )
    samples = list(asr.samples())
    answers = [sample.references[0].replace("一", "1").replace("的", "") for sample in samples]
    totals = [
        sum(column)
        for column in zip(
            *(score_of(asr, s, (Response(a),)).statistics["cer"] for s, a in zip(samples, answers, strict=True)),
            strict=True,
        )
    ]
    expected = error_rate([sample.references[0] for sample in samples], answers, "zh")
    assert totals == expected.statistics.sum(axis=0).tolist()
    assert 0 < expected.value < 0.2
