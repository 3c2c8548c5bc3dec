"""The speaker encoder as a model, and the voice of what a tool found; random weights tell no voices apart."""

import json
import shutil
from pathlib import Path

import pytest

from evalkit.audio import Audio
from evalkit.errors import AudioError, ConfigurationError
from evalkit.testing import check_adapter
from evalkit.types import Message, Request, Response
from tasks.tool_loop.voice import cosine, read_embedding
from tests.model_adapters.conftest import asking, noise
from tests.tasks.tool_loop.talker import FOLDER

pytest.importorskip("torch", reason="torch is not installed")

from model_adapters.step_audio_2.speaker_encoder import SpeakerEncoder
from model_adapters.step_audio_2.speech import voice_of
from step_audio_2.speech import Token2Wav


@pytest.fixture(scope="module")
def encoder(tiny_step_audio_2: Path) -> SpeakerEncoder:
    return SpeakerEncoder(str(tiny_step_audio_2 / "token2wav"))


@pytest.fixture(scope="module")
def token2wav(tiny_step_audio_2: Path) -> Token2Wav:
    return Token2Wav.from_pretrained(tiny_step_audio_2 / "token2wav")


def vector(response: Response) -> tuple[float, ...]:
    embedding = read_embedding(response.text)
    assert embedding is not None
    return embedding


def found(*recordings: Audio) -> Request:
    return Request(tuple(Message("tool", ("changed", recording)) for recording in recordings))


def test_the_adapter_is_as_all_are(encoder: SpeakerEncoder) -> None:
    requests = [asking(FOLDER / "voices" / f"{name}.flac") for name in ("robot", "scottish_man")]
    check_adapter(encoder, requests)
    [robot, _] = encoder.generate(requests)
    assert len(vector(robot)) == 192


def test_a_moment_of_sound_tells_no_voice(encoder: SpeakerEncoder, tmp_path: Path) -> None:
    [response] = encoder.generate([asking(noise(tmp_path / "short.wav", 0.1))])
    assert response.failure is not None
    assert "0.2 s" in response.failure.message


def test_a_folder_without_the_network_is_named(tiny_step_audio_2: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        SpeakerEncoder(str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="holds neither campplus.onnx nor campplus.safetensors"):
        SpeakerEncoder(str(tmp_path))
    broken = Path(shutil.copy(tiny_step_audio_2 / "token2wav" / "campplus.safetensors", tmp_path))
    broken.write_bytes(broken.read_bytes()[:1000])
    with pytest.raises(ConfigurationError, match=r"campplus\.safetensors"):
        SpeakerEncoder(str(tmp_path))


def test_speech_is_made_of_the_embedding_of_the_recording_that_was_found_last(
    encoder: SpeakerEncoder, token2wav: Token2Wav
) -> None:
    voices = {name: FOLDER / "voices" / f"{name}.flac" for name in ("robot", "grandfather")}
    recordings = {name: Audio(name, path) for name, path in voices.items()}
    assert voice_of(Request((Message("user", (recordings["robot"],)),)), token2wav) is None, "the user's own voice"
    after = voice_of(found(recordings["robot"], recordings["grandfather"]), token2wav)
    assert after is not None
    similar = {
        name: cosine(vector(encoder.generate([asking(path)])[0]), tuple(after.speaker_embedding[0].tolist()))
        for name, path in voices.items()
    }
    assert similar["grandfather"] == pytest.approx(1, abs=1e-4)
    assert similar["robot"] < similar["grandfather"]


def test_on_real_speech_the_embedding_moves_to_the_target(
    encoder: SpeakerEncoder, token2wav: Token2Wav, shared_data: Path
) -> None:
    """Of the prompt alone: what random weights make of it sounds like nobody."""
    audio = shared_data / "librispeech_clean" / "audio"
    old, target = audio / "1089-134686-0000.flac", audio / "2412-153948-0001.flac"
    before, wanted = (vector(response) for response in encoder.generate([asking(old), asking(target)]))
    after = voice_of(found(Audio("target", target)), token2wav)
    assert after is not None
    assert cosine(tuple(after.speaker_embedding[0].tolist()), wanted) > cosine(before, wanted)


def test_a_found_recording_need_not_be_a_file_and_must_be_sound(token2wav: Token2Wav) -> None:
    path = FOLDER / "voices" / "robot.flac"
    of_file = voice_of(found(Audio("robot", path)), token2wav)
    of_bytes = voice_of(found(Audio("robot", content=path.read_bytes)), token2wav)
    assert of_file is not None
    assert of_bytes is not None
    assert of_file.speaker_embedding.equal(of_bytes.speaker_embedding)
    with pytest.raises(AudioError):
        voice_of(found(Audio("broken", content=lambda: b"RIFF")), token2wav)


def test_the_reply_is_json_that_is_the_same_each_time(encoder: SpeakerEncoder) -> None:
    request = asking(FOLDER / "voices" / "robot.flac")
    replies = {encoder.generate([request])[0].text for _ in range(2)}
    assert len(replies) == 1
    assert all(isinstance(value, float) for value in json.loads(replies.pop()))
