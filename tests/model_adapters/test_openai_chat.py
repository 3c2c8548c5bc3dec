"""Chat completions, put to a server that checks every field and answers in the documented form."""

import asyncio
import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.errors import AudioError, ConfigurationError
from evalkit.types import Message, Request, Response, ToolCall, Usage
from model_adapters.openai.models import ChatModel
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask, ask_raw, asking, http, outcomes
from tests.servers.backends import Answer, Called, ServedRequest, Tokens, digest_answer
from tests.servers.faults import Fault, scripted_faults
from tests.servers.openai_server import OpenAIServer
from tests.servers.sound import tone

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def _demo(number: int = 0) -> Audio:
    path = sorted((DEMO_SPEECH / "audio").iterdir())[number]
    return Audio(path.name, path)


def _exchange(backend: Backend, *requests: Request, vllm: bool = False, **settings: Any) -> list[Response]:
    """The responses of a server that takes nothing but what is documented."""
    with OpenAIServer(backend, vllm=vllm) as server:
        responses = ask(ChatModel("m", server.base_url, **settings), *requests)
    assert server.journal.violations == []
    return responses


# --- what is sent


def test_a_bare_question_is_a_model_and_a_message() -> None:
    backend = Backend()
    _exchange(backend, asking("Wie heißt 你?"))
    assert backend.request.fields == {"model": "m", "messages": [{"role": "user", "content": "Wie heißt 你?"}]}
    assert backend.request.headers["content-type"] == "application/json"


@both_ways
def test_every_setting_arrives_under_the_name_of_the_protocol(stream: bool) -> None:
    generation = {
        "max_new_tokens": 64,
        "temperature": 0.7,
        "top_p": 0.9,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "logit_bias": {"50256": -100},
        "logprobs": True,
        "top_logprobs": 2,
        "seed": 7,
        "stop": ["\n"],
        "reasoning_effort": "low",
        "response_format": {"type": "text"},
        "tool_choice": "auto",
        "parallel_tool_calls": False,
    }
    backend = Backend()
    _exchange(backend, asking(generation=generation, tools=(WEATHER,)), stream=stream)
    expected: dict[str, Any] = {**generation, "model": "m", "tools": [WEATHER], "max_tokens": 64}
    del expected["max_new_tokens"]
    if stream:
        expected |= {"stream": True, "stream_options": {"include_usage": True}}
    fields = dict(backend.request.fields)
    assert fields.pop("messages") == [{"role": "user", "content": "What is this?"}]
    assert fields == expected


def test_settings_of_the_model_hold_where_the_request_says_nothing_else() -> None:
    backend = Backend()
    _exchange(
        backend,
        asking(generation={"temperature": 1.0, "top_k": 5}),
        asking(),
        vllm=True,
        generation={"temperature": 0.2, "max_new_tokens": 9},
        extensions=("top_k",),
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
        max_tokens_name="max_completion_tokens",
    )
    own = {"max_completion_tokens": 9, "chat_template_kwargs": {"enable_thinking": False}}
    first, second = ({**request.fields} for request in backend.requests)
    assert {name: first[name] for name in first if name not in ("model", "messages")} == {
        **own,
        "temperature": 1.0,
        "top_k": 5,
    }
    assert {name: second[name] for name in second if name not in ("model", "messages")} == {**own, "temperature": 0.2}


def test_greedy_decoding_is_a_temperature_of_zero_and_sampling_is_the_servers_own() -> None:
    backend = Backend()
    _exchange(
        backend,
        asking(generation={"do_sample": False, "temperature": 0.7}),
        asking(generation={"do_sample": True, "temperature": 0.7}),
        asking(generation={"do_sample": True}),
    )
    assert [request.fields.get("temperature") for request in backend.requests] == [0, 0.7, None]
    assert not any("do_sample" in request.fields for request in backend.requests)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("temprature", "did you mean 'temperature'?"), ("top_k", "extensions="), ("max_new_token", "'max_new_tokens'?")],
)
def test_a_setting_that_the_protocol_does_not_have_stops_the_run_before_anything_is_sent(name: str, hint: str) -> None:
    with OpenAIServer(Backend()) as server:
        (outcome,) = outcomes(ChatModel("m", server.base_url), asking(generation={name: 1}))
    assert isinstance(outcome, ConfigurationError)
    assert f"model m: '{name}' is no setting of chat completions" in str(outcome)
    assert hint in str(outcome)
    assert server.journal.hits == []


