"""The strict server of StepFun's protocol: what it refuses, what prompt it makes, and what its answers look like."""

import base64
import io
import json
import wave
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.backends import Answer, ServedRequest
from tests.servers.clients import WEATHER, Received, post_chat
from tests.servers.faults import Fault, scripted_faults
from tests.servers.step_audio_answers import Parsers, prompt_of, spoken
from tests.servers.step_audio_server import StepAudioServer
from tests.servers.step_audio_template import audio_token_count, interleaved

CALLED = {
    "role": "assistant",
    "tts_content": {"tts_text": "One moment", "tts_audio": "<audio_1><audio_2>"},
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Köln"}'}}],
}
RESULT = {"role": "input", "tool_call_id": "c1", "content": [{"type": "text", "text": "sunny"}]}
SPEAK = {"role": "assistant", "content": "<tts_start>", "eot": False}


def wav(seconds: float, rate: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setframerate(rate)
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.writeframes(bytes(round(seconds * rate) * channels * width))
    return file.getvalue()


def audio(data: bytes) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": "wav"}}


def human(*parts: str | bytes) -> dict[str, Any]:
    content = [audio(part) if isinstance(part, bytes) else {"type": "text", "text": part} for part in parts]
    return {"role": "human", "content": content}


def chat(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A request whose flags are right for its last message."""
    is_open = messages[-1].get("eot") is False
    flags = {"continue_final_message": is_open, "add_generation_prompt": not is_open, "skip_special_tokens": False}
    return {"model": "m", "messages": list(messages), "stream": False, **flags, **fields}


def post(request: object, written: str | Callable[[ServedRequest], Answer] = "fine", **settings: Any) -> Received:
    backend = (lambda _: Answer((written,))) if isinstance(written, str) else written
    with StepAudioServer(backend, **settings) as server:
        received = post_chat(server, request)
    assert [received.status] * len(server.journal.violations) == [
        violation.status for violation in server.journal.violations
    ]
    return received


def prompt(*messages: dict[str, Any], **fields: Any) -> str:
    prompts: list[str] = []

    def backend(request: ServedRequest) -> Answer:
        prompts.append(prompt_of(request))
        return Answer(("fine",))

    assert post(chat(*messages, **fields), backend).status == 200
    return prompts[0]


# --- what it refuses


OFFERED = {"tools": [WEATHER], "parallel_tool_calls": False}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (chat({"role": "user", "content": "hello"}), "Input tag 'user'"),
        (chat(human("hi"), {"role": "tool", "tool_call_id": "c1", "content": "sunny"}), "Input tag 'tool'"),
        (chat({"role": "system", "content": [audio(wav(1))]}), "string: 'messages[0].content'"),
        (chat(human("hi"), {"role": "assistant", "content": [audio(wav(1))]}), "string: 'messages[1].content'"),
        (chat(human(wav(29.99))), "exceeds the maximum allowed duration of 29.98 seconds"),
        (chat(human(wav(1, rate=24_000))), "24000 Hz, 1 channels and 16 bits"),
        (chat(human(wav(1, channels=2))), "16000 Hz, 2 channels and 16 bits"),
        (chat(human(wav(1, width=3))), "16000 Hz, 1 channels and 24 bits"),
        (chat(human(b"RIFF")), "not audio"),
        (chat(human("<audio_patch>", wav(1)), {"role": "assistant", "content": "<audio_patch>"}), "2 placeholders"),
        (chat({"role": "human", "content": []}), "messages[0].content"),
        (chat(human("hi"), {"role": "assistant", "content": None}), "is to be removed, not sent"),
        (chat(human("hi"), {"role": "assistant", "content": "", "eot": False}), "needs content to go on from"),
        (chat(human("hi"), {**CALLED, "tts_content": {"tts_text": "One"}}), "tts_content.tts_audio"),
        (
            chat(human("hi"), {**CALLED, "tts_content": {"tts_text": "", "tts_audio": "<audio_x>"}}),
            "should match pattern",
        ),
        (chat(SPEAK, continue_final_message=False, add_generation_prompt=True), "the last message is open"),
        (chat(human("hi"), continue_final_message=True, add_generation_prompt=False), "the last message is not open"),
        (chat(human("hi"), add_generation_prompt=False), "a generation prompt is added where"),
        (chat(SPEAK, add_generation_prompt=True), "Cannot set both"),
        (chat(human("hi"), SPEAK, human("and?")), "only the last message may be open"),
        (chat(human("hi"), RESULT), "must answer a call"),
        (chat(human("hi"), CALLED, {**RESULT, "tool_call_id": "c2"}), "must answer a call"),
        (chat(human("hi"), CALLED, {"role": "input", "content": "sunny"}), "tool_call_id"),
        (chat(human("hi"), tools=[WEATHER]), "parallel_tool_calls goes with tools"),
        (chat(human("hi"), parallel_tool_calls=False), "parallel_tool_calls goes with tools"),
        (chat(human("hi"), **{**OFFERED, "parallel_tool_calls": True}), "parallel_tool_calls"),
        (chat(human("hi"), tool_choice="auto"), "`tools` must be set"),
        (chat(human("hi"), skip_special_tokens=True), "skip_special_tokens"),
        (chat(human("hi"), max_new_tokens=5), "Extra inputs are not permitted: 'max_new_tokens'"),
        (chat(human("hi"), voice="alloy"), "Extra inputs are not permitted: 'voice'"),
        (chat({**human("hi"), "eot": True}), "Extra inputs are not permitted: 'messages[0].eot'"),
        (chat(human("hi"), best_of=2, use_beam_search=True), "the width of the beam is n"),
        (chat(human("hi"), best_of=2), "only understood as the width of a beam search"),
        (chat(human("hi"), stream_options={"include_usage": True}), "when `stream=True`"),
        (b"{", "could not parse the JSON body"),
    ],
)
def test_what_breaks_the_protocol_is_refused_with_a_reason_and_noted(request_: object, reason: str) -> None:
    with StepAudioServer() as server:
        received = post_chat(server, request_)
    assert received.status == 400
    assert reason in received.json["error"]["message"]
    assert len(server.journal.violations) == 1


@pytest.mark.parametrize(
    "name", ["model", "messages", "stream", "continue_final_message", "add_generation_prompt", "skip_special_tokens"]
)
def test_what_the_published_client_always_sends_must_be_there(name: str) -> None:
    request = chat(human("hi"))
    del request[name]
    received = post(request)
    assert (received.status, received.json["error"]["message"]) == (400, f"Field required: '{name}'")


def test_audio_just_short_enough_is_taken() -> None:
    assert post(chat(human(wav(29.98)))).status == 200


def test_arguments_in_the_history_must_be_json() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "Köln"}}
    received = post(chat(human("hi"), {**CALLED, "tool_calls": [call]}, RESULT))
    assert received.status == 400


def test_tools_need_a_server_with_a_parser_unless_their_calls_are_left_in_the_text() -> None:
    written = '<tool_call>function\nweather\n{"town": "Ulm"}</tool_call>'
    refused = post(chat(human("hi"), **OFFERED), written, parsers=Parsers(tools=False))
    assert (refused.status, "--tool-call-parser" in refused.json["error"]["message"]) == (400, True)
    taken = post(chat(human("hi"), **OFFERED, tool_choice="none"), written, parsers=Parsers(tools=False))
    assert taken.json["choices"][0]["message"]["content"] == written


# --- the prompt


def block(seconds: float) -> str:
    return f"<audio_start>{'<audio_patch>' * audio_token_count(round(16_000 * seconds))}<audio_end>"


def test_the_prompt_of_a_recording_to_be_answered_in_speech_and_in_writing() -> None:
    system = {"role": "system", "content": "请用语音与我交流。"}
    beginning = f"<|BOT|>system\n请用语音与我交流。<|EOT|><|BOT|>human\n{block(4)}\n<|EOT|>"
    assert prompt(system, human(wav(4)), SPEAK) == f"{beginning}<|BOT|>assistant\n<tts_start>"
    assert prompt(system, human(wav(4))) == f"{beginning}<|BOT|>assistant\n"
    assert block(4).count("<audio_patch>") == 50


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.1, 2), (0.5, 7), (1, 13), (1.3, 17), (2, 25), (4, 50), (10, 125), (25, 313)]
)
def test_audio_takes_as_many_tokens_as_on_the_original_server(seconds: float, count: int) -> None:
    assert audio_token_count(round(16_000 * seconds)) == count


def test_audio_comes_before_text_with_line_breaks_between() -> None:
    assert prompt(human("Which", wav(1), " is it?", wav(2))).startswith(
        f"<|BOT|>human\n{block(1)}\n{block(2)}\nWhich\n is it?<|EOT|>"
    )


def test_the_prompt_of_a_conversation_with_tools() -> None:
    system = {"role": "system", "content": "Help."}
    schema = json.dumps(WEATHER, ensure_ascii=False)
    tools = f"<|BOT|>tool_json_schemas\n[{schema}]<|EOT|>"
    speech = "<tts_start>One<audio_1><audio_2> moment<tts_end>"
    rest = (
        f"<|BOT|>human\nWeather?<|EOT|><|BOT|>assistant\n{speech}"
        '<tool_call>function\nweather\n{"town": "Köln"}</tool_call><|EOT|>'
        "<|BOT|>input\nsunny<|EOT|><|BOT|>assistant\n<tts_start>"
    )
    turns = (human("Weather?"), CALLED, RESULT, SPEAK)
    assert prompt(system, *turns, **OFFERED) == f"<|BOT|>system\nHelp.<|EOT|>{tools}{rest}"
    assert prompt(*turns, **OFFERED) == f"<|BOT|>system\n{tools}{rest}"
    assert prompt(*turns) == rest


def test_an_open_message_is_left_open_with_all_of_its_content() -> None:
    opening = "<think>It is\nlate.</think>\n\n"
    message = {"role": "assistant", "content": opening, "eot": False}
    assert prompt(human("hi"), message) == f"<|BOT|>human\nhi<|EOT|><|BOT|>assistant\n{opening}"


@pytest.mark.parametrize(
    ("text", "codes", "expected"),
    [
        (["a", "b"], "12345678", "a1234b5678"),
        (["a"], "123456", "a1234<tts_pad>56"),  # padded as the original does it: never to a full four
        (["a", "b", "c"], "1", "a1<audio_6561><audio_6561>bc"),
        ([], "", ""),
    ],
)
def test_text_and_codes_take_turns(text: list[str], codes: str, expected: str) -> None:
    assert interleaved(text, list(codes)) == expected


# --- answers


def answers(request: dict[str, Any], written: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The message of an answer whole, and the texts that its chunks add up to."""
    whole = post(request, written).json["choices"][0]
    events = post({**request, "stream": True, "stream_options": {"include_usage": True}}, written).events
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert [bool(chunk["choices"]) for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    choices = [chunk["choices"][0] for chunk in chunks[:-1]]
    assert [choice["finish_reason"] for choice in choices[:-1]] == [None] * (len(choices) - 1)
    assert choices[-1]["finish_reason"] == whole["finish_reason"]
    deltas = [choice["delta"] for choice in choices]
    parts = [delta.get("tts_content") or {} for delta in deltas]
    calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    added = {
        "content": "".join(delta["content"] for delta in deltas),
        "tts_text": "".join(part.get("tts_text", "") for part in parts),
        "tts_audio": "".join(part.get("tts_audio", "") for part in parts),
        "names": [call["function"]["name"] for call in calls if "name" in call["function"]],
        "arguments": "".join(call["function"].get("arguments", "") for call in calls),
    }
    return whole["message"], added


def test_a_written_answer() -> None:
    message, added = answers(chat(human("hi")), "two <words> 好")
    assert (message["content"], message["tts_content"], message["tool_calls"]) == ("two <words> 好", {}, [])
    assert added["content"] == "two <words> 好"


def test_a_spoken_answer_and_a_call_after_it() -> None:
    written = spoken("one moment", range(10), '<tool_call>function\nweather\n{"town":"Köln"}</tool_call>')
    message, added = answers(chat(human("hi"), SPEAK, **OFFERED), written)
    codes = "".join(f"<audio_{code}>" for code in range(10))
    assert "<tts_pad>" in written
    assert message["content"] == ""
    assert message["tts_content"] == {"tts_text": "one moment", "tts_audio": codes}
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"town": "Köln"}'}
    assert (added["content"], added["tts_text"], added["tts_audio"]) == ("", "one moment", codes)
    assert (added["names"], added["arguments"]) == (["weather"], '{"town": "Köln"}')


def test_codes_are_left_in_the_text_by_a_server_without_a_parser_of_speech() -> None:
    written = spoken("one", [1, 2])
    received = post(chat(human("hi"), SPEAK), written, parsers=Parsers(speech=False))
    assert received.json["choices"][0]["message"]["content"] == "one<audio_1><audio_2><tts_end>"


def test_an_empty_object_of_arguments_is_lost_in_a_stream_as_in_the_original() -> None:
    message, added = answers(chat(human("hi"), **OFFERED), "<tool_call>function\nweather\n{}</tool_call>")
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"
    assert (added["names"], added["arguments"]) == (["weather"], "")


def test_generation_ends_at_a_stop_string_or_at_the_greatest_number_of_tokens() -> None:
    stopped = post(chat(human("hi"), stop=["</think>"]), "a thought</think> and more").json["choices"][0]
    assert (stopped["message"]["content"], stopped["finish_reason"]) == ("a thought", "stop")
    cut = post(chat(human("hi"), max_tokens=2), "one two three").json["choices"][0]
    assert (cut["message"]["content"], cut["finish_reason"]) == ("one two", "length")


def test_a_beam_search_gives_every_beam() -> None:
    request = chat(human("hi"), n=2, best_of=2, use_beam_search=True)
    received = post(request, lambda _: Answer(("best", "second")))
    assert [choice["message"]["content"] for choice in received.json["choices"]] == ["best", "second"]


def test_answers_depend_on_all_that_is_asked() -> None:
    requests = [chat(human(text, wav(seconds)), *end) for text in "ab" for seconds in (1, 2) for end in ((), (SPEAK,))]
    with StepAudioServer() as server:
        received = [post_chat(server, request).json["choices"][0]["message"] for request in requests]
        again = post_chat(server, requests[0]).json["choices"][0]["message"]
    assert len({json.dumps(message) for message in received}) == len(requests)
    assert again == received[0]


def test_faults_and_keys_are_those_of_the_other_server() -> None:
    with StepAudioServer(key="secret", faults=scripted_faults([Fault.TOO_MANY, Fault.MALFORMED_JSON])) as server:
        assert post_chat(server, chat(human("hi"))).status == 401
        key = "Bearer secret"
        assert post_chat(server, chat(human("hi")), authorization=key).status == 429
        with pytest.raises(ValueError, match="Expecting"):
            post_chat(server, chat(human("hi")), authorization=key).json  # noqa: B018 - parsed when asked for
    assert server.journal.violations == []
