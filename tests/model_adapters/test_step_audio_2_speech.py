"""From codes to sound, in a thread beside the event loop."""

import asyncio
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from evalkit.errors import ConfigurationError, PermanentError
from evalkit.types import Message, Request, ToolCall
from model_adapters.step_audio_2.served import StepAudio2Server
from tests.model_adapters.serving import Backend, ask, asking, outcomes
from tests.model_adapters.step_audio_2_exchange import MODEL, demo, exchange
from tests.servers.step_audio_answers import Parsers, spoken
from tests.servers.step_audio_server import StepAudioServer

SPOKEN = spoken("Hello there", [3, 1, 4, 1, 5])


def stairs(codes: Sequence[int]) -> npt.NDArray[np.float32]:
    """A synthesizer whose sound tells the codes: 960 samples for each."""
    return np.repeat(np.array(codes, np.float32) / 6561, 960)


def test_codes_become_speech_at_24_khz() -> None:
    (response,) = exchange(Backend(SPOKEN), asking(output="speech"), synthesizer=stairs)
    assert response.text == "Hello there"
    assert response.speech is not None
    waveform = response.speech.waveform(24_000)
    np.testing.assert_allclose(waveform, stairs([3, 1, 4, 1, 5]), atol=1 / 32_768)
    assert response.speech.duration == pytest.approx(5 / 25)


def test_speech_louder_than_full_scale_is_clipped() -> None:
    def loud(codes: Sequence[int]) -> npt.NDArray[np.float32]:
        return np.array([1.5, -1.5] * 100, np.float32)

    (response,) = exchange(Backend(SPOKEN), asking(output="speech"), synthesizer=loud)
    assert response.speech is not None
    np.testing.assert_allclose(response.speech.waveform(24_000), [1, -1] * 100, atol=1e-4)


def test_an_answer_without_codes_has_no_speech_and_no_work_for_a_synthesizer() -> None:
    def never(codes: Sequence[int]) -> Any:
        raise AssertionError("there is nothing to be heard")

    request = asking(output="speech")
    (written,) = exchange(Backend("In writing."), request, synthesizer=never)
    assert (written.text, written.speech, written.error) == ("In writing.", None, None)
    (text,) = exchange(Backend(SPOKEN), asking(), synthesizer=never)
    assert (text.text, text.speech) == ("Hello there", None)


def test_without_a_synthesizer_a_spoken_answer_is_its_words() -> None:
    (response,) = exchange(Backend(SPOKEN), asking(output="speech"))
    assert (response.text, response.speech) == ("Hello there", None)


def test_the_event_loop_goes_on_and_one_answer_is_synthesised_at_a_time() -> None:
    """The synthesizer waits for the event loop, which would never come if it were blocked."""
    at_work, most = 0, 0
    threads: set[threading.Thread] = set()
    loop_went_on = threading.Event()

    def slow(codes: Sequence[int]) -> npt.NDArray[np.float32]:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        threads.add(threading.current_thread())
        assert loop_went_on.wait(60)
        at_work -= 1
        return stairs(codes)

    async def main(base_url: str) -> StepAudio2Server:
        model = StepAudio2Server(MODEL, base_url, synthesizer=slow)
        asked = [asyncio.create_task(model.answer(asking(f"{number}", output="speech"))) for number in range(5)]
        async with asyncio.timeout(60):
            while not at_work:
                await asyncio.sleep(0.001)
            loop_went_on.set()
            assert all(response.speech is not None for response in await asyncio.gather(*asked))
        await model.close()
        return model  # whose thread would end with it

    with StepAudioServer(Backend(SPOKEN)) as server:
        _model = asyncio.run(main(server.base_url))
    assert most == 1
    (thread,) = threads
    assert thread is not threading.main_thread()
    thread.join(10)
    assert not thread.is_alive(), "a closed model leaves a thread behind"


@pytest.mark.parametrize("sound", [np.full(960, np.nan, np.float32), np.zeros((1, 960), np.float32)])
def test_a_synthesizer_that_gives_no_sound_costs_one_answer(sound: npt.NDArray[np.float32]) -> None:
    with StepAudioServer(Backend(SPOKEN)) as server:
        model = StepAudio2Server(MODEL, server.base_url, synthesizer=lambda codes: sound)
        failure, written = outcomes(model, asking(output="speech"), asking())
    assert isinstance(failure, PermanentError)
    assert str(failure) == "the synthesizer gave no waveform of finite samples"
    assert not isinstance(written, Exception)


# --- the published synthesizer, very small; it takes PyTorch, and so some seconds


