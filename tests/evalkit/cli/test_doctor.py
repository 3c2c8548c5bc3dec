"""What ``evalkit doctor`` says can run here, and what it says is missing."""

import http.server
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.cli import can_run
from evalkit.cli.can_run import model_state
from tests.conftest import CommandLine

KEY = "OPENAI_API_KEY"


@pytest.fixture
def server() -> Iterator[str]:
    """A server that turns every request without a key away, as OpenAI's does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/v1"
        listening.shutdown()


def states(text: str) -> dict[str, str]:
    state: dict[str, str] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        state.setdefault(name, rest.strip())
    return state


@pytest.mark.slow
@pytest.mark.parametrize("key", [None, "", "sk-secret-of-doctor"])
def test_a_model_whose_key_is_absent_is_named_with_the_variable_that_is_to_hold_it(
    key: str | None, tmp_path: Path, server: str, evalkit_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    monkeypatch.delenv(KEY, raising=False)
    (tmp_path / "mine/model").mkdir(parents=True)
    mine = f"defaults: [gpt_4o_mini, _self_]\ntitle: Mine\nbase_url: {server}\n"
    (tmp_path / "mine/model/mine.yaml").write_text(mine)
    outcome = evalkit_command("doctor", "--config-dir", "mine", env={} if key is None else {KEY: key})
    assert outcome.returncode == 0, outcome.stderr
    state = states(outcome.stdout)
    assert KEY not in os.environ
    absent = f"no: the environment variable {KEY}, which is to hold the API key, is not set"
    assert state["mine"] == ("yes" if key else absent)
    assert state["openai_chat"] == "yes, give model.model=, model.base_url="
    assert state["qwen3_32b"].startswith("no: nothing answers at http://127.0.0.1:8000/v1 (")
    assert "pybase64 " in state["openai"]
    assert "sk-secret" not in outcome.stdout + outcome.stderr
    assert "${" not in outcome.stdout


def test_weights_that_are_not_here_are_a_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert model_state({"path": "org/name"}).startswith("no: its weights are not on this machine")
    (tmp_path / "hub/models--org--name/snapshots/1").mkdir(parents=True)
    assert model_state({"path": "org/name"}) == "yes"
    assert model_state({"path": str(tmp_path / "absent")}).endswith("absent: no such file or folder")
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers/asr.jsonl").touch()
    assert model_state({"path": f"{tmp_path}/answers/{{task}}.jsonl"}) == "yes"


def test_weights_larger_than_memory_are_a_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(2000))
    monkeypatch.setattr(can_run, "_memory_bytes", lambda: 1999)
    assert "its weights take" in model_state({"path": str(tmp_path)})
    monkeypatch.setattr(can_run, "_memory_bytes", lambda: 2000)
    assert model_state({"path": str(tmp_path)}) == "yes"


@pytest.mark.slow
def test_a_broken_file_of_the_users_is_said_in_its_line(tmp_path: Path, evalkit_command: CommandLine) -> None:
    for group in ("model", "task"):
        (tmp_path / "mine" / group).mkdir(parents=True)
        (tmp_path / "mine" / group / "broken.yaml").write_text("a: [1\nb: 2\n")
    outcome = evalkit_command("doctor", "--config-dir", "mine")
    assert outcome.returncode == 0, outcome.stderr
    broken = [line for line in outcome.stdout.splitlines() if line.startswith("broken ")]
    assert len(broken) == 2
    assert all("broken.yaml, line 2" in line for line in broken)
    assert "demo_clean " in outcome.stdout


def test_what_a_model_in_another_python_needs_is_not_looked_for_here(tmp_path: Path) -> None:
    settings = {"requires": ["a_library_of_another_world"], "path": "/no/weights", "extra": "x"}
    assert model_state(settings).startswith("no: a_library_of_another_world not installed")
    assert model_state({**settings, "python": sys.executable}) == "yes"
    assert model_state({**settings, "python": "???", "requires": []}).startswith("no: /no/weights")
    state = model_state({**settings, "python": str(tmp_path / "python")})
    assert state == f"no: {tmp_path / 'python'}, in which it is to work, is no program"


def test_a_server_that_the_run_starts_need_not_be_there() -> None:
    settings = {"base_url": "http://127.0.0.1:9/v1"}
    assert model_state(settings).startswith("no: nothing answers at")
    assert model_state({**settings, "launch": "sh serve --port {port}"}) == "yes"
    assert model_state({"base_url": "???", "launch": "sh serve --port {port}"}) == "yes"
    assert model_state({"base_url": "???", "launch": "sh serve"}) == "yes, give model.base_url="
    state = model_state({**settings, "launch": "vlm-of-nobody serve {port}"})
    assert state == "no: vlm-of-nobody, which is to start its server, is no program"
