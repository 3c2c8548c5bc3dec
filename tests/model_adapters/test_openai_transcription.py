"""Recognisers behind audio transcriptions, put to a server that checks every field."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.errors import AudioError, ConfigurationError, PermanentError, TransientError
from evalkit.types import Response, Usage
from model_adapters.openai.models import TranscriptionModel
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask, asking
from tests.servers.backends import Answer
from tests.servers.faults import Fault, scripted_faults
from tests.servers.openai_server import OpenAIServer


def _demo() -> Audio:
    path = sorted((DEMO_SPEECH / "audio").iterdir())[0]
    return Audio(path.name, path)


def test_every_field_arrives_as_documented() -> None:
    backend = Backend("  Chapter sixteen. ")
    with OpenAIServer(backend, models=["whisper-1"]) as server:
        model = TranscriptionModel("whisper-1", server.base_url, prompt="Names: Ada.", temperature=0.2)
        (response,) = ask(model, asking("Transcribe: ", _demo(), language="en"))
    assert server.journal.violations == []
    assert backend.request.fields == {
        "model": "whisper-1",
        "response_format": "json",
        "language": "en",
        "prompt": "Names: Ada.",
        "temperature": "0.2",
    }
    assert response.text == "  Chapter sixteen. "
    assert response.error is None


def test_what_is_not_set_is_not_sent_and_zero_is_set() -> None:
    backend = Backend()
    with OpenAIServer(backend) as server:
        ask(TranscriptionModel("m", server.base_url), asking(_demo()))
        ask(TranscriptionModel("m", server.base_url, temperature=0.0), asking(_demo()))
    bare, cold = backend.requests
    assert bare.fields == {"model": "m", "response_format": "json"}
    assert float(cold.fields["temperature"]) == 0
    assert server.journal.violations == []


def test_gpt_transcribe_is_told_languages_and_keywords_and_nothing_that_it_refuses() -> None:
    backend = Backend()
    with OpenAIServer(backend, models=["gpt-transcribe"]) as server:
        settings: dict[str, Any] = {"language_field": "languages[]", "keywords": ["Ada", "Babbage"]}
        model = TranscriptionModel("gpt-transcribe", server.base_url, **settings)
        ask(model, asking(_demo(), language="en"), asking(_demo()))
    assert server.journal.violations == []
    fixed = {"model": "gpt-transcribe", "response_format": "json", "keywords[]": ["Ada", "Babbage"]}
    assert [request.fields for request in backend.requests] == [{**fixed, "languages[]": ["en"]}, fixed]
    assert {"language_field", "keywords[]"} <= set(model.fingerprint())


def test_what_is_billed_by_the_minute_is_counted_though_the_server_counts_tokens() -> None:
    with OpenAIServer(Backend("two words")) as server:
        model = TranscriptionModel("gpt-transcribe", server.base_url, prices={"audio_minute": 0.0045})
        (response,) = ask(model, asking(_demo()))
    assert response.usage is not None
    assert response.usage.audio_seconds == pytest.approx(_demo().waveform(16_000).size / 16_000)


def test_a_recording_larger_than_the_server_takes_is_not_sent() -> None:
    with OpenAIServer(Backend()) as server, pytest.raises(PermanentError, match="the service takes 1000"):
        ask(TranscriptionModel("m", server.base_url, request_limits={"recording_bytes": 1_000}), asking(_demo()))
    assert server.journal.hits == []


def test_the_recording_that_arrives_is_the_one_that_evalkit_decodes(tmp_path: Path) -> None:
    samples = np.stack([np.sin(np.arange(22_050) / 20), np.sin(np.arange(22_050) / 31)], axis=1) * 0.4
    soundfile.write(tmp_path / "stereo.wav", samples, 44_100)
    soundfile.write(tmp_path / "a.mp3", samples, 44_100)
    backend = Backend()
    recordings = [Audio("stereo.wav", tmp_path / "stereo.wav"), Audio("a.mp3", tmp_path / "a.mp3"), _demo()]
    with OpenAIServer(backend) as server:
        ask(TranscriptionModel("m", server.base_url), *(asking(recording) for recording in recordings))
    for request, recording in zip(backend.requests, recordings, strict=True):
        (sound,) = request.sounds
        assert sound.sample_rate == 16_000
        heard = recording.waveform(16_000)
        assert sound.samples.shape == (len(heard), 1)
        assert np.abs(sound.samples[:, 0] / 32_768 - heard).max() <= 1 / 65_536 + 1e-7


def test_usage_is_counted_in_tokens_or_in_seconds() -> None:
    def use(model: str, server: OpenAIServer) -> Usage | None:
        (response,) = ask(TranscriptionModel(model, server.base_url), asking(_demo()))
        return response.usage

    seconds = _demo().waveform(16_000).size / 16_000
    with OpenAIServer(Backend("two words")) as server:
        tokens, duration = use("gpt-4o-transcribe", server), use("whisper-1", server)
    heard = round(10 * seconds)
    assert tokens == Usage(requests=1, input_tokens=heard, output_tokens=2, input_audio_tokens=heard)
    assert duration == Usage(requests=1, audio_seconds=float(np.ceil(seconds)))


def test_an_empty_transcription_is_an_answer() -> None:
    with OpenAIServer(Backend(Answer(("",)))) as server:
        (response,) = ask(TranscriptionModel("m", server.base_url), asking(_demo()))
    assert isinstance(response, Response)
    assert (response.text, response.error) == ("", None)


@pytest.mark.parametrize("parts", [("only words",), (_demo(), _demo())], ids=["none", "two"])
def test_a_request_must_hold_exactly_one_recording(parts: tuple[object, ...]) -> None:
    with OpenAIServer(Backend()) as server, pytest.raises(PermanentError, match="exactly one recording"):
        ask(TranscriptionModel("m", server.base_url), asking(*parts))
    assert server.journal.hits == []


def test_a_recording_that_cannot_be_read_is_not_sent(tmp_path: Path) -> None:
    with OpenAIServer(Backend()) as server, pytest.raises(AudioError, match=r"x\.wav"):
        ask(TranscriptionModel("m", server.base_url), asking(Audio("x.wav", tmp_path / "x.wav")))
    assert server.journal.hits == []


def test_decoding_settings_of_a_prompt_profile_are_refused_and_not_ignored() -> None:
    with OpenAIServer(Backend()) as server, pytest.raises(ConfigurationError, match="max_new_tokens.*'recognizer'"):
        ask(TranscriptionModel("m", server.base_url), asking(_demo(), generation={"max_new_tokens": 5}))
    assert server.journal.hits == []


_DAMAGED = (
    Fault.RESET_MIDWAY,
    Fault.TRUNCATED_BODY,
    Fault.MALFORMED_JSON,
    Fault.EMPTY_BODY,
    Fault.HTML_PAGE,
    Fault.WRONG_SCHEMA,
)


@pytest.mark.parametrize("fault", _DAMAGED)
def test_a_damaged_answer_is_no_transcription(fault: Fault) -> None:
    server = OpenAIServer(Backend(), faults=scripted_faults([fault]))
    with server, pytest.raises(TransientError) as failure:
        ask(TranscriptionModel("m", server.base_url), asking(_demo()))
    assert (failure.value.unavailable, failure.value.overloaded) == (False, False)
    assert "\n" not in str(failure.value)