def test_recordings_arrive_in_their_places_with_the_samples_that_evalkit_decodes(tmp_path: Path) -> None:
    stereo = np.stack([np.sin(np.arange(22_050) / 20), np.sin(np.arange(22_050) / 31)], axis=1) * 0.4
    soundfile.write(tmp_path / "stereo.wav", stereo, 44_100)
    soundfile.write(tmp_path / "a.mp3", stereo, 44_100)
    soundfile.write(tmp_path / "a.flac", stereo[:16_000, 0], 16_000)
    soundfile.write(tmp_path / "plain.wav", stereo[:16_000, 0], 16_000)
    audio = [Audio(name, tmp_path / name) for name in ("stereo.wav", "a.mp3", "a.flac", "plain.wav")]
    backend = Backend()
    _exchange(
        backend,
        Request(
            (
                Message("system", ("Listen.",)),
                Message("user", ("First: ", audio[0], " then: ", audio[1])),
                Message("assistant", ("Yes.",)),
                Message("user", (audio[2], audio[3])),
            )
        ),
    )
    system, first, assistant, second = backend.request.messages
    assert system == {"role": "system", "content": "Listen."}
    assert assistant == {"role": "assistant", "content": "Yes."}
    assert [part["type"] for part in first["content"]] == ["text", "input_audio", "text", "input_audio"]
    assert [part["text"] for part in first["content"] if part["type"] == "text"] == ["First: ", " then: "]
    assert [part["type"] for part in second["content"]] == ["input_audio", "input_audio"]
    for sound, recording in zip(backend.request.sounds, audio, strict=True):
        heard = recording.waveform(16_000)
        assert (sound.format, sound.sample_rate) == ("wav", 16_000)
        assert sound.samples.shape == (len(heard), 1)
        assert np.abs(sound.samples[:, 0] / 32_768 - heard).max() <= 1 / 65_536 + 1e-7
    assert backend.request.sounds[3].data == (tmp_path / "plain.wav").read_bytes()


def test_recordings_are_sent_at_the_rate_that_the_model_wants() -> None:
    backend = Backend()
    _exchange(backend, asking(_demo()), sample_rate=24_000)
    (sound,) = backend.request.sounds
    assert sound.sample_rate == 24_000
    assert len(sound.samples) == len(_demo().waveform(24_000))


def test_a_recording_that_cannot_be_read_is_not_sent(tmp_path: Path) -> None:
    with OpenAIServer(Backend()) as server:
        (outcome,) = outcomes(ChatModel("m", server.base_url), asking(Audio("x.wav", tmp_path / "x.wav")))
    assert isinstance(outcome, AudioError)
    assert server.journal.hits == []


def test_a_conversation_with_tools_and_speech_keeps_its_order_and_its_words() -> None:
    call = ToolCall("get_weather", '{"city": "Ulm"}', "call_7")
    backend = Backend()
    _exchange(
        backend,
        Request(
            (
                Message("user", ("Weather in Ulm?",)),
                Message("assistant", ("", _demo()), tool_calls=(call, replace(call, id="call_8"))),
                Message("tool", ("sunny", ", 20°"), tool_call_id="call_7"),
                Message("tool", ("",), tool_call_id="call_8"),
                Message("assistant", ("It is sunny.", _demo())),
                Message("user", ("Thanks.",)),
            ),
            tools=(WEATHER,),
        ),
    )
    function = {"name": "get_weather", "arguments": '{"city": "Ulm"}'}
    assert backend.request.messages[1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call_7", "type": "function", "function": function},
                {"id": "call_8", "type": "function", "function": function},
            ],
        },
        {"role": "tool", "content": "sunny, 20°", "tool_call_id": "call_7"},
        {"role": "tool", "content": "", "tool_call_id": "call_8"},
        {"role": "assistant", "content": "It is sunny."},
        {"role": "user", "content": "Thanks."},
    ]
    assert backend.request.tools == [WEATHER]


