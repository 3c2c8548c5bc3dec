"""Talking with a served model on a terminal, and holding what was kept again with another one."""

import subprocess
import sys
from pathlib import Path

import pytest

from step_audio_2.live.saved import SavedConversation
from tests.conftest import ROOT
from tests.model_adapters.live_conversations import scripted
from tests.servers.backends import Answer, Called
from tests.servers.openai_server import OpenAIServer

pytest.importorskip("bm25s", reason="the live extra is not installed")

pytestmark = pytest.mark.slow  # every call loads torch


def talk(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "model_adapters.live", "model=openai_chat", "model.model=m", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_a_conversation_is_held_kept_and_held_again(tmp_path: Path) -> None:
    calculating = Answer(("One moment. ",), (Called("calculate", '{"expression": "3 * 4"}'),))
    with OpenAIServer(scripted(calculating, "Twelve.", calculating, "A dozen.")) as server:
        address = f"model.base_url={server.base_url}"
        kept = tmp_path / "kept"
        done = talk(address, "--say", "3 times 4?", "--save", kept, "--voices", tmp_path, "--system", "Be brief.")
        assert done.returncode == 0, done.stderr
        assert "[1] 3 times 4?\nOne moment. \n-> calculate" in done.stdout
        assert "<- 3 * 4 = 12 [" in done.stdout
        assert done.stderr == "the model has no voice that could be changed: --voices is left out\n"
        again = talk(address, "--replay", kept)
        assert again.returncode == 0, again.stderr
        assert "then: One moment. Twelve.\nnow:  One moment. \n-> calculate" in again.stdout
        assert again.stdout.endswith("A dozen.\n")
    assert server.journal.violations == []
    about = SavedConversation.load(kept).about
    assert about.model["title"] == "Served model"
    assert about.model["models"]["model"]["model"] == "m"
    assert about.system == "Be brief."


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    done = talk("--replay", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("conversation.json: no such file; a saved conversation has it\n")
    done = talk("--say", "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: model.base_url must be given: model.base_url=VALUE\n"
