"""Voices behind the speech endpoint, put to a server that checks every field."""

import asyncio
from typing import Any

import pytest

from evalkit.errors import ConfigurationError, DataError, PermanentError, RejectedError, TransientError
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.clock import Clock
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.types import Call, Request, Response, Usage
from model_adapters.openai.speech import SpeechModel
from tests.model_adapters.serving import Backend, ask, ask_raw, asking, http, outcomes
from tests.servers.backends import Answer, ServedRequest
from tests.servers.faults import Fault, Faults, scripted_faults
from tests.servers.openai_server import OpenAIServer
from tests.servers.sound import SPEECH_RATE, tone

KEY = "sk-test-v01ce"
SECONDS = 0.25
SPOKEN = Answer(speech=tone(SECONDS))


def saying(text: str) -> Request:
    return asking(text, output="speech")


def length_of(response: Response) -> float:
    assert response.speech is not None
    return response.speech.seconds()


def test_every_field_arrives_as_documented() -> None:
    manner: dict[str, Any] = {"voice": "coral", "instructions": "Cheerfully.", "speed": 1.5}
    backend = Backend(SPOKEN)
    with OpenAIServer(backend, models=["gpt-4o-mini-tts"]) as server:
        voice = SpeechModel("gpt-4o-mini-tts", server.base_url, speech_format="flac", **manner)
        (response,) = ask(voice, saying("Twelve\nred  apples."))
    assert server.journal.violations == []
    assert backend.request.fields == {
        "model": "gpt-4o-mini-tts",
        "input": "Twelve red apples.",
        "voice": "coral",
        "instructions": "Cheerfully.",
        "speed": 1.5,
        "response_format": "flac",
    }
    assert (response.text, response.usage) == ("Twelve red apples.", Usage(requests=1, audio_seconds=SECONDS))
    assert length_of(response) == pytest.approx(SECONDS, abs=0.01)


def test_what_is_not_set_is_not_sent() -> None:
    backend = Backend(SPOKEN)
    with OpenAIServer(backend) as server:
        ask(SpeechModel("tts-1", server.base_url), saying("one"))
    assert backend.request.fields == {"model": "tts-1", "input": "one", "voice": "alloy", "response_format": "wav"}


@pytest.mark.parametrize("speech_format", ["wav", "flac", "mp3", "opus", "pcm"])
def test_every_format_is_heard_at_its_length(speech_format: str) -> None:
    with OpenAIServer(Backend(SPOKEN)) as server:
        (response,) = ask(SpeechModel("m", server.base_url, speech_format=speech_format), saying("one"))  # type: ignore[arg-type]
    assert response.speech is not None
    assert len(response.speech.waveform(16_000)) == pytest.approx(16_000 * SECONDS, rel=0.35)
    if speech_format == "pcm":
        assert response.speech.read_mono()[1] == SPEECH_RATE


@pytest.mark.parametrize(
    "fault",
    [
        Fault.TOO_MANY,
        Fault.SERVER_ERROR,
        Fault.BAD_GATEWAY,
        Fault.UNAVAILABLE,
        Fault.RESET_BEFORE,
        Fault.RESET_MIDWAY,
        Fault.TRUNCATED_BODY,
        Fault.EMPTY_BODY,
        Fault.HTML_PAGE,
        Fault.WRONG_SCHEMA,
    ],
)
def test_a_passing_failure_is_tried_again(fault: Fault) -> None:
    with OpenAIServer(Backend(SPOKEN), faults=scripted_faults([fault])) as server:
        first, second = outcomes(SpeechModel("m", server.base_url), saying("one"), saying("one"))
    assert isinstance(first, TransientError)
    assert isinstance(second, Response)


def test_an_error_in_the_place_of_sound_is_said() -> None:
    body = {"error": {"message": "the voice is busy", "code": 429}}
    error, _ = ask_raw(http(body), lambda url: SpeechModel("m", url), saying("one"))
    assert isinstance(error, TransientError)
    assert error.overloaded
    assert "the voice is busy" in str(error)


def test_half_a_sample_is_no_speech() -> None:
    answer = http(b"abc", content_type="audio/pcm")
    error, _ = ask_raw(answer, lambda url: SpeechModel("m", url, speech_format="pcm"), saying("one"))
    assert isinstance(error, TransientError)
    assert "in the middle of a sample" in str(error)


def test_what_cannot_be_asked_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Backend(SPOKEN)
    monkeypatch.setenv("VOICE_KEY", "sk-wrong")
    with OpenAIServer(backend, key=KEY) as server:
        long, empty, wrong, key = outcomes(
            SpeechModel("m", server.base_url, api_key_variable="VOICE_KEY"),
            saying("a" * 4097),
            saying(" "),
            asking("one", output="speech", generation={"temperature": 0}),
            saying("one"),
        )
    assert backend.requests == []
    assert isinstance(long, PermanentError)
    assert "a text of 4,097 characters is longer than 4,096" in str(long)
    assert isinstance(empty, DataError)
    assert isinstance(wrong, ConfigurationError)
    assert isinstance(key, RejectedError)
    assert "sk-wrong" not in str(key)
    with pytest.raises(ConfigurationError, match="speech_format"):
        SpeechModel("m", "http://127.0.0.1:1/v1", speech_format="aac")  # type: ignore[arg-type]


@pytest.mark.slow
def test_of_500_texts_none_is_lost_and_none_is_spoken_for_another() -> None:
    def spoken(request: ServedRequest) -> Answer:
        return Answer(speech=tone(0.01 * int(request.texts[0]) / 5))

    passing = dict.fromkeys((Fault.TOO_MANY, Fault.SERVER_ERROR, Fault.RESET_MIDWAY, Fault.EMPTY_BODY), 0.04)
    texts = [str(number) for number in range(5, 505)]

    async def main(base_url: str) -> list[Response]:
        model = SpeechModel("m", base_url, limits={"concurrency": 16})
        endpoint = ServedEndpoint("tts", model, Budget(BudgetCaps(), Usage()), None, Clock(), lambda _: None)
        responses = await asyncio.gather(*(endpoint.answer(Call("tts", saying(text))) for text in texts))
        await endpoint.close()
        return responses

    with OpenAIServer(spoken, faults=Faults(7, passing)) as server:
        responses = asyncio.run(main(server.base_url))
    assert [response.text for response in responses] == texts
    lengths = [length_of(response) for response in responses]
    assert lengths == pytest.approx([0.002 * int(text) for text in texts], abs=0.001)
    assert server.journal.violations == []
