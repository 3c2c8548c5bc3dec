"""The transcription task: what it asks and how it scores."""

from pathlib import Path
from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.datasets import Manifest
from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.error_rate import error_rate
from evalkit.prompts import Prompts
from evalkit.text import get_scheme
from evalkit.types import Response, Sample
from tasks.asr import Transcription
from tests.chains import first_call, next_call, score_of
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


def test_rows_decide_their_language(tmp_path: Path) -> None:
    rows = [
        {"id": "own", "audio": "1.wav", "text": "二十", "language": "zh"},
        {"id": "none", "audio": "2.wav", "text": "二十"},
        {"id": "english", "audio": "3.wav", "text": "Twenty colours, Mr. Jones.", "language": "en"},
        {"id": "region", "audio": "4.wav", "text": "二十", "language": "zh-CN"},
    ]
    dataset = Manifest(write_jsonl(tmp_path / "manifest.jsonl", rows))
    prompts = Prompts({"model": {"asr": {"language_hint": True}}})
    asr = Transcription(name="mixed", title="Mixed", language="zh", dataset=dataset, prompts=prompts)
    own, none, english, region = asr.samples()
    assert [first_call(asr, sample).request.language for sample in (own, none, english, region)] == [
        "zh",
        "zh",
        "en",
        "zh",
    ]
    assert score_of(asr, none, (Response("20"),)).statistics["cer"] == (0, 0, 0, 2)
    read = score_of(asr, english, (Response("20 colors mister jones"),))
    assert read.statistics["cer"] == (0, 0, 0, 4), "words, as English is counted"
    assert read.details["reference_normalised"] == "20 colors mister jones"


def test_the_recipe_of_a_mixed_figure_names_every_scheme_and_unit(tmp_path: Path) -> None:
    asr = task(tmp_path, "zh", schemes=["default", "whisper"])
    assert asr.mixed_recipe("cer", {"zh", "zh-CN"}) == {}
    schemes = {"whisper": get_scheme("en"), "default": get_scheme("ja")}
    versions = {
        name: f"{name}-{scheme.language}.v{scheme.version} by {scheme.unit}" for name, scheme in schemes.items()
    }
    assert asr.mixed_recipe("cer", {"zh", "en", "ja"}) == {
        "other_languages": f"{versions['default']}, {versions['whisper']}"
    }
    assert asr.mixed_recipe("cer_whisper", {"en"})["other_languages"].startswith("whisper-en.v")


@pytest.mark.parametrize(
    ("language", "schemes", "complaint"),
    [
        ("xx", ["default"], r"manifest\.jsonl.*: sample b: no normalisation for language 'xx'"),
        ("en", ["default", "kimi_audio"], "sample b: no normalisation scheme 'kimi_audio' for language 'en'"),
    ],
)
def test_a_row_in_a_language_without_a_scheme_is_refused_by_name(
    tmp_path: Path, language: str, schemes: list[str], complaint: str
) -> None:
    rows = [{"id": "b", "audio": "b.wav", "text": "x", "language": language}]
    dataset = Manifest(write_jsonl(tmp_path / "manifest.jsonl", rows))
    asr = Transcription(name="mixed", title="Mixed", language="zh", dataset=dataset, schemes=schemes)
    with pytest.raises(DataError, match=complaint):
        list(asr.samples())
