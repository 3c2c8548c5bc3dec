"""What comes back from Step-Audio 2's server, alike whole and streamed."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from evalkit.audio import Waveform
from evalkit.errors import TransientError
from evalkit.types import Message, Request, Response, ToolCall, Usage
from model_adapters.step_audio_2.served import StepAudio2Server
from model_adapters.step_audio_2.server_answers import read_answer
from tests.model_adapters.serving import Backend, ask_raw, asking, http
from tests.model_adapters.step_audio_2_exchange import MODEL, WEATHER, demo, exchange, silence
from tests.servers.backends import Answer, ServedRequest, Tokens
from tests.servers.step_audio_answers import Parsers, prompt_of, spoken, step_audio_backend

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
SPEECH = {"output": "speech"}
CALL = '<tool_call>function\nget_weather\n{"city":"Köln"}</tool_call>'


def speaks(request: ServedRequest) -> bool:
    return prompt_of(request).endswith("<tts_start>")


class Codes:
    """A synthesizer that keeps the codes that it was given."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, ...]] = []

    def __call__(self, codes: Sequence[int]) -> Waveform:
        self.heard.append(tuple(codes))
        return silence(codes)


@both_ways
def test_a_written_answer_with_its_usage_and_finish_reason(stream: bool) -> None:
    answer = Answer(("  Ça va,\n是的。 ",), finish_reason="length", tokens=Tokens(100, 0, 20, 0))
    (response,) = exchange(Backend(answer), asking(), stream=stream)
    usage = Usage(1, input_tokens=100, output_tokens=20)
    assert response == Response(text="  Ça va,\n是的。 ", finish_reason="length", usage=usage)


@both_ways
def test_an_empty_answer_is_an_answer(stream: bool) -> None:
    (response,) = exchange(Backend(""), asking(), stream=stream)
    assert (response.text, response.error, response.finish_reason) == ("", None, "stop")


@both_ways
def test_the_words_and_the_codes_of_a_spoken_answer_are_told_apart(stream: bool) -> None:
    codes = Codes()
    answer = spoken("好的， 今天 sunny.", range(10))
    (response,) = exchange(Backend(answer), asking(**SPEECH), stream=stream, synthesizer=codes)
    assert response.text == "好的， 今天 sunny."
    assert codes.heard == [tuple(range(10))]


@both_ways
def test_codes_that_are_padding_are_dropped(stream: bool) -> None:
    codes = Codes()
    answer = spoken("three words here", [0, 6560, 6561, 6562, 7023])
    exchange(Backend(answer), asking(**SPEECH), stream=stream, synthesizer=codes)
    assert codes.heard == [(0, 6560)]


@both_ways
def test_speech_that_was_cut_short_is_kept_as_far_as_it_goes(stream: bool) -> None:
    codes = Codes()
    request = asking(**SPEECH, generation={"max_new_tokens": 7})
    (response,) = exchange(Backend(spoken("one two three", range(12))), request, stream=stream, synthesizer=codes)
    assert (response.text, response.finish_reason) == ("one two", "length")
    assert codes.heard == [(0, 1, 2, 3, 4)]


@both_ways
def test_calls_come_with_their_ids_after_speech_or_text(stream: bool) -> None:
    written, said = exchange(
        Backend(lambda request: Answer((spoken("好", [1], CALL) if speaks(request) else CALL,))),
        asking(tools=(WEATHER,)),
        asking(tools=(WEATHER,), **SPEECH),
        stream=stream,
        synthesizer=Codes(),
    )
    call = ToolCall("get_weather", '{"city": "Köln"}', f"chatcmpl-tool-{0:032}")
    assert (written.text, written.tool_calls, written.finish_reason) == ("", (call,), "tool_calls")
    assert (said.text, said.tool_calls, said.finish_reason) == ("好", (call,), "tool_calls")


@both_ways
@pytest.mark.parametrize("name", ["get_weather", "get_weather  "])
def test_a_call_within_speech_is_neither_said_nor_put_into_the_history_twice(stream: bool, name: str) -> None:
    call = CALL.replace("get_weather", name)
    begun = spoken("好", [1]).removesuffix("<tts_end>")
    for answer, words, tokens in ((call, "", ""), (begun + call, "好", {"tts_text": "好", "tts_audio": "<audio_1>"})):
        requests = [asking(tools=(WEATHER,), **SPEECH)]
        (response,) = exchange(Backend(answer), *requests, stream=stream, synthesizer=Codes())
        assert response.text == words
        assert [(made.name, made.arguments) for made in response.tool_calls] == [("get_weather", '{"city": "Köln"}')]
        assert (json.loads(response.tokens) if response.tokens else "") == tokens


