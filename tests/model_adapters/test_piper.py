"""Piper as a program: a stand-in that takes lines and leaves files as it does, and the real one where it is there."""

import os
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from evalkit.errors import ConfigurationError
from evalkit.inference.batching import answer_batch
from evalkit.inference.packing import Packing
from evalkit.inference.work_clock import WorkClock
from evalkit.testing import check_adapter
from evalkit.types import Message, Request
from model_adapters.piper import Piper

# As piper 1.8.0: a line of standard input is a text, empty ones are passed over, and a file is named after a clock. It
# stumbles over what it makes no sound of, at the end of the file that it has begun.
_PROGRAM = """#!{python}
import argparse, sys, time, wave
from pathlib import Path
parser = argparse.ArgumentParser()
for name in ("model", "output-dir", "speaker", "length-scale", "noise-scale", "noise-w-scale"):
    parser.add_argument("--" + name)
options = parser.parse_args()
assert options.noise_scale == options.noise_w_scale == "0.0", "what is drawn at random differs every time"
for line in sys.stdin:
    if not line.strip():
        continue
    with wave.open(str(Path(options.output_dir) / f"{{time.monotonic_ns()}}.wav"), "wb") as file:
        if line.strip().isalpha() or " " in line:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(22050)
            file.writeframes(bytes([len(line) % 250, 1]) * (441 * len(line.strip())))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "piper"
    file.write_text(_PROGRAM.format(python=sys.executable))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    file = tmp_path / "joe.onnx"
    file.write_bytes(b"voice")
    Path(f"{file}.json").write_text("{}")
    return file


def saying(*texts: str) -> list[Request]:
    return [Request((Message("user", (text,)),), output="speech") for text in texts]


def lengths(piper: Piper, texts: Sequence[str]) -> list[float | None]:
    responses = answer_batch(piper, saying(*texts), Packing(16), WorkClock())
    return [None if response.speech is None else round(response.speech.seconds(), 3) for response in responses]


def test_each_text_gets_its_own_speech(program: Path, voice: Path) -> None:
    piper = Piper(str(voice), program=str(program))
    assert lengths(piper, ["abc", "two\nlines", "--model x"]) == [0.06, 0.18, 0.18]
    check_adapter(piper, saying("one", "four", "eleven"))


def test_a_text_without_a_sound_fails_alone_and_moves_no_other(program: Path, voice: Path) -> None:
    assert lengths(Piper(str(voice), program=str(program)), ["abc", "...", "abcdef"]) == [0.06, None, 0.12]


def test_what_is_not_there_is_said_with_what_to_do(program: Path, voice: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no/piper: no such program; .*pip install piper-tts, then program="):
        Piper(str(voice), program="no/piper")
    with pytest.raises(ConfigurationError, match=r"nobody\.onnx: no such file"):
        Piper("nobody.onnx", program=str(program))
    Path(f"{voice}.json").unlink()
    with pytest.raises(ConfigurationError, match=r"joe\.onnx\.json: no such file"):
        Piper(str(voice), program=str(program))


def test_the_real_program_speaks_alike_every_time() -> None:
    path, found = os.environ.get("PIPER_VOICE"), shutil.which("piper")
    if not path or not found:
        pytest.skip("piper-tts is not installed, or PIPER_VOICE does not name a voice")
    piper = Piper(path, program=found)
    first, second = (lengths(piper, ["Hello there.", "...", "Good morning to you all."]) for _ in range(2))
    assert first == second
    assert first[1] is None
    assert 0.5 < (first[0] or 0) < (first[2] or 0) < 5
