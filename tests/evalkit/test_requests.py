"""Prompts become requests, and requests have an identity."""

from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.prompts import Prompt, Prompts
from evalkit.types import Message, Request, Response, Sample, ToolCall

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


@pytest.mark.parametrize(
    ("entry", "message"),
    [({"sytem": "x"}, "unknown key 'sytem'"), ({"user": "no mark"}, "must stand in it exactly once")],
)
def test_a_bad_profile_is_refused(entry: dict[str, str], message: str) -> None:
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
    sample = Sample("x", (Audio("a.flac", duration=1.5),), ("r",), "en", {"speaker": "s"}, {"k": [1]})
    again = Sample.from_json(sample.to_json())
    assert again == sample
    assert again.audio[0].duration == 1.5
    for response in (Response("t", None, 0.25), Response("t", None, 0.25, tokens="[1, 2]", first_sound=0.5)):
        assert Response.from_json(response.to_json()) == response


def test_an_answer_goes_into_the_history_with_its_words_its_sound_and_its_tokens() -> None:
    calls = (ToolCall("search", "{}"),)
    response = Response("words", speech=AUDIO, tool_calls=calls, tokens="[1, 2]")
    assert response.message == Message("assistant", ("words", AUDIO), calls, tokens="[1, 2]")
    assert Response().message == Message("assistant", ("",))