@both_ways
def test_several_calls_come_in_order(stream: bool) -> None:
    second = CALL.replace("Köln", "Ulm")
    (response,) = exchange(Backend(f"Both.{CALL}{second}"), asking(tools=(WEATHER,)), stream=stream)
    assert response.text == "Both."
    assert [call.arguments for call in response.tool_calls] == ['{"city": "Köln"}', '{"city": "Ulm"}']
    assert len({call.id for call in response.tool_calls}) == 2


@both_ways
def test_a_call_without_arguments_has_an_empty_object_of_them(stream: bool) -> None:
    answer = "<tool_call>function\nget_weather\n{}</tool_call>"
    (response,) = exchange(Backend(answer), asking(tools=(WEATHER,)), stream=stream)
    assert [call.arguments for call in response.tool_calls] == ["{}"]


@both_ways
def test_calls_are_found_in_the_text_of_a_server_without_a_parser_of_them(stream: bool) -> None:
    parsers = Parsers(tools=False)
    request = asking(tools=(WEATHER,), generation={"tool_choice": "none"})
    (response,) = exchange(Backend(f"Wait.{CALL}!"), request, stream=stream, parsers=parsers)
    assert response.text == "Wait.!"
    assert response.tool_calls == (ToolCall("get_weather", '{"city": "Köln"}'),)
    (untouched,) = exchange(Backend(CALL), asking(), stream=stream, parsers=parsers)
    assert (untouched.text, untouched.tool_calls) == (CALL, ())
    broken = CALL.replace("}", "")
    (whole,) = exchange(Backend(broken), request, stream=stream, parsers=parsers)
    assert (whole.text, whole.tool_calls) == (broken, ())


@both_ways
def test_speech_is_found_in_the_text_of_a_server_without_a_parser_of_it(stream: bool) -> None:
    codes = Codes()
    (response,) = exchange(
        Backend(spoken("one two three", range(10))),
        asking(**SPEECH),
        stream=stream,
        synthesizer=codes,
        parsers=Parsers(speech=False),
    )
    assert response.text == "one two three"
    assert codes.heard == [tuple(range(10))]


def test_the_first_of_several_beams_is_the_answer() -> None:
    generation = {"num_beams": 2}
    one, two = exchange(
        Backend(Answer(("best", "second"))), asking(generation=generation), asking(generation=generation, replies=2)
    )
    assert (one.text, one.replies) == ("best", ())
    assert two.replies == ("best", "best")


def test_what_a_model_writes_beyond_the_end_of_its_turn_is_no_part_of_the_answer() -> None:
    (response,) = exchange(Backend("B<|EOT|><|BOT|>human\nwhy?"), asking())
    assert response.text == "B"


def test_streamed_and_whole_answers_are_equal() -> None:
    requests = [asking(), asking("Listen: ", demo()), asking(demo(), **SPEECH), asking(tools=(WEATHER,))]
    settings: dict[str, Any] = {"synthesizer": Codes()}
    whole = exchange(Backend(step_audio_backend), *requests, **settings)
    streamed = exchange(Backend(step_audio_backend), *requests, stream=True, **settings)
    assert streamed == whole
    assert len({response.text for response in whole}) == len(requests)
    assert whole[2].speech is not None


# --- what the model said, in later turns


@both_ways
def test_a_spoken_answer_comes_back_in_the_tokens_in_which_it_was_given(stream: bool) -> None:
    """Also through a store, and with the call that it made."""
    written = spoken("稍等， one moment.", [*range(9), 6560], CALL)
    request = asking("Weather?", tools=(WEATHER,), **SPEECH)
    (first,) = exchange(Backend(written), request, stream=stream, synthesizer=silence)
    stored = Response.from_json(json.loads(json.dumps(first.to_json())))
    result = Message("tool", ("sunny",), tool_call_id=first.tool_calls[0].id)
    later = Backend("fine")
    exchange(later, replace(request, messages=(*request.messages, stored.message, result)), synthesizer=silence)
    (turn,) = (message for message in later.request.messages if message["role"] == "assistant" and "eot" not in message)
    codes = "".join(f"<audio_{code}>" for code in (*range(9), 6560))
    assert turn["tts_content"] == {"tts_text": "稍等， one moment.", "tts_audio": codes}
    assert "content" not in turn
    again = CALL.replace('{"city":"Köln"}', '{"city": "Köln"}')
    speech = written.removesuffix(CALL)
    assert f"<|BOT|>assistant\n<tts_start>{speech}{again}<|EOT|><|BOT|>input\nsunny<|EOT|>" in prompt_of(later.request)


