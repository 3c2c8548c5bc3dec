"""PocketSphinx on the speech of the embedded demo."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.types import Request
from model_adapters.pocketsphinx import PocketSphinx
from tests.model_adapters.conftest import asking


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    program = (
        "import sys; sys.modules['pocketsphinx'] = None\n"
        "from model_adapters.pocketsphinx import PocketSphinx\n"
        "PocketSphinx()"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert "ConfigurationError" in outcome.stderr
    assert "[pocketsphinx]'" in outcome.stderr


@pytest.fixture(scope="module")
def pocketsphinx() -> PocketSphinx:
    pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed")
    return PocketSphinx()


@pytest.mark.slow
def test_an_answer_is_that_of_a_decoder_that_has_heard_nothing_before(
    pocketsphinx: PocketSphinx, demo_requests: list[Request]
) -> None:
    """Left to itself, the decoder's noise estimate lives on and changes later answers."""
    pocketsphinx.generate(demo_requests)
    used = pocketsphinx.generate(demo_requests[:1])
    assert PocketSphinx().generate(demo_requests[:1]) == used
    assert used[0].text


@pytest.mark.parametrize("samples", [1, 160, 16_000])
def test_silence_and_very_short_recordings_are_answered(
    pocketsphinx: PocketSphinx, tmp_path: Path, samples: int
) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(samples), 16_000)
    (response,) = pocketsphinx.generate([asking(tmp_path / "silence.wav")])
    assert not response.failed


def test_english_alone_is_understood(pocketsphinx: PocketSphinx) -> None:
    assert pocketsphinx.capabilities.languages == frozenset({"en"})