# --- what comes back, alike whole and streamed


@both_ways
def test_a_text_answer_with_its_usage_and_finish_reason(stream: bool) -> None:
    answer = Answer(("  Ça va,\n是的。 ",), finish_reason="length", tokens=Tokens(100, 60, 20, 5))
    (response,) = _exchange(Backend(answer), asking(), stream=stream)
    assert response == Response(
        text="  Ça va,\n是的。 ",
        finish_reason="length",
        usage=Usage(1, input_tokens=100, output_tokens=20, input_audio_tokens=60, output_audio_tokens=5),
    )


@both_ways
def test_an_empty_answer_is_an_answer(stream: bool) -> None:
    (response,) = _exchange(Backend(Answer(("",))), asking(), stream=stream)
    assert (response.text, response.error, response.finish_reason) == ("", None, "stop")


@both_ways
def test_tool_calls_come_whole_with_their_ids(stream: bool) -> None:
    calls = (Called("get_weather", '{"city": "Ulm", "days": [1, 2, 3]}'), Called("stop", "not even JSON"))
    (response,) = _exchange(Backend(Answer(("",), tool_calls=calls)), asking(tools=(WEATHER,)), stream=stream)
    assert response.tool_calls == (
        ToolCall("get_weather", '{"city": "Ulm", "days": [1, 2, 3]}', "call_0_0"),
        ToolCall("stop", "not even JSON", "call_0_1"),
    )
    assert (response.text, response.finish_reason) == ("", "tool_calls")


@both_ways
def test_log_probabilities_are_kept_as_given(stream: bool) -> None:
    generation = {"logprobs": True, "top_logprobs": 2}
    (response,) = _exchange(Backend("one two three"), asking(generation=generation), stream=stream)
    assert [entry["token"] for entry in response.logprobs] == ["one", " two", " three"]
    assert all(len(entry["top_logprobs"]) == 2 and entry["logprob"] < 0 for entry in response.logprobs)
    (response,) = _exchange(Backend("one two three"), asking(), stream=stream)
    assert response.logprobs == ()


@both_ways
def test_a_spoken_answer_is_heard_whole(stream: bool) -> None:
    speech = tone(1.03)
    backend = Backend(Answer(("Good morning.",), speech=speech))
    (response,) = _exchange(backend, asking(_demo(), output="speech"), stream=stream, speech_output=True, voice="verse")
    assert backend.request.fields["modalities"] == ["text", "audio"]
    assert backend.request.fields["audio"] == {"voice": "verse", "format": "pcm16" if stream else "wav"}
    assert response.text == "Good morning."
    assert response.speech is not None
    expected = np.frombuffer(speech, "<i2") / 32_768
    np.testing.assert_allclose(response.speech.waveform(24_000), expected, atol=1e-6)
    assert response.speech.duration == pytest.approx(1.03)
    assert response.usage is not None
    assert response.usage.output_audio_tokens > 0


@both_ways
def test_a_model_that_was_to_speak_and_only_wrote_has_no_speech(stream: bool) -> None:
    (response,) = _exchange(Backend("In writing."), asking(output="speech"), stream=stream, speech_output=True)
    assert (response.text, response.speech, response.error) == ("In writing.", None, None)


@both_ways
def test_several_replies_come_in_order(stream: bool) -> None:
    backend = Backend(lambda request: Answer(tuple(f"reply {n} of it" for n in range(request.replies))))
    (response, single) = _exchange(backend, asking(replies=5), asking(), stream=stream)
    assert backend.requests[0].fields["n"] == 5
    assert "n" not in backend.requests[1].fields
    assert response.replies == tuple(f"reply {n} of it" for n in range(5))
    assert response.text == "reply 0 of it"
    assert single.replies == ()


