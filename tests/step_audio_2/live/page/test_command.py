"""The page from the assistant's own command line."""

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("silero_vad", reason="the live extra is not installed")


@pytest.mark.slow
def test_a_checkpoint_alone_has_a_page(tiny_checkpoint: Path) -> None:
    command = [sys.executable, "-m", "step_audio_2.live", str(tiny_checkpoint), "--page"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address, _, remark = process.stdout.readline().partition(" ")
            assert remark == "(Ctrl-C ends it)\n"
            with urllib.request.urlopen(address, timeout=60) as page:
                assert b"<title>Chat</title>" in page.read()
        finally:
            process.terminate()