def test_speech_that_was_found_in_text_comes_back_alike() -> None:
    written = spoken("one two three", range(10))
    (first,) = exchange(Backend(written), asking(**SPEECH), synthesizer=silence, parsers=Parsers(speech=False))
    later = Backend("fine")
    exchange(later, Request((first.message, Message("user", ("And?",)))))
    assert f"<|BOT|>assistant\n<tts_start>{written}<|EOT|>" in prompt_of(later.request)


def test_what_was_only_written_comes_back_as_text() -> None:
    (first,) = exchange(Backend("In writing."), asking(**SPEECH), synthesizer=silence)
    assert first.tokens == ""
    later = Backend("fine")
    exchange(later, Request((first.message, Message("user", ("And?",)))))
    assert later.request.messages[0] == {"role": "assistant", "content": "In writing."}


# --- answers of another form


def _choice(**message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "no chat completion"),
        ("fine", "no chat completion"),
        ({"choices": []}, "it has no message"),
        ({"choices": [{"text": "fine"}]}, "it has no message"),
        (_choice(content=[5]), "its words cannot be read"),
        (_choice(content=None, tool_calls=[{"id": "a", "function": {}}]), "a tool call has no name"),
        (_choice(content="", tts_content="<audio_1>"), "tts_content is '<audio_1>'"),
        (
            _choice(content="", tts_content={"tts_text": "a", "tts_audio": [1, 2]}),
            "tts_audio is [1, 2], which is no text",
        ),
        (_choice(content="", tts_content={"tts_text": 5}), "tts_text is 5, which is no text"),
    ],
)
def test_an_answer_of_another_form_is_no_answer_and_says_why(document: Any, reason: str) -> None:
    failure, _ = ask_raw(http(document), lambda url: StepAudio2Server(MODEL, url))
    assert isinstance(failure, TransientError)
    assert (failure.unavailable, failure.overloaded) == (False, False)
    assert reason in str(failure)


def _events(*chunks: Any) -> bytes:
    lines = [f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n" for chunk in chunks]
    return http("".join(lines).encode(), content_type="text/event-stream")


def _delta(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


@pytest.mark.parametrize(
    "chunks",
    [
        ("[DONE]",),
        (_delta(content="half"),),
        (_delta(tts_content="<audio_1>"), _delta("stop"), "[DONE]"),
        (_delta(tts_content={"tts_audio": "<audio_1>"}), _delta(tts_content={"tts_audio": [2]}), _delta("stop")),
        (_delta(tool_calls=[{"index": 0, "function": {"arguments": {"x": 1}}}]), _delta("stop"), "[DONE]"),
        ({"error": {"message": "The model crashed."}}, "[DONE]"),
    ],
    ids=repr,
)
def test_a_stream_of_another_form_is_no_answer(chunks: tuple[Any, ...]) -> None:
    failure, _ = ask_raw(_events(*chunks), lambda url: StepAudio2Server(MODEL, url, stream=True))
    assert isinstance(failure, TransientError)
    assert (failure.unavailable, failure.overloaded) == (False, False)


@pytest.mark.parametrize("spoken_content", [None, {}, {"tts_text": "", "tts_audio": ""}])
def test_an_answer_without_speech_may_say_so_in_several_ways(spoken_content: Any) -> None:
    answer = read_answer(_choice(content="fine", tts_content=spoken_content))
    assert (answer.response.text, answer.codes) == ("fine", ())


def test_a_call_within_a_thought_is_none_and_one_after_it_is() -> None:
    for text, calls in ((f"Perhaps {CALL}</think>好的。", 0), (f"<think>\n{CALL}\n</think>\n\n{CALL}", 1)):
        message = {"role": "assistant", "content": text}
        answer = read_answer({"choices": [{"message": message, "finish_reason": "stop"}]}, ["get_weather"])
        assert len(answer.response.tool_calls) == calls