@both_ways
def test_a_server_that_gives_fewer_replies_is_asked_for_the_rest(stream: bool) -> None:
    counted = iter(range(100))
    backend = Backend(lambda request: Answer(tuple(f"reply {next(counted)}" for _ in range(request.replies))))
    with OpenAIServer(backend, faults=scripted_faults([Fault.FEWER_CHOICES])) as server:
        (response,) = ask(ChatModel("m", server.base_url, stream=stream), asking(replies=4))
    assert [request.replies for request in backend.requests] == [4, 1]
    assert response.replies == ("reply 0", "reply 1", "reply 2", "reply 4")
    assert response.usage is not None
    assert response.usage.requests == 2
    assert server.journal.violations == []


def test_a_server_that_knows_no_n_is_asked_again_and_again() -> None:
    document = {"choices": [{"index": 0, "message": {"content": "one"}, "finish_reason": "stop"}]}
    response, server = ask_raw(http(document), lambda url: ChatModel("m", url), asking(replies=3))
    assert isinstance(response, Response)
    assert response.replies == ("one", "one", "one")
    assert response.usage == Usage(requests=3)
    assert len(server.heads) == 3


def test_the_rest_of_the_replies_and_another_attempt_are_drawn_with_another_seed() -> None:
    backend = Backend(
        lambda request: Answer(tuple(f"draw {request.fields['seed'] + n}" for n in range(request.replies)))
    )
    with OpenAIServer(backend, faults=scripted_faults([Fault.FEWER_CHOICES])) as server:
        model = ChatModel("m", server.base_url, generation={"seed": 7})
        three, again = ask(model, asking(replies=3), asking(attempt=2))
    assert three.replies == ("draw 7", "draw 8", "draw 9")
    assert again.text == "draw 9"


def test_more_choices_than_wanted_are_left_out() -> None:
    choice = {"index": 0, "message": {"content": "one"}, "finish_reason": "stop"}
    response, _ = ask_raw(http({"choices": [choice] * 5}), lambda url: ChatModel("m", url))
    assert isinstance(response, Response)
    assert (response.text, response.replies) == ("one", ())


def test_streamed_and_whole_answers_are_equal() -> None:
    def answer(request: ServedRequest) -> Answer:
        texts = tuple(digest_answer(request.texts, request.sounds, choice) for choice in range(request.replies))
        return Answer(texts, tool_calls=(Called("get_weather", '{"city": "Ulm"}'),) if request.tools else ())

    requests = [
        asking(),
        asking("Listen: ", _demo(), replies=3),
        asking(tools=(WEATHER,)),
        asking(generation={"logprobs": True, "top_logprobs": 1}, replies=2),
    ]
    whole = _exchange(Backend(answer), *requests)
    streamed = _exchange(Backend(answer), *requests, stream=True)
    assert streamed == whole
    assert len({response.text for response in whole}) > 1


@pytest.mark.slow
@both_ways
def test_an_interrupt_leaves_nothing_behind(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def main(server: OpenAIServer) -> None:
        model = ChatModel("m", server.base_url, stream=stream)
        asked = [asyncio.create_task(model.answer(asking(f"{number}", _demo()))) for number in range(12)]
        async with asyncio.timeout(60):
            while server.journal.in_flight < 8:
                await asyncio.sleep(0.01)
        for task in asked[:-2]:
            task.cancel()
        results = await asyncio.gather(*asked[:-2], return_exceptions=True)
        assert {type(result) for result in results} == {asyncio.CancelledError}
        assert {(await task).text for task in asked[-2:]} == {"fine"}
        await model.close()

    with OpenAIServer(Backend(), latency=0.5) as server:
        asyncio.run(main(server))
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_what_the_model_can_do_is_declared() -> None:
    model = ChatModel("m", "http://127.0.0.1/v1", audio_input=False, speech_output=True, tools=False, languages=["en"])
    assert model.capabilities.refusal(asking(_demo()), "en") == "does not take audio"
    assert model.capabilities.refusal(asking(tools=(WEATHER,)), "en") == "does not call tools"
    assert model.capabilities.refusal(asking(output="speech"), "en") is None
    assert model.capabilities.refusal(asking(), "fr") == "does not take the language 'fr'"
