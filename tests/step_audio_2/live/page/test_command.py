"""The page from the assistant's own command line."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("silero_vad", reason="the live extra is not installed")


@pytest.mark.slow
def test_a_checkpoint_alone_has_a_page_that_leaves_nothing_behind(tiny_checkpoint: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "step_audio_2.live", str(tiny_checkpoint), "--page"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            address, _, remark = process.stdout.readline().partition(" ")
            assert remark == "(Ctrl-C ends it)\n"
            with urllib.request.urlopen(address, timeout=60) as page:
                assert b"<title>Chat</title>" in page.read()
            assert list(tmp_path.glob("chat-*")), "where conversations are kept while they last"
            process.terminate()
            assert process.wait(60) == 0
            assert not list(tmp_path.glob("chat-*"))
        finally:
            process.kill()
