"""Frames over a pipe: what is written is read, and what is cut short is not taken for whole."""

import ast
import io
from typing import Any

import numpy as np
import pytest

from evalkit_worker import Message, Request, Response, Sound
from evalkit_worker.frames import read_frame, requests_from, responses_from, write_frame
from tests.conftest import ROOT

SOUND = Sound(np.linspace(-1, 1, 7, dtype=np.float32), 16_000, "a.wav", "abc")
SILENCE = Sound(np.zeros(0, np.float32), 24_000)


def written(content: Any) -> bytes:
    pipe = io.BytesIO()
    write_frame(pipe, content)
    return pipe.getvalue()


def test_requests_come_back_with_their_sounds_in_their_places() -> None:
    # A schema may have a field of any name, "sound" too.
    tool = {"type": "function", "function": {"name": "play", "parameters": {"sound": 0, "sounds": [1]}}}
    call = {"name": "play", "arguments": "{}", "id": "1"}
    request = Request(
        (
            Message("user", ("声 é", SOUND, "and", SILENCE)),
            Message("assistant", ("", SOUND), (call,), tokens="<1><2>"),
            Message("tool", ("done",), tool_call_id="1"),
        ),
        "zh",
        {"max_new_tokens": 3, "sound": 5},
        (tool,),
        "speech",
        2,
        1,
        "demo",
        "a",
        {"references": ["x"], "answers": ["y"], "verdicts": ["no", "yes"]},
    )
    (first, second) = requests_from(read_frame(io.BytesIO(written({"requests": [request, Request(())]}))))
    assert second == Request(())
    assert (first.tools, first.generation, first.assessment) == (request.tools, request.generation, request.assessment)
    assert (first.language, first.output, first.replies, first.attempt) == ("zh", "speech", 2, 1)
    assert [message.tool_calls for message in first.messages] == [(), (call,), ()]
    assert [message.role for message in first.messages] == ["user", "assistant", "tool"]
    assert first.messages[1].tokens == "<1><2>"
    assert first.messages[2].tool_call_id == "1"
    assert [sound.samples.tolist() for sound in first.sounds] == [
        SOUND.samples.tolist(),
        [],
        SOUND.samples.tolist(),
    ]
    assert [(sound.rate, sound.name, sound.digest) for sound in first.sounds[:2]] == [
        (16_000, "a.wav", "abc"),
        (24_000, "", ""),
    ]
    first.sounds[0].samples[0] = 0.0  # a model may change what it is given


def test_responses_come_back_with_their_speech() -> None:
    responses = [
        Response("好", speech=SOUND, notes=("one",), replies=("a", "b"), logprobs=({"token": "x"},)),
        Response(failure={"kind": "refused", "message": "no"}),
    ]
    spoken, failed = responses_from(read_frame(io.BytesIO(written({"responses": responses}))))
    assert failed == responses[1]
    assert spoken.speech is not None
    assert spoken.speech.samples.tolist() == SOUND.samples.tolist()
    assert (spoken.text, spoken.notes, spoken.replies, spoken.logprobs) == (
        "好",
        ("one",),
        ("a", "b"),
        ({"token": "x"},),
    )


@pytest.mark.parametrize("end", range(0, 190, 7))
def test_a_frame_that_is_cut_short_is_the_end(end: int) -> None:
    whole = written({"responses": [Response("text", speech=SOUND)]})
    assert end < len(whole)
    with pytest.raises(EOFError):
        read_frame(io.BytesIO(whole[:end]))


@pytest.mark.parametrize(
    "content",
    [
        {"value": float("nan")},
        {"value": object()},
        {"responses": [Response(speech=Sound(np.zeros((1, 5), np.float32), 16_000))]},
    ],
)
def test_what_is_no_json_value_is_refused_before_anything_is_written(content: Any) -> None:
    pipe = io.BytesIO()
    with pytest.raises((TypeError, ValueError)):
        write_frame(pipe, content)
    assert pipe.getvalue() == b""


def test_samples_that_do_not_add_up_are_refused() -> None:
    whole = written({"responses": [Response(speech=SOUND)]})
    with pytest.raises(ValueError, match="other samples"):
        read_frame(io.BytesIO(whole.replace(b'"samples": 7', b'"samples": 6')))


def test_what_does_not_begin_like_a_frame_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="begins with b'load'"):
        read_frame(io.BytesIO(b"loading the weights of the model"))


def test_all_that_works_there_is_written_for_python_3_9() -> None:
    files = [*(ROOT / "evalkit_worker").rglob("*.py"), ROOT / "model_adapters" / "kimi_audio.py"]
    assert len(files) > 5
    for file in files:
        text = file.read_text(encoding="utf-8")
        ast.parse(text, str(file), feature_version=(3, 9))
        needed = " |" not in text or "from __future__ import annotations" in text
        assert needed, f"{file}: unions in annotations want the import that keeps them from being evaluated"
