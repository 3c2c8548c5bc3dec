"""What adapters and files may hand to the engine, and what of it is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from evalkit.inference.border import InvalidResponseError, checked_response
from evalkit.redaction import redacted
from evalkit.types import Failure, Response, ToolCall, Usage

FAULTS: dict[str, Callable[[], Response]] = {
    "text is an int": lambda: Response(5),  # type: ignore[arg-type]
    "text is None": lambda: Response(None),  # type: ignore[arg-type]
    "failure is a str": lambda: Response(failure="busy"),  # type: ignore[arg-type]
    "failure's message is None": lambda: Response(failure=Failure("error", None)),  # type: ignore[arg-type]
    "seconds is nan": lambda: Response(seconds=float("nan")),
    "seconds is -1": lambda: Response(seconds=-1),
    "first_sound is inf": lambda: Response(first_sound=float("inf")),
    "tool_calls is a list": lambda: Response(tool_calls=[]),  # type: ignore[arg-type]
    "tool_calls hold a dict": lambda: Response(tool_calls=({},)),  # type: ignore[arg-type]
    "tool_calls hold what is no text": lambda: Response(tool_calls=(ToolCall("f", {}),)),  # type: ignore[arg-type]
    "replies hold None": lambda: Response(replies=(None,)),  # type: ignore[arg-type]
    "speech is a bytes": lambda: Response(speech=b"RIFF"),  # type: ignore[arg-type]
    "logprobs are no JSON values": lambda: Response(logprobs=({"logprob": float("-inf")},)),
    "usage's input_tokens is out of bounds": lambda: Response(usage=Usage(input_tokens=-5)),
    "usage's output_tokens is a float": lambda: Response(usage=Usage(output_tokens=1.5)),  # type: ignore[arg-type]
    "usage's requests is out of bounds": lambda: Response(usage=Usage(requests=10**400)),
    "usage's cost is out of bounds": lambda: Response(usage=Usage(cost=float("nan"))),
    "usage's audio_seconds is out of bounds": lambda: Response(usage=Usage(audio_seconds=float("inf"))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_field_that_cannot_be_makes_a_failed_response(fault: str) -> None:
    checked = checked_response(FAULTS[fault](), "Mine")
    assert checked == Response(failure=Failure("invalid_response", f"Mine returned a Response whose {fault}"))


@pytest.mark.parametrize("returned", [None, 5, "text", ["text"], {"text": "x"}])
def test_what_is_no_response_is_refused(returned: Any) -> None:
    with pytest.raises(InvalidResponseError, match="Mine returned .*; it must return a Response"):
        checked_response(returned, "Mine")


def test_half_a_surrogate_pair_is_replaced_in_every_text() -> None:
    half = "a\ud83d"
    response = Response(
        half,
        tool_calls=(ToolCall(half, half, half),),
        replies=(half, half),
        finish_reason=half,
        logprobs=({"token": half, "top": [{half: half}]},),
        tokens=half,
    )
    checked = checked_response(response, "Mine")
    assert json.dumps(checked.to_json(), ensure_ascii=False).encode("utf-8").count(b"a?") == 11
    assert checked_response(Response("中文"), "Mine") == Response("中文")


def test_no_text_of_a_response_repeats_a_secret() -> None:
    key = "sk-secret"
    response = Response(
        f"your key is {key}",
        tool_calls=(ToolCall(key, f'{{"key": "{key}"}}', key),),
        replies=(key,),
        finish_reason=key,
        logprobs=({"token": key, key: [key]},),
        tokens=key,
    )
    assert key not in json.dumps(redacted(response, lambda text: text.replace(key, "(removed)")).to_json())


RECORDS: list[Any] = [
    None,
    [],
    "text",
    {},
    {"text": "x"},
    {"text": None, "seconds": None},
    {"text": "x", "seconds": "soon"},
    {"text": "x", "seconds": None, "usage": 5},
    {"text": "x", "seconds": None, "usage": {"tokens": 5}},
    {"text": "x", "seconds": None, "usage": {"input_tokens": float("nan")}},
    {"text": "x", "seconds": None, "failure": "busy"},
    {"text": "x", "seconds": None, "speech": {}},
    {"text": "x", "seconds": None, "speech": {"locator": 5, "duration": None}},
    {"text": "x", "seconds": None, "tool_calls": ["f"]},
    {"text": "x", "seconds": None, "replies": 5},
    {"text": "x", "seconds": None, "cached": "yes"},
]


@pytest.mark.parametrize("record", RECORDS, ids=repr)
def test_json_that_is_no_response_is_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="not (a response|the usage of a call)"):
        Response.from_json(record)


def test_json_nested_without_end_is_no_response() -> None:
    nested: Any = "x"
    for _ in range(500):
        nested = [nested]
    with pytest.raises(ValueError, match="logprobs are no JSON values"):
        Response.from_json({"text": "x", "seconds": None, "logprobs": [{"top": nested}]})


def test_halves_of_characters_are_replaced_in_what_stands_beside_a_plain_answer_too() -> None:
    checked = checked_response(Response("fine", notes=("half \ud83d",), answered_by="model \ud83d"), "Mine")
    assert (checked.text, checked.notes, checked.answered_by) == ("fine", ("half ?",), "model ?")
