"""What holds for both adapters of Step-Audio 2: the model in this process, and the same model behind its server."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from evalkit.adapter import Model, ModelAdapter
from evalkit.audio import Audio
from evalkit.errors import AudioError, ConfigurationError
from evalkit.types import Message, Request, Response
from model_adapters.step_audio_2.local import StepAudio2
from tests.model_adapters.conftest import noise

pytest.importorskip("openai", reason="the openai extra is not installed")
pytest.importorskip("torch", reason="torch is not installed")

from model_adapters.step_audio_2.served import StepAudio2Server
from step_audio_2.checkpoint import DEFAULT_VOICE, TOKEN2WAV
from tests.model_adapters.served_step_audio_2 import TinyBackend, ascii_only
from tests.model_adapters.serving import ask as ask_served
from tests.servers.step_audio_server import StepAudioServer

pytestmark = pytest.mark.slow  # every worker of the fast suite would have to start a server with a model behind it

SHORT = {"max_new_tokens": 40}
TOOLS = ({"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}},)


@pytest.fixture(scope="module")
def in_process(tiny_step_audio_2: Path) -> Iterator[StepAudio2]:
    adapter = StepAudio2(str(tiny_step_audio_2), device="cpu")
    ascii_only(adapter._assistant)
    yield adapter
    adapter.close()


@pytest.fixture(scope="module")
def server(tiny_step_audio_2: Path) -> Iterator[StepAudioServer]:
    with StepAudioServer(TinyBackend(tiny_step_audio_2)) as running:
        yield running
    assert running.journal.violations == []


@pytest.fixture(params=["in process", "served"])
def model(
    request: pytest.FixtureRequest, in_process: StepAudio2, server: StepAudioServer, tiny_step_audio_2: Path
) -> Model:
    return in_process if request.param == "in process" else behind(server, tiny_step_audio_2)


def behind(server: StepAudioServer, folder: Path) -> StepAudio2Server:
    return StepAudio2Server(
        "tiny", server.base_url, token2wav=str(folder / TOKEN2WAV), voice=str(folder / DEFAULT_VOICE)
    )


def ask(model: Model, *requests: Request) -> list[Response]:
    """The responses of either kind of model; what is raised is raised."""
    return model.generate(requests) if isinstance(model, ModelAdapter) else ask_served(model, *requests)


def hearing(*paths: Path, **fields: object) -> Request:
    audio = tuple(Audio(path.name, path) for path in paths)
    return Request((Message("system", ("listen",)), Message("user", audio)), generation=SHORT, **fields)  # type: ignore[arg-type]


def reading(text: str, **fields: object) -> Request:
    return Request((Message("user", (text,)),), generation=SHORT, **fields)  # type: ignore[arg-type]


def test_an_answer_depends_on_its_question_and_on_nothing_asked_with_or_before_it(model: Model, tmp_path: Path) -> None:
    requests = [
        hearing(noise(tmp_path / "a.wav", 1.1, seed=1)),
        hearing(noise(tmp_path / "b.wav", 2.3, seed=2), output="speech"),
        reading("what time is it"),
        reading("where is the station", output="speech"),
    ]
    together = ask(model, *requests)
    alone = [ask(model, request)[0] for request in reversed(requests)][::-1]
    for one, other in zip(together, alone, strict=True):
        assert (one.text, one.tokens, one.finish_reason) == (other.text, other.tokens, other.finish_reason)
        assert (one.speech is None) == (other.speech is None)
    assert len({(response.text, response.tokens) for response in together}) == len(together)


def test_no_requests_get_no_responses(model: Model) -> None:
    assert ask(model) == []


def test_both_can_be_asked_the_same(model: Model) -> None:
    capabilities = model.capabilities
    assert (capabilities.audio_input, capabilities.text_output, capabilities.speech_output) == (True, True, True)
    assert capabilities.tools
    assert capabilities.languages is None
    assert capabilities.sample_rate in (16_000, None)


def test_speech_is_sound_and_its_words_are_kept_apart(model: Model) -> None:
    (response,) = ask(model, reading("say something", output="speech"))
    assert response.speech is not None
    waveform = response.speech.waveform(24_000)
    assert len(waveform) % 960 == 0
    assert len(waveform) > 0
    assert np.abs(waveform).max() <= 1
    assert response.tokens
    assert "<audio_" not in response.text
    assert "<tts_" not in response.text


def test_a_written_answer_has_no_sound(model: Model) -> None:
    (response,) = ask(model, reading("write something"))
    assert response.speech is None
    assert response.usage is not None
    assert response.usage.output_tokens > 0


def test_what_was_spoken_is_remembered_by_its_tokens_even_after_storage(model: Model) -> None:
    first = reading("say something", output="speech")
    (response,) = ask(model, first)
    stored = Response.from_json(json.loads(json.dumps(response.to_json())))
    more = Message("user", ("and then",))
    remembered, forgotten = (
        Request((*first.messages, turn, more), generation=SHORT, output="speech")
        for turn in (stored.message, Message("assistant", (response.text,)))
    )
    one, other = ask(model, remembered, forgotten)
    assert one.tokens != other.tokens
    assert ask(model, remembered)[0].tokens == one.tokens


def test_a_recording_of_30_seconds_is_heard_to_its_end(model: Model, tmp_path: Path) -> None:
    whole = noise(tmp_path / "whole.wav", 30, seed=5)
    first_part = noise(tmp_path / "part.wav", 25, seed=5)
    one, other = ask(model, hearing(whole), hearing(first_part))
    assert one.text != other.text


def test_several_recordings_are_heard_in_their_order(model: Model, tmp_path: Path) -> None:
    paths = [noise(tmp_path / f"{seed}.wav", 1.0 + 2 * seed, seed=seed) for seed in range(3)]
    orders = ([0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1])
    answers = ask(model, *(hearing(*(paths[index] for index in order), output="speech") for order in orders))
    assert len({(answer.text, answer.tokens) for answer in answers}) > 1


def test_tools_are_offered(model: Model) -> None:
    one, other = ask(model, reading("find it", tools=TOOLS), reading("find it"))
    assert one.text != other.text
    assert one.tool_calls == ()


def test_a_recording_that_cannot_be_read_is_named_and_harms_no_later_one(model: Model, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.flac"
    damaged.write_bytes(b"fLaC" + bytes(100))
    good = reading("what time is it")
    (expected,) = ask(model, good)
    with pytest.raises(AudioError, match=r"damaged\.flac"):
        ask(model, hearing(damaged))
    assert ask(model, good)[0].text == expected.text


def test_a_setting_that_is_not_known_is_refused_by_name(model: Model) -> None:
    with pytest.raises(ConfigurationError, match="temprature.*did you mean 'temperature'"):
        ask(model, Request(reading("x").messages, generation={"temprature": 1}))


def test_a_fingerprint_is_json_and_stays_the_same(model: Model) -> None:
    fingerprint = dict(model.fingerprint())
    assert json.loads(json.dumps(fingerprint)) == fingerprint == model.fingerprint()
    assert "token2wav" in str(fingerprint)


def test_both_give_the_same_answers_to_the_same_words(
    in_process: StepAudio2, server: StepAudioServer, tiny_step_audio_2: Path
) -> None:
    history = (Message("user", ("hello",)), Message("assistant", ("good morning",)), Message("user", ("what now",)))
    requests = [
        reading("what time is it"),
        Request((Message("system", ("be kind",)), *history), generation=SHORT),
        reading("say something", output="speech"),
    ]
    local, served = ask(in_process, *requests), ask(behind(server, tiny_step_audio_2), *requests)
    for one, other in zip(local, served, strict=True):
        assert one.text == other.text
        assert one.tool_calls == other.tool_calls
        if one.speech is not None and other.speech is not None:
            assert np.abs(one.speech.waveform(24_000) - other.speech.waveform(24_000)).max() < 1e-3
        assert (one.speech is None) == (other.speech is None)
