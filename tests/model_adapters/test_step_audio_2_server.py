"""What Step-Audio 2's server is sent."""

import io
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.errors import AudioError, ConfigurationError, PermanentError
from evalkit.types import Message, Request, ToolCall
from model_adapters.step_audio_2.served import StepAudio2Server
from model_adapters.step_audio_2.server_requests import audio_pieces
from tests.model_adapters.serving import Backend, asking, outcomes
from tests.model_adapters.step_audio_2_exchange import MODEL, WEATHER, demo, exchange, silence
from tests.servers.step_audio_answers import prompt_of
from tests.servers.step_audio_server import StepAudioServer

FLAGS = {"continue_final_message": False, "add_generation_prompt": True, "skip_special_tokens": False}
GREEDY = {"temperature": 0}


def _recording(path: Path, seconds: float, rate: int = 16_000) -> Audio:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * rate))
    soundfile.write(path, noise, rate)
    return Audio(path.name, path)


def test_a_question_in_writing_is_answered_under_a_header() -> None:
    backend = Backend()
    exchange(backend, asking("Wie heißt 你?"))
    messages = [{"role": "human", "content": "Wie heißt 你?"}]
    assert backend.request.fields == {"model": MODEL, "messages": messages, "stream": False, **FLAGS, **GREEDY}
    assert prompt_of(backend.request) == "<|BOT|>human\nWie heißt 你?<|EOT|><|BOT|>assistant\n"


def test_a_question_to_be_answered_in_speech_leaves_the_answer_open() -> None:
    backend = Backend()
    exchange(backend, asking(demo(), output="speech"), synthesizer=silence)
    fields = backend.request.fields
    assert fields["messages"][-1] == {"role": "assistant", "content": "<tts_start>", "eot": False}
    assert (fields["continue_final_message"], fields["add_generation_prompt"]) == (True, False)
    assert prompt_of(backend.request).endswith("<audio_end>\n<|EOT|><|BOT|>assistant\n<tts_start>")


def test_a_streamed_answer_is_asked_for_with_its_usage() -> None:
    backend = Backend()
    exchange(backend, asking(), stream=True)
    assert backend.request.fields["stream"] is True
    assert backend.request.fields["stream_options"] == {"include_usage": True}


# --- recordings


@pytest.mark.parametrize(
    ("seconds", "lengths"), [(0.5, [8_000]), (25, [400_000]), (25.001, [400_000, 16]), (40, [400_000, 240_000])]
)
def test_a_recording_is_cut_into_pieces_of_25_seconds(tmp_path: Path, seconds: float, lengths: list[int]) -> None:
    backend = Backend()
    recording = _recording(tmp_path / "a.wav", seconds)
    exchange(backend, asking(recording, "What is this?"))
    parts = backend.request.messages[0]["content"]
    assert [part["type"] for part in parts] == ["input_audio"] * len(lengths) + ["text"]
    assert [len(sound.samples) for sound in backend.request.sounds] == lengths
    heard = np.concatenate([sound.samples[:, 0] for sound in backend.request.sounds])
    np.testing.assert_array_equal(heard, (recording.waveform(16_000) * np.float32(32_767)).astype(np.int16))


