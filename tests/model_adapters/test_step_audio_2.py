"""The adapter of the model in this repository, on a small random checkpoint."""

import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.errors import AudioError, ConfigurationError
from evalkit.types import Message, Request, ToolCall
from model_adapters.step_audio_2.local import StepAudio2
from model_adapters.step_audio_2.questions import question_of
from tests.model_adapters.conftest import noise

pytest.importorskip("torch", reason="torch is not installed")

from tests.step_audio_2.int8 import skip_without_int8
from tests.step_audio_2.live.steering import Script, called, ended

SHORT = {"max_new_tokens": 12}
TOOLS = ({"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}},)


@pytest.fixture(scope="module")
def model(tiny_step_audio_2: Path) -> Iterator[StepAudio2]:
    adapter = StepAudio2(str(tiny_step_audio_2), device="cpu", batch_size=4)
    yield adapter
    adapter.close()


def hearing(path: Path, text: str = "", **settings: object) -> Request:
    parts: tuple[str | Audio, ...] = (Audio(path.name, path), *([text] if text else []))
    return Request((Message("system", ("Listen.",)), Message("user", parts)), generation={**SHORT, **settings})


def test_requests_of_different_settings_are_answered_each_by_its_own(model: StepAudio2, tmp_path: Path) -> None:
    paths = [noise(tmp_path / f"{seed}.wav", 0.8 + 0.7 * seed, seed=seed) for seed in range(3)]
    requests = [
        hearing(paths[0]),
        hearing(paths[1], "And now?", do_sample=True, temperature=0.7),
        hearing(paths[2], num_beams=2, do_sample=False),
        hearing(paths[1]),
        hearing(paths[2], "And now?", do_sample=True, temperature=0.7),
        Request((Message("user", ("No sound at all.",)),), generation={"max_new_tokens": 3}),
    ]
    together = model.generate(requests)
    assert together == [model.generate([request])[0] for request in requests]
    assert len({response.text for response in together}) > 4
    assert together[5].usage is not None
    assert together[5].usage.output_tokens <= 3
    assert together[0].usage is not None
    assert together[0].usage.input_audio_tokens > 0
    assert {response.finish_reason for response in together} <= {"stop", "length"}


def test_replies_are_sampled_apart_and_attempts_anew(model: StepAudio2, tmp_path: Path) -> None:
    path = noise(tmp_path / "a.wav", 1.0)
    messages = (Message("user", (Audio("a", path),)),)
    settings = {**SHORT, "do_sample": True, "temperature": 1.0}
    (response,) = model.generate([Request(messages, generation=settings, replies=3)])
    assert len(set(response.replies)) == 3
    assert response.replies[0] == response.text
    first, again = (
        model.generate([Request(messages, generation=settings, attempt=attempt)])[0].text for attempt in (0, 1)
    )
    assert first != again
    assert model.generate([Request(messages, generation=settings)])[0].text == first


def test_another_seed_draws_other_answers(model: StepAudio2, tiny_step_audio_2: Path, tmp_path: Path) -> None:
    request = hearing(noise(tmp_path / "a.wav", 1.0), do_sample=True, temperature=1.0)
    other = StepAudio2(str(tiny_step_audio_2), device="cpu", seed=1)
    assert other.generate([request]) != model.generate([request])
    assert other.fingerprint() != model.fingerprint()
    greedy = hearing(noise(tmp_path / "a.wav", 1.0))
    assert other.generate([greedy]) == model.generate([greedy])


def test_a_conversation_is_put_into_the_models_own_roles() -> None:
    request = Request(
        (
            Message("system", ("Be kind.",)),
            Message("user", ("Hello.",)),
            Message("assistant", ("Hi.",), tool_calls=(ToolCall("search", '{"query": "天气"}', "1"),)),
            Message("tool", ("Rain.",), tool_call_id="1"),
            Message("assistant", ("Spoken.", Audio("speech/1.flac")), tokens="[151696, 5]"),
            Message("user", ("Bye.",)),
        ),
        tools=TOOLS,
        output="speech",
    )
    question = question_of(request, 0)
    assert [message.role for message in question.messages] == [
        "system",
        "tool_json_schemas",
        "human",
        "assistant",
        "input",
        "assistant",
        "human",
    ]
    assert json.loads(str(question.messages[1].content)) == list(TOOLS)
    assert question.messages[3].content == 'Hi.<tool_call>function\nsearch\n{"query": "天气"}</tool_call>'
    assert "Rain." in (question.messages[4].content or ())
    opening, tokens = question.messages[5].content or ()
    assert opening == "<tts_start>"
    assert tokens.ids == [151696, 5]  # type: ignore[union-attr]
    assert question.spoken
    assert question.tool_names == ["search"]


def test_tools_come_first_where_there_is_no_system_message() -> None:
    question = question_of(Request((Message("user", ("Hello.",)),), tools=TOOLS), 0)
    assert [message.role for message in question.messages] == ["tool_json_schemas", "human"]


def test_sound_in_a_turn_of_the_assistant_that_is_not_its_own_is_left_out() -> None:
    request = Request((Message("assistant", ("Words.", Audio("speech/1.flac"))), Message("user", ("Go on.",))))
    assert question_of(request, 0).messages[0].content == "Words."


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from model_adapters.step_audio_2.local import StepAudio2\n"
        "StepAudio2('anything')"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert "ConfigurationError: this model needs torch and transformers: pip install -e '" in (outcome.stderr)


def test_what_cannot_be_loaded_is_a_configuration_error(tiny_step_audio_2: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^\S+absent: no such folder, nor a name"):
        StepAudio2(str(tmp_path / "absent"))
    folder = shutil.copytree(tiny_step_audio_2, tmp_path / "checkpoint")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json: cannot be read"):
        StepAudio2(str(folder))
    shutil.copy(tiny_step_audio_2 / "tokenizer.json", folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ConfigurationError, match=r"model\.safetensors: is cut short, .* tensor .* is incomplete"):
        StepAudio2(str(folder))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "chatt"}, "kind: 'chatt' must be chat, base or think"),
        ({"batching": "dynamic"}, "batching: 'dynamic' must be continuous or static"),
        ({"dtype": "float33"}, "dtype: 'float33' must be float32, float16 or bfloat16"),
        ({"speech_dtype": "int4"}, "speech_dtype: 'int4' must be float32, float16, bfloat16 or int8"),
        ({"speech_steps": 0}, "speech_steps: 0 must be 1 or more"),
        ({"device": "mps"}, "device: 'mps' is not there: PyTorch sees no Apple GPU"),
        ({"device": "cuda"}, "device: 'cuda' is not there: PyTorch sees no GPU"),
        ({"voice": "nowhere.wav"}, "voice: nowhere.wav: the prompt cannot be read"),
        ({"token2wav": "nowhere"}, "token2wav: nowhere: no such folder"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(
    tiny_step_audio_2: Path, settings: dict[str, Any], message: str
) -> None:
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if there.get(settings.get("device", "")):
        pytest.skip("there is such a device")
    with pytest.raises(ConfigurationError, match=message):
        StepAudio2(str(tiny_step_audio_2), **{"device": "cpu", **settings})


@pytest.mark.slow
def test_a_voice_or_a_synthesizer_alone_is_not_enough(tiny_step_audio_2: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_step_audio_2, tmp_path / "checkpoint")
    voice = folder / "assets" / "default_female.wav"
    elsewhere = shutil.copytree(folder / "token2wav", tmp_path / "token2wav")
    shutil.rmtree(folder / "token2wav")
    assert not StepAudio2(str(folder), device="cpu").capabilities.speech_output
    with pytest.raises(ConfigurationError, match="no folder token2wav to speak with: name one with token2wav="):
        StepAudio2(str(folder), device="cpu", voice=str(voice))
    assert StepAudio2(str(folder), device="cpu", token2wav=str(elsewhere)).capabilities.speech_output
    voice.rename(tmp_path / "voice.wav")
    with pytest.raises(ConfigurationError, match="to speak like: name a recording with voice="):
        StepAudio2(str(folder), device="cpu", token2wav=str(elsewhere))


@pytest.mark.slow
def test_a_voice_that_is_missing_is_told_loudly_and_looked_for_where_the_original_has_it(
    tiny_step_audio_2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(tiny_step_audio_2, tmp_path / "repository" / "checkpoint")
    (folder / "assets").rename(tmp_path / "assets")
    monkeypatch.chdir(folder)
    with pytest.warns(UserWarning, match=r"will write and not speak: .* assets/default_female\.wav .* with voice="):
        silent = StepAudio2(str(folder), device="cpu")
    assert not silent.capabilities.speech_output
    monkeypatch.chdir(tmp_path)  # as the original's examples are started from their repository
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert StepAudio2(str(folder), device="cpu").capabilities.speech_output
    monkeypatch.chdir(folder)
    (tmp_path / "assets").rename(folder.parent / "assets")  # as its README has the weights downloaded into it
    assert StepAudio2(str(folder), device="cpu").capabilities.speech_output


@pytest.mark.parametrize("setting", [{"speech_dtype": "bfloat16"}, {"speech_dtype": "int8"}, {"speech_steps": 5}])
def test_speech_made_faster_is_told_apart(tiny_step_audio_2: Path, model: StepAudio2, setting: dict[str, Any]) -> None:
    if "int8" in setting.values():
        skip_without_int8()
    lower = StepAudio2(str(tiny_step_audio_2), device="cpu", **setting)
    assert lower.fingerprint() == {**model.fingerprint(), **setting}
    request = Request((Message("user", ("what time is it",)),), generation={"max_new_tokens": 40}, output="speech")
    one, other = model.generate([request])[0], lower.generate([request])[0]
    assert one.tokens == other.tokens
    assert one.speech is not None
    assert other.speech is not None
    difference = abs(one.speech.waveform(24_000) - other.speech.waveform(24_000)).max()
    assert 0 < difference < 0.5


def test_speech_is_made_of_a_batch_as_of_each_alone(model: StepAudio2) -> None:
    texts = ("say something", "and something else", "what time is it")
    requests = [Request((Message("user", (text,)),), generation=SHORT, output="speech") for text in texts]
    for together, request in zip(model.generate(requests), requests, strict=True):
        (alone,) = model.generate([request])
        assert (together.text, together.tokens) == (alone.text, alone.tokens)
        assert (together.speech is None) == (alone.speech is None)
        if together.speech is not None and alone.speech is not None:
            one, other = (response.waveform(24_000) for response in (together.speech, alone.speech))
            assert len(one) == len(other) == 960 * sum(151696 <= token < 158257 for token in json.loads(alone.tokens))
            # Sound is stored in 16 bits.
            assert abs(one - other).max() < 1e-4 + 1 / 32_768


def test_only_what_was_spoken_is_remembered_by_its_tokens(model: StepAudio2) -> None:
    """The random model writes codes among its words; in an answer in writing they are no speech."""
    texts = ("say something", "and something else", "what time is it")
    for output in ("text", "speech"):
        requests = [Request((Message("user", (text,)),), generation=SHORT, output=output) for text in texts]
        responses = model.generate(requests)
        assert any(response.usage.output_audio_tokens for response in responses if response.usage)
        assert any(response.tokens for response in responses) == (output == "speech")


def test_a_call_in_speech_is_remembered_by_its_tokens(model: StepAudio2, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the published example has it: ``<tts_start>``, and what was generated, even if that is the call alone."""
    assistant = model._assistant
    call = called(assistant.tokenizer, "search", '{"query": "a"}')
    settings = Script(ended(call)).settings
    monkeypatch.setattr(assistant, "answer", partial(assistant.answer, logits_processor=settings["logits_processor"]))
    request = Request((Message("user", ("find it",)),), tools=TOOLS, output="speech", generation={"max_new_tokens": 99})
    (response,) = model.generate([request])
    assert (response.text, response.speech, len(response.tool_calls)) == ("", None, 1)
    assert json.loads(response.tokens) == call
    opening, tokens = question_of(Request((*request.messages, response.message)), 0).messages[-1].content or ()
    assert (opening, tokens.ids) == ("<tts_start>", call)  # type: ignore[union-attr]


def test_a_recording_that_cannot_be_read_is_named(model: StepAudio2, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.flac"
    damaged.write_bytes(b"fLaC" + bytes(100))
    with pytest.raises(AudioError, match=r"damaged\.flac"):
        model.generate([hearing(damaged)])


def test_the_base_model_is_offered_no_tools(tiny_step_audio_2: Path) -> None:
    base = StepAudio2(str(tiny_step_audio_2), kind="base", device="cpu")
    assert base.capabilities.refusal(Request((), tools=TOOLS), None) == "does not call tools"
    assert base.fingerprint()["kind"] == "base"
