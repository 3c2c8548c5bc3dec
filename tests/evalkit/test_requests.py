"""Prompts become requests, and requests have an identity."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.prompts import Prompt, Prompts, fill
from evalkit.types import Message, Request, Response, Sample, ToolCall
from tests.stored_samples import as_stored

AUDIO = Audio("a.flac", Path("/data/a.flac"))


def test_a_prompt_puts_the_audio_where_the_profile_says() -> None:
    prompt = Prompt.from_entry("asr", {"system": "Transcribe.", "user": "Listen: {audio} Write."})
    request = prompt.request((AUDIO,), language="en")
    assert request.messages == (
        Message("system", ("Transcribe.",)),
        Message("user", ("Listen: ", AUDIO, " Write.")),
    )
    assert request.audio == (AUDIO,)
    assert request.language is None


def test_a_model_is_told_the_language_only_if_its_profile_says_so() -> None:
    profile = {"asr": {"language_hint": True}}
    assert Prompts({"model": profile}).of("asr").request((AUDIO,), language="zh").language == "zh"


def test_a_kind_of_question_the_profile_does_not_know_is_the_bare_recording() -> None:
    assert Prompts().of("asr").request((AUDIO,), language="en").messages == (Message("user", (AUDIO,)),)


def test_a_question_may_be_worded_by_language() -> None:
    entry = {
        "system": "You listen.",
        "user": "Write the {language} audio{audio}down.",
        "languages": {"zh": {"user": "{audio}听写。"}, "yue": {"user": "{audio}聽寫。", "system": ""}},
    }
    prompt = Prompt.from_entry("asr", entry)
    worded = {code: prompt.request((AUDIO,), language=code).messages for code in ("ru", "zh-CN", "yue", "eng")}
    assert worded["ru"] == (
        Message("system", ("You listen.",)),
        Message("user", ("Write the Russian audio", AUDIO, "down.")),
    )
    assert worded["eng"][1].content[0] == "Write the English audio"
    assert worded["zh-CN"] == (Message("system", ("You listen.",)), Message("user", (AUDIO, "听写。")))
    assert worded["yue"] == (Message("user", (AUDIO, "聽寫。")),)
    with pytest.raises(ConfigurationError, match="names the {language}, which a sample does not say"):
        prompt.request((AUDIO,), language=None)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"languages": {"xx": {}}}, r"asr\.languages\.xx: no such code"),
        ({"languages": {"zh": {"user": "no mark"}}}, r"asr\.languages\.zh\.user: \{audio\} must stand"),
        ({"languages": {"zh": {"languages": {}}}}, r"asr\.languages\.zh: .* is not a mapping of system"),
        ({"sytem": "x"}, "unknown key 'sytem', did you mean 'system'"),
        ({"user": "no mark"}, "must stand in it exactly once"),
        ({"user": 3}, r"asr\.user: 3 is not a text"),
        ({"generation": None}, r"asr\.generation: None is not a mapping of settings"),
        ({"language_hint": "yes"}, r"asr\.language_hint: 'yes' is not true or false"),
    ],
)
def test_a_bad_profile_is_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Prompt.from_entry("asr", entry)


def test_the_identity_of_a_request_is_its_content_and_nothing_else() -> None:
    request = Request((Message("user", (AUDIO, "文字")),), language="zh", generation={"b": 1, "a": [2]})
    elsewhere = Audio("a.flac", Path("/elsewhere/a.flac"))
    same = Request(
        (Message("user", (elsewhere, "文字")),), "zh", {"a": [2], "b": 1}, task="another", sample_id="another"
    )
    assert same.content_hash() == request.content_hash()
    # Fixed, because answers on disk are found by it.
    assert request.content_hash() == "8594465572b9f2eb31767cb2069bd14b"
    for changed in (
        replace(request, language="en"),
        replace(request, generation={}),
        replace(request, messages=(Message("system", (AUDIO, "文字")),)),
        replace(request, messages=(Message("user", (Audio("b.flac"), "文字")),)),
        replace(request, messages=(Message("user", ("文字", AUDIO)),)),
        replace(request, messages=(Message("user", (AUDIO, "文字"), tokens="[1]"),)),
    ):
        assert changed.content_hash() != request.content_hash()


def test_samples_and_responses_survive_json() -> None:
    clusters = {"speaker": "s", "chapter": "c"}
    sample = Sample("x", (Audio("a.flac", duration=1.5),), ("r",), "en", {"speaker": "s"}, {"k": [1]}, clusters)
    again = as_stored(sample)
    assert again == sample
    assert again.audio[0].duration == 1.5
    for response in (Response("t", None, 0.25), Response("t", None, 0.25, tokens="[1, 2]", first_sound=0.5)):
        assert Response.from_json(response.to_json()) == response


def test_an_answer_goes_into_the_history_with_its_words_its_sound_and_its_tokens() -> None:
    calls = (ToolCall("search", "{}"),)
    response = Response("words", speech=AUDIO, tool_calls=calls, tokens="[1, 2]")
    assert response.message == Message("assistant", ("words", AUDIO), calls, tokens="[1, 2]")
    assert Response().message == Message("assistant", ("",))


def test_each_role_is_asked_by_its_own_profile() -> None:
    prompts = Prompts({"model": {"asr": {"system": "M"}}, "transcriber": {"asr": {"system": "T"}}})
    assert (prompts.of("asr").system, prompts.of("asr", "transcriber").system) == ("M", "T")
    assert prompts.of("asr", "judge", default={"system": "D"}).system == "D"


def test_an_entry_that_is_no_mapping_is_refused() -> None:
    profiles: Any = {"model": {"asr": "Transcribe."}}
    with pytest.raises(ConfigurationError, match=r"model\.prompts\.asr: 'Transcribe\.' is not a mapping"):
        Prompts(profiles).of("asr")


def test_a_kind_of_question_that_nobody_asks_is_refused_with_the_nearest_one() -> None:
    prompts = Prompts({"model": {"asr": {}}, "transcriber": {"arr": {}}})
    with pytest.raises(ConfigurationError, match=r"transcriber\.prompts: .* of the kind 'arr', did you mean 'asr'\?"):
        prompts.check_kinds(["asr", "mmau"])
    prompts.of("arr", "transcriber")
    prompts.check_kinds(["asr"])  # a task of one's own asks it


def test_fields_are_filled_at_one_go_and_other_braces_stay() -> None:
    assert fill("{a} {b} {c} {a.x} {}", {"a": "{b}", "b": "2"}) == "{b} 2 {c} {a.x} {}"


def test_a_sample_is_written_down_alike_before_and_after_it_was_heard(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(800, 0.1), 8_000)
    sample = Sample("s", (Audio("a.wav", tmp_path / "a.wav"),))
    before = sample.to_json()
    sample.audio[0].waveform(8_000)
    assert sample.audio[0].duration == 0.1
    assert sample.to_json() == before