def test_pieces_are_wav_of_16_khz_one_channel_and_16_bits_whatever_the_recording_is(tmp_path: Path) -> None:
    stereo = np.stack([np.ones(44_100), np.ones(44_100) * 0.5], axis=1)
    soundfile.write(tmp_path / "stereo.flac", stereo, 44_100)
    (piece,) = audio_pieces(Audio("stereo.flac", tmp_path / "stereo.flac"))
    with wave.open(io.BytesIO(piece)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.getnframes() == 16_000


def test_samples_are_clipped_and_cut_to_whole_numbers_as_by_the_published_client(tmp_path: Path) -> None:
    samples = np.array([2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -2.0, 0.99996], np.float32)
    soundfile.write(tmp_path / "loud.wav", samples, 16_000, subtype="FLOAT")
    (piece,) = audio_pieces(Audio("loud.wav", tmp_path / "loud.wav"))
    sent = np.frombuffer(piece[44:], "<i2").tolist()
    assert sent == [32_767, 32_767, 16_383, 0, -16_383, -32_767, -32_767, 32_765]


def test_audio_comes_before_the_text_of_its_message_which_is_one_text() -> None:
    backend = Backend()
    exchange(backend, asking("First: ", demo(0), " then: ", demo(1)))
    parts = backend.request.messages[0]["content"]
    assert [part["type"] for part in parts] == ["input_audio", "input_audio", "text"]
    assert parts[2]["text"] == "First:  then: "
    lengths = [len(demo(number).waveform(16_000)) for number in (0, 1)]
    assert [len(sound.samples) for sound in backend.request.sounds] == lengths


def test_a_recording_that_cannot_be_read_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    with StepAudioServer() as server:
        (outcome,) = outcomes(StepAudio2Server(MODEL, server.base_url), asking(Audio("a", tmp_path / "none.wav")))
    assert isinstance(outcome, AudioError)
    assert "none.wav" in str(outcome)
    assert server.journal.hits == []


def test_a_recording_where_the_server_takes_none_is_refused() -> None:
    with StepAudioServer() as server:
        request = Request((Message("system", (demo(),)), Message("user", ("Well?",))))
        (outcome,) = outcomes(StepAudio2Server(MODEL, server.base_url), request)
    assert isinstance(outcome, PermanentError)
    assert str(outcome) == "Step-Audio 2's server takes recordings of a user only, not of a system"
    assert server.journal.hits == []


# --- conversations


def test_roles_are_renamed_and_results_refer_to_their_calls() -> None:
    call = ToolCall("get_weather", '{"city": "Köln"}', "call_7")
    backend = Backend()
    exchange(
        backend,
        Request(
            (
                Message("system", ("Help", ".")),
                Message("user", ("Weather in ", "Köln?")),
                Message("assistant", ("One moment.", demo()), tool_calls=(call, replace(call, id="call_8"))),
                Message("tool", ("sunny", ", 20°"), tool_call_id="call_7"),
                Message("tool", ("the same",), tool_call_id="call_8"),
                Message("assistant", ("It is sunny.",)),
                Message("user", ("Thanks.",)),
            ),
            tools=(WEATHER,),
        ),
    )
    function = {"name": "get_weather", "arguments": '{"city": "Köln"}'}
    calls = [{"id": name, "type": "function", "function": function} for name in ("call_7", "call_8")]
    assert backend.request.messages == [
        {"role": "system", "content": "Help."},
        {"role": "human", "content": "Weather in Köln?"},
        {"role": "assistant", "content": "One moment.", "tool_calls": calls},
        {"role": "input", "content": [{"type": "text", "text": "sunny, 20°"}], "tool_call_id": "call_7"},
        {"role": "input", "content": [{"type": "text", "text": "the same"}], "tool_call_id": "call_8"},
        {"role": "assistant", "content": "It is sunny."},
        {"role": "human", "content": "Thanks."},
    ]
    called = '<tool_call>function\nget_weather\n{"city": "Köln"}</tool_call>'
    assert prompt_of(backend.request).endswith(
        f"<|BOT|>assistant\nOne moment.{called}{called}<|EOT|><|BOT|>input\nsunny, 20°<|EOT|>"
        "<|BOT|>input\nthe same<|EOT|><|BOT|>assistant\nIt is sunny.<|EOT|><|BOT|>human\nThanks.<|EOT|>"
        "<|BOT|>assistant\n"
    )


def test_tools_are_passed_on_and_called_one_after_another() -> None:
    backend = Backend()
    exchange(backend, asking(tools=(WEATHER,)))
    assert backend.request.tools == [WEATHER]
    assert backend.request.fields["parallel_tool_calls"] is False
    assert "<|BOT|>tool_json_schemas\n" in prompt_of(backend.request)


# --- decoding settings


def test_every_setting_arrives_under_the_name_of_the_server() -> None:
    generation = {
        "max_new_tokens": 64,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 20,
        "min_p": 0.05,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "repetition_penalty": 1.05,
        "length_penalty": 1.2,
        "min_tokens": 1,
        "seed": 7,
        "stop": ["\n"],
        "stop_token_ids": [151_643],
        "logit_bias": {"5": -1},
        "logprobs": True,
        "top_logprobs": 2,
        "tool_choice": "none",
    }
    backend = Backend()
    exchange(backend, asking(generation={**generation, "do_sample": True}))
    expected: dict[str, Any] = {**generation, "max_tokens": 64, "stream": False, **FLAGS}
    del expected["max_new_tokens"]
    sent = {name: value for name, value in backend.request.fields.items() if name not in ("model", "messages")}
    assert sent == expected


def test_answers_are_sampled_only_if_told_to() -> None:
    wanted: list[tuple[dict[str, Any], float | None]] = [
        ({}, 0),  # as in the authors' own code; the server itself would sample
        ({"do_sample": False}, 0),
        ({"do_sample": False, "temperature": 0.7}, 0),
        ({"temperature": 0.7}, 0.7),
        ({"do_sample": True, "temperature": 0.7}, 0.7),
        ({"do_sample": True}, None),
    ]
    backend = Backend()
    exchange(backend, *[asking(generation=generation) for generation, _ in wanted])
    temperatures = [request.fields.get("temperature") for request in backend.requests]
    assert temperatures == [temperature for _, temperature in wanted]


def test_beams_are_a_beam_search() -> None:
    backend = Backend()
    exchange(backend, asking(generation={"num_beams": 1}), asking(generation={"num_beams": 3}))
    one, beams = ({**request.fields} for request in backend.requests)
    assert not {"n", "best_of", "use_beam_search"} & set(one)
    wanted = {"temperature": 0, "n": 3, "best_of": 3, "use_beam_search": True}
    assert {name: beams[name] for name in wanted} == wanted


def test_settings_of_the_model_hold_where_the_request_says_nothing_else() -> None:
    backend = Backend()
    exchange(
        backend,
        asking(generation={"temperature": 1.0}),
        asking(),
        generation={"temperature": 0.2, "max_new_tokens": 9},
        extra_body={"top_k": 5},
    )
    names = ("temperature", "max_tokens", "top_k")
    assert [[request.fields[name] for name in names] for request in backend.requests] == [[1.0, 9, 5], [0.2, 9, 5]]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("temprature", "did you mean 'temperature'?"), ("beams", "extra_body="), ("max_tokens", "'max_new_tokens'?")],
)
def test_a_setting_that_the_server_does_not_have_stops_the_run_before_anything_is_sent(name: str, hint: str) -> None:
    with StepAudioServer() as server:
        (outcome,) = outcomes(StepAudio2Server(MODEL, server.base_url), asking(generation={name: 1}))
    assert isinstance(outcome, ConfigurationError)
    assert f"model {MODEL}: '{name}' is no setting of Step-Audio 2's server" in str(outcome)
    assert hint in str(outcome)
    assert server.journal.hits == []


