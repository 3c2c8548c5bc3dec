"""The adapter of the model in this repository, which takes the next request while others are under way."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.audio import Audio, Waveform
from evalkit.errors import AudioError, ConfigurationError
from evalkit.types import Failure, Message, Request, Response
from model_adapters.step_audio_2.local import StepAudio2
from model_adapters.step_audio_2.speech_beside import SpeechBeside
from tests.model_adapters.conftest import noise

pytest.importorskip("torch", reason="torch is not installed")

SHORT = {"max_new_tokens": 12}


@pytest.fixture(scope="module")
def model(tiny_step_audio_2: Path) -> Iterator[StepAudio2]:
    adapter = StepAudio2(str(tiny_step_audio_2), device="cpu", batch_size=3)
    yield adapter
    adapter.close()


def asking(text: str, output: Any = "text", replies: int = 1, **settings: object) -> Request:
    return Request((Message("user", (text,)),), generation={**SHORT, **settings}, output=output, replies=replies)


def same(one: Response, other: Response) -> bool:
    """Whether two responses are alike; sound is stored in 16 bits."""
    if (one.speech is None) != (other.speech is None):
        return False
    if one.speech is not None and other.speech is not None:
        ours, theirs = one.speech.waveform(24_000), other.speech.waveform(24_000)
        if len(ours) != len(theirs) or abs(ours - theirs).max() > 1e-4 + 1 / 32_768:
            return False
    return (one.text, one.replies, one.tokens, one.tool_calls, one.finish_reason, one.usage, one.failure) == (
        other.text, other.replies, other.tokens, other.tool_calls, other.finish_reason, other.usage, other.failure
    )  # fmt: skip


@pytest.mark.slow
def test_requests_of_all_kinds_are_answered_as_each_alone(model: StepAudio2, tmp_path: Path) -> None:
    heard = (Audio("a", noise(tmp_path / "a.wav", 1.5)), "And now?")
    requests = [
        asking("say something", "speech"),
        asking("what time is it", max_new_tokens=40),
        Request((Message("user", heard),), generation={**SHORT, "do_sample": True, "temperature": 0.7}),
        asking("and something else", "speech", repetition_penalty=1.05, do_sample=True, temperature=0.7),
        asking("in beams", num_beams=2),
        asking("in beams, and of another width", num_beams=3),
        asking("several", replies=3, do_sample=True, temperature=1.0),
        asking("until a letter", stop=["e", "a"]),
        asking("say something more", "speech", max_new_tokens=30),
    ]
    answered = list(model.generate_each(iter(requests)))
    assert sorted(position for position, _ in answered) == list(range(len(requests)))
    for position, response in answered:
        assert same(response, model.generate([requests[position]])[0]), position
    assert any(response.speech for _, response in answered)


def test_a_conversation_that_is_too_long_fails_by_itself(model: StepAudio2) -> None:
    requests = [asking("first"), asking("word " * 16_400), asking("last")]
    answered = dict(model.generate_each(iter(requests)))
    failure = answered.pop(1).failure
    assert isinstance(failure, Failure)
    assert failure.kind == "error"
    assert failure.message.startswith("ValueError: the prompt has ")
    assert answered == {0: model.generate([requests[0]])[0], 2: model.generate([requests[2]])[0]}


def test_a_question_of_nothing_fails_by_itself(tiny_step_audio_2: Path) -> None:
    base = StepAudio2(str(tiny_step_audio_2), kind="base", device="cpu", batch_size=3)
    answered = dict(base.generate_each(iter([asking("first"), asking(""), asking("last")])))
    assert answered[1].error == "ValueError: the prompt is empty: there is nothing for the model to go on from"
    assert [answered[number] for number in (0, 2)] == [base.generate([asking(text)])[0] for text in ("first", "last")]


def test_what_stops_the_answers_is_raised_and_the_next_ones_are_given(model: StepAudio2, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.flac"
    damaged.write_bytes(b"fLaC" + bytes(100))
    unreadable = Request((Message("user", (Audio("damaged.flac", damaged),)),), generation=SHORT)
    with pytest.raises(AudioError, match=r"damaged\.flac"):
        list(model.generate_each(iter([asking("first"), unreadable])))
    with pytest.raises(ConfigurationError, match="'max_tokens' is no decoding setting"):
        list(model.generate_each(iter([asking("first"), asking("second", max_tokens=3)])))
    assert list(model.generate_each(iter(()))) == []
    assert len(list(model.generate_each(iter([asking("first")])))) == 1


def test_no_request_is_pulled_before_there_is_room_for_it(model: StepAudio2) -> None:
    pulled = given = 0

    def requests() -> Iterator[Request]:
        nonlocal pulled
        for number in range(9):
            pulled += 1
            assert pulled - given <= 3
            yield asking("word " * number, max_new_tokens=1 + 5 * (number % 3))

    for _ in model.generate_each(requests()):
        given += 1
    assert given == 9


@pytest.mark.parametrize("settings", [{"batching": "static"}, {"padded_audio": True}])
def test_batches_stay_together_where_they_must(
    tiny_step_audio_2: Path, model: StepAudio2, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    static = StepAudio2(str(tiny_step_audio_2), device="cpu", batch_size=3, **settings)
    assert model.is_continuous
    assert not static.is_continuous
    sizes: list[int] = []
    generate = static.generate

    def counted(requests: Sequence[Request]) -> list[Response]:
        sizes.append(len(requests))
        return generate(requests)

    monkeypatch.setattr(static, "generate", counted)
    requests = [asking("word " * number) for number in range(4)]
    assert dict(static.generate_each(iter(requests))) == dict(model.generate_each(iter(requests)))
    assert sizes == [3, 1]
    if "batching" in settings:
        assert static.fingerprint() == model.fingerprint()


def test_speech_is_made_of_all_that_came_while_other_speech_was_made() -> None:
    may_begin, asked = threading.Event(), list[int]()

    def synthesize(utterances: Sequence[Sequence[int]]) -> list[Waveform]:
        assert may_begin.wait(60)
        asked.append(len(utterances))
        return [np.full(len(codes), codes[0], np.float32) for codes in utterances]

    with SpeechBeside[str, Sequence[int]](synthesize, most=4) as speech:
        assert list(speech.made()) == []
        for number, key in enumerate("abc"):
            speech.add(key, [number] * (number + 1))
            assert list(speech.made()) == []
        may_begin.set()
        made = dict(speech.made(to_the_end=True))
        assert {key: waveform.tolist() for key, waveform in made.items()} == {"a": [0], "b": [1, 1], "c": [2, 2, 2]}
        assert asked == [1, 2]
        may_begin.clear()
        for key in "defg":
            speech.add(key, [0])
        threading.Timer(0.1, may_begin.set).start()
        assert [key for key, _ in speech.made()][:1] == ["d"]  # waits, as four are enough


def test_what_a_synthesizer_raises_is_raised_where_speech_is_taken() -> None:
    def synthesize(utterances: Sequence[Sequence[int]]) -> list[Waveform]:
        raise MemoryError("none is left")

    with SpeechBeside[int, Sequence[int]](synthesize, most=4) as speech:
        speech.add(0, [1])
        with pytest.raises(MemoryError, match="none is left"):
            list(speech.made(to_the_end=True))