@pytest.fixture(scope="module")
def token2wav(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder in the form of the published one."""
    from step_audio_2.testing.tiny_token2wav import write_tiny_token2wav

    return str(write_tiny_token2wav(tmp_path_factory.mktemp("token2wav")))


@pytest.mark.slow
def test_the_published_synthesizer_speaks_in_the_voice_that_it_is_given(token2wav: str) -> None:
    from step_audio_2 import Token2Wav

    synthesizer = Token2Wav.from_pretrained(token2wav)
    heard, fingerprints = [], []
    with StepAudioServer(Backend(SPOKEN)) as server:
        for number in (0, 20):
            voice = str(demo(number).path)
            model = StepAudio2Server(MODEL, server.base_url, token2wav=token2wav, voice=voice)
            fingerprints.append(model.fingerprint())
            (response,) = ask(model, asking(output="speech"))
            assert response.speech is not None
            heard.append(response.speech.waveform(24_000))
            expected = synthesizer([3, 1, 4, 1, 5], voice).numpy()
            np.testing.assert_allclose(heard[-1], expected.clip(-1, 1), atol=1 / 32_768)
    assert np.abs(heard[0] - heard[1]).max() > 0.001
    assert fingerprints[0]["speech"]["token2wav"] == fingerprints[1]["speech"]["token2wav"]
    assert fingerprints[0] != fingerprints[1]
    assert token2wav not in str(fingerprints), "where the files lie decides no answer"


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_speech_is_in_the_voice_of_the_recording_that_a_tool_found(token2wav: str, stream: bool) -> None:
    from step_audio_2 import Token2Wav

    called = Message("assistant", ("",), (ToolCall("timbre_rag", '{"query": "another"}', "1"),))
    result = Message("tool", ("changed", demo(20)), tool_call_id="1")
    found = Request((Message("user", ("Hello",)), called, result), output="speech")
    with StepAudioServer(Backend(SPOKEN)) as server:
        voice = str(demo(0).path)
        model = StepAudio2Server(MODEL, server.base_url, token2wav=token2wav, voice=voice, stream=stream)
        before, after = (response.speech for response in ask(model, asking(output="speech"), found))
    assert server.journal.violations == []
    assert before is not None
    assert after is not None
    synthesizer = Token2Wav.from_pretrained(token2wav)
    for speech, number in ((before, 0), (after, 20)):
        spoken_by = str(demo(number).path)
        utterance = synthesizer.stream(spoken_by)
        codes = [3, 1, 4, 1, 5]
        pieces = np.concatenate([utterance.feed(codes).numpy(), utterance.flush().numpy()])
        expected = pieces if stream else synthesizer(codes, spoken_by).numpy()
        np.testing.assert_allclose(speech.waveform(24_000), expected.clip(-1, 1), atol=1 / 32_768)


@pytest.mark.slow
def test_in_this_process_too(tiny_step_audio_2: Path) -> None:
    from step_audio_2 import Token2Wav
    from step_audio_2.special_tokens import FIRST_AUDIO_CODE
    from tests.tasks.tool_loop.steered import SteeredStepAudio2

    adapter = SteeredStepAudio2(str(tiny_step_audio_2), device="cpu")
    said = (Message("user", ("Hello",)), Message("assistant", ("Hi",)), Message("user", ("Be another.",)))
    found = Message("tool", ("changed", demo(20)))
    request = Request((*said, found), output="speech", sample_id="voices-en-1")
    (response,) = adapter.generate([request])
    assert response.speech is not None
    codes = [token - FIRST_AUDIO_CODE for token in json.loads(response.tokens) if token >= FIRST_AUDIO_CODE]
    expected = Token2Wav.from_pretrained(tiny_step_audio_2 / "token2wav")(codes, str(demo(20).path)).numpy()
    np.testing.assert_allclose(response.speech.waveform(24_000), expected.clip(-1, 1), atol=1 / 32_768)


@pytest.mark.slow
def test_a_streamed_answer_is_made_into_sound_while_it_comes(token2wav: str) -> None:
    """All that the server will send comes at once here, but the sound is that of a stream, and its time is told."""
    from step_audio_2 import Token2Wav

    codes = [number * 7 % 6561 for number in range(90)]
    voice = str(demo().path)
    with StepAudioServer(Backend(spoken("Hello there", codes))) as server:
        model = StepAudio2Server(MODEL, server.base_url, token2wav=token2wav, voice=voice, stream=True)
        response, again = ask(model, asking(output="speech"), asking("again", output="speech"))
    assert response.speech is not None
    utterance = Token2Wav.from_pretrained(token2wav).stream(voice)
    expected = np.concatenate([utterance.feed(codes).numpy(), utterance.flush().numpy()])
    np.testing.assert_allclose(response.speech.waveform(24_000), expected.clip(-1, 1), atol=1 / 32_768)
    assert response.first_sound is not None
    assert again.first_sound is not None
    assert response.tokens == again.tokens


@pytest.mark.slow
def test_speech_that_a_server_leaves_in_the_text_is_made_into_sound_whole(token2wav: str) -> None:
    with StepAudioServer(Backend(SPOKEN), parsers=Parsers(speech=False)) as server:
        model = StepAudio2Server(MODEL, server.base_url, token2wav=token2wav, voice=str(demo().path), stream=True)
        (response,) = ask(model, asking(output="speech"))
    assert response.speech is not None
    assert len(response.speech.waveform(24_000)) == 5 * 960
    assert response.first_sound is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"voice": "voice.wav"}, "give its folder with token2wav="),
        ({"token2wav": "there"}, "give one with voice="),
        ({"token2wav": "nowhere", "voice": "voice.wav"}, "token2wav: .*nowhere"),
        ({"token2wav": "there", "voice": "nowhere.wav"}, "voice: .*nowhere.wav"),
        ({"token2wav": "there", "voice": "voice.wav"}, "voice: .*voice.wav"),
    ],
)
def test_a_synthesizer_that_cannot_be_loaded_is_missed_at_once(
    tmp_path: Path, token2wav: str, settings: dict[str, str], message: str
) -> None:
    (tmp_path / "there").symlink_to(token2wav)
    (tmp_path / "voice.wav").touch()
    paths: dict[str, Any] = {name: str(tmp_path / path) for name, path in settings.items()}
    with pytest.raises(ConfigurationError, match=message):
        StepAudio2Server(MODEL, "http://127.0.0.1/v1", **paths)