def test_further_replies_and_another_attempt_are_drawn_with_another_seed() -> None:
    backend = Backend()
    three, _ = exchange(backend, asking(replies=3), asking(attempt=2), generation={"seed": 7})
    assert [request.fields["seed"] for request in backend.requests] == [7, 8, 9, 9]
    assert not any("n" in request.fields for request in backend.requests)
    assert three.replies == ("fine", "fine", "fine")
    assert three.usage is not None
    assert three.usage.requests == 3


# --- what the model is


def test_what_the_model_can_do_is_declared() -> None:
    silent = StepAudio2Server(MODEL, "http://127.0.0.1/v1", languages=["zh"])
    assert silent.capabilities.refusal(asking(output="speech"), "zh") == "does not speak"
    assert silent.capabilities.refusal(asking(demo(), tools=(WEATHER,)), "zh") is None
    assert silent.capabilities.refusal(asking(), "fr") == "does not take the language 'fr'"
    speaking = StepAudio2Server(MODEL, "http://127.0.0.1/v1", synthesizer=silence)
    assert speaking.capabilities.refusal(asking(output="speech"), "fr") is None


def test_the_fingerprint_tells_what_decides_answers_and_nothing_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-secret")

    def fingerprint(port: int = 8000, **settings: Any) -> dict[str, Any]:
        return dict(StepAudio2Server(MODEL, f"http://127.0.0.1:{port}/v1", **settings).fingerprint())

    assert fingerprint(api_key_variable="SOME_KEY") == fingerprint()
    assert fingerprint(8001) != fingerprint()
    assert fingerprint(8001, server="127.0.0.1:8000/v1") == fingerprint()
    assert "sk-secret" not in str(fingerprint(api_key_variable="SOME_KEY"))
    others: list[dict[str, Any]] = [
        {"thinking": True},
        {"generation": {"seed": 1}},
        {"extra_body": {"a": 1}},
        {"deployment": "step-2000"},
    ]
    assert all(fingerprint(**settings) != fingerprint() for settings in others)
