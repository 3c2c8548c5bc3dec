"""Requests and responses in plain types: nothing of them is left behind."""

from dataclasses import fields

from evalkit import types
from evalkit.audio import Audio
from evalkit.inference.processes.plain import plain_request, plain_response, request_of, response_of
from evalkit.types import Assessment, Failure, Message, Request, Response, ToolCall
from evalkit_worker import types as plain
from tests.conftest import DEMO_SPEECH

RECORDING = Audio("a", DEMO_SPEECH / "audio" / "clean-awb-01.flac")
CALL = ToolCall("play", '{"a": 1}', "7")
REQUEST = Request(
    (
        Message("system", ("Be brief.",)),
        Message("user", ("Listen:", RECORDING)),
        Message("assistant", ("Yes.",), (CALL,), tokens="<1>"),
        Message("tool", ("done",), tool_call_id="7"),
    ),
    "en",
    {"temperature": 0.5},
    ({"type": "function", "function": {"name": "play"}},),
    "speech",
    3,
    1,
    "demo",
    "a",
    Assessment(("x",), ("y",), ("no", "yes")),
    "asr",
)
# Of a server, or of the engine's own making.
NOT_OF_A_MODEL = {"seconds", "usage", "answered_by", "cached"}


def test_every_field_has_its_place() -> None:
    def names(kind: type) -> set[str]:
        return {field.name for field in fields(kind) if not field.name.startswith("_")}

    assert names(plain.Request) == names(types.Request)
    assert names(plain.Message) == names(types.Message)
    assert names(plain.Response) == names(types.Response) - NOT_OF_A_MODEL


def test_a_request_there_is_the_same_request() -> None:
    there = request_of(plain_request(REQUEST, 16_000))
    assert there == REQUEST
    assert there.content_hash() == REQUEST.content_hash(), "by which some models seed what they draw"
    assert (there.task, there.sample_id, there.assessment, there.kind) == ("demo", "a", REQUEST.assessment, "asr")
    assert (there.audio[0].waveform(16_000) == RECORDING.waveform(16_000)).all()
    assert there.audio[0].duration == len(RECORDING.waveform(16_000)) / 16_000


def test_a_response_comes_back_the_same() -> None:
    responses = [
        Response(
            "Yes.",
            speech=Audio.of_waveform("spoken answer", *RECORDING.read_mono()),
            first_sound=0.5,
            tool_calls=(CALL,),
            replies=("Yes.", "No."),
            finish_reason="stop",
            logprobs=({"token": "Yes"},),
            tokens="<1>",
            notes=("cut after 30 s",),
            overlong="cut",
        ),
        Response(failure=Failure("too_long", "an hour")),
    ]
    back = [response_of(plain_response(response)) for response in responses]
    assert back == responses
    assert back[0].speech is not None
    assert (back[0].speech.read_mono()[0] == RECORDING.read_mono()[0]).all()
