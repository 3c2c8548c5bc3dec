"""The translation tasks: what they ask, and whose text they score."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from evalkit.audio import Audio
from evalkit.datasets import Manifest
from evalkit.errors import ConfigurationError
from evalkit.metrics.metric import recipe_line
from evalkit.prompts import Prompts
from evalkit.run.composition import compose_configuration
from evalkit.run.plan import tasks_from_config
from evalkit.types import Request, Response, Sample
from tasks.translation import SpeechToSpeechTranslation, SpeechToTextTranslation
from tests.chains import next_call, score_of
from tests.conftest import ROOT

SAMPLE = Sample("s", (Audio("s.mp3"),), ("It has 3 gates.",), "zh")
PROMPTS = Prompts({"transcriber": {"asr": {"language_hint": True}}})


def profile(name: str) -> Prompts:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "configs" / "prompts" / f"{name}.yaml").read_text(encoding="utf-8"))
    return Prompts({"model": loaded})


def task(kind: type[SpeechToTextTranslation], target: str = "en", **settings: Any) -> SpeechToTextTranslation:
    source = "zh" if target == "en" else "en"
    dataset = Manifest("manifest.jsonl")
    return kind(name="name", title="Title", source_language=source, target_language=target, dataset=dataset, **settings)


def speech(folder: Path, amplitude: float) -> Audio:
    path = folder / f"{amplitude}.wav"
    soundfile.write(path, amplitude * np.sin(np.arange(24_000) / 10), 24_000, subtype="FLOAT")
    return Audio(path.name, path)


def first_request(benchmark: SpeechToTextTranslation) -> Request:
    call = next_call(benchmark, SAMPLE, ())
    assert call is not None
    assert (call.role, call.request.task, call.request.sample_id) == ("model", "name", "s")
    return call.request


@pytest.mark.parametrize(
    ("kind", "target", "system", "generation"),
    [
        (SpeechToTextTranslation, "zh", "请仔细聆听这段语音，然后将其内容翻译成中文。", (256, 0.1)),
        (SpeechToTextTranslation, "en", "请仔细聆听这段语音，然后将其内容翻译成英文。", (256, 0.1)),
        (SpeechToSpeechTranslation, "zh", "请仔细聆听这段语音，然后将其内容翻译成中文并用语音播报。", (2048, 0.7)),
        (SpeechToSpeechTranslation, "en", "请仔细聆听这段语音，然后将其内容翻译成英文并用语音播报。", (2048, 0.7)),
    ],
)
def test_step_audio_2_is_asked_as_its_authors_ask_it(
    kind: type[SpeechToTextTranslation], target: str, system: str, generation: tuple[int, float]
) -> None:
    request = first_request(task(kind, target, prompts=profile("step_audio_2")))
    assert [message.content for message in request.messages] == [(system,), SAMPLE.audio]
    length, temperature = generation
    assert request.generation == {"max_new_tokens": length, "temperature": temperature, "do_sample": True}
    assert (request.output, request.language) == (
        "speech" if kind is SpeechToSpeechTranslation else "text",
        None,
    )


def test_chat_models_are_told_the_language_in_english() -> None:
    for kind, words in ((SpeechToTextTranslation, "only output"), (SpeechToSpeechTranslation, "only speak")):
        for target, language in (("zh", "Chinese"), ("en", "English")):
            request = first_request(task(kind, target, prompts=profile("chat")))
            text = request.messages[-1].content[-1]
            assert text == f"Translate the speech into {language} and {words} the translation."


def test_a_text_translation_is_one_question() -> None:
    benchmark = task(SpeechToTextTranslation)
    assert next_call(benchmark, SAMPLE, (Response("It has three gates."),)) is None
    assert recipe_line(benchmark.metrics["bleu"]).startswith(
        "metric:BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|"
    )


def test_each_scheme_is_a_figure_and_the_first_is_explained() -> None:
    benchmark = task(SpeechToTextTranslation, schemes=["lmms", "raw"])
    assert list(benchmark.metrics) == ["bleu", "bleu_raw"]
    score = score_of(benchmark, SAMPLE, (Response("it has three gates"),))
    assert score.details == {"reference_normalised": "it has 3 gates", "hypothesis_normalised": "it has 3 gates"}
    assert list(score.statistics["bleu"]) == [4, 3, 2, 1, 4, 3, 2, 1, 4, 4]
    assert list(score.statistics["bleu_raw"]) == [2, 0, 0, 0, 4, 3, 2, 1, 4, 5]


@pytest.mark.parametrize("responses", [(), (Response(""),)])
def test_no_translation_is_an_empty_one(responses: Sequence[Response]) -> None:
    assert list(score_of(task(SpeechToTextTranslation), SAMPLE, responses).statistics["bleu"]) == [0] * 9 + [5]


def test_speech_goes_bare_to_the_transcriber_with_the_language_that_it_is_in(tmp_path: Path) -> None:
    benchmark = task(SpeechToSpeechTranslation, prompts=PROMPTS)
    spoken = Response("It has three gates.", speech=speech(tmp_path, 0.5))
    call = next_call(benchmark, SAMPLE, (spoken,))
    assert call is not None
    assert (call.role, call.request.language, call.request.output) == ("transcriber", "en", "text")
    assert [message.content for message in call.request.messages] == [(spoken.speech,)]
    assert next_call(benchmark, SAMPLE, (spoken, Response("it has"))) is None
    assert benchmark.roles == ("model", "transcriber")


def test_only_what_was_heard_is_scored(tmp_path: Path) -> None:
    benchmark = task(SpeechToSpeechTranslation)
    spoken = Response("It has 3 gates.", speech=speech(tmp_path, 0.5))
    score = score_of(benchmark, SAMPLE, (spoken, Response("It has three dates!")))
    assert list(score.statistics["asr_bleu"]) == [3, 2, 1, 0, 4, 3, 2, 1, 4, 4]
    assert score.statistics["empty"] == (0, 1)
    assert score.details == {
        "reference_normalised": "it has 3 gates",
        "hypothesis_normalised": "it has 3 dates",
        "transcription": "It has three dates!",
        "speech": "audible",
    }


def test_missing_or_silent_speech_is_an_empty_translation_and_counted(tmp_path: Path) -> None:
    benchmark = task(SpeechToSpeechTranslation)
    mute = Response("It has 3 gates.")
    assert next_call(benchmark, SAMPLE, (mute,)) is None
    quiet = Response("It has 3 gates.", speech=speech(tmp_path, 0.0005))
    unintelligible = Response("It has 3 gates.", speech=speech(tmp_path, 0.5))
    outcomes: dict[str, list[tuple[Response, ...]]] = {
        "missing": [(), (mute,)],
        "silent": [(quiet, Response("It has 3 gates.")), (unintelligible, Response(" "))],
    }
    for state, chains in outcomes.items():
        for responses in chains:
            score = score_of(benchmark, SAMPLE, responses)
            assert list(score.statistics["asr_bleu"]) == [0] * 9 + [4]
            assert score.statistics["empty"] == (1, 1)
            assert score.details["speech"] == state


def test_where_silence_begins_is_an_option_and_in_the_recipe(tmp_path: Path) -> None:
    quiet = (Response(speech=speech(tmp_path, 0.0005)), Response("It has 3 gates."))
    for limit, empty, words in (
        (-60, 1, "below -60 dBFS"),
        (-80.5, 0, "below -80.5 dBFS"),
        (None, 0, "as transcribed"),
    ):
        benchmark = task(SpeechToSpeechTranslation, silence_dbfs=limit)
        assert score_of(benchmark, SAMPLE, quiet).statistics["empty"][0] == empty
        assert benchmark.metrics["asr_bleu"].recipe["silence"] == words


def test_all_that_the_published_figures_leave_open_is_in_the_recipe_and_described() -> None:
    words = ["task=[cvss_zh_en,cvss_en_zh]", "model@transcriber=whisper_tiny_en"]
    into_english, into_chinese = tasks_from_config(compose_configuration(words))
    assert recipe_line(into_english.metrics["asr_bleu"]).endswith(
        "|normaliser:whisper-en.v1|silence:below -60 dBFS|corpus:cvss_c|speech:common_voice|reference:cvss"
    )
    assert "|tok:zh|" in recipe_line(into_chinese.metrics["asr_bleu"])
    described = into_chinese.describe()
    assert {key: described[key] for key in ("corpus", "speech", "reference")} == {
        "corpus": "cvss_c",
        "speech": "cvss",
        "reference": "common_voice",
    }
    changed = [*words, "tasks.cvss_en_zh.reading.corpus=cvss_t", "tasks.cvss_zh_en.schemes=[raw]"]
    into_english, into_chinese = tasks_from_config(compose_configuration(changed))
    assert str(into_chinese.describe()["read from"]).endswith("cvss_t_zh_en_v1.0")
    assert into_chinese.metrics["asr_bleu"].recipe["corpus"] == "cvss_t"
    assert into_english.metrics["asr_bleu"].recipe["normaliser"] == "raw-en.v1"


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="task name: schemes is empty"):
        task(SpeechToTextTranslation, schemes=[])
    with pytest.raises(ConfigurationError, match="task name: prompts have no name for the language 'sw'"):
        task(SpeechToTextTranslation, "sw")
    with pytest.raises(ConfigurationError, match="no BLEU scheme 'default' for language 'en'"):
        task(SpeechToTextTranslation, schemes=["default"])
