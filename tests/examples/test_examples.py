"""The examples run as their page says, and hold what they promise."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.conftest import ROOT, CommandLine

pytestmark = pytest.mark.slow  # a whole run for each

EXAMPLES = ROOT / "examples"
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join((str(EXAMPLES), str(ROOT)))}
CONFIGS = ("--config-dir", str(EXAMPLES / "my_configs"))


def recall(folder: Path) -> dict[str, Any]:
    task: dict[str, Any] = json.loads((folder / "metrics.json").read_text())["tasks"]["keywords"]
    assert task["samples"]["failed"] == 0
    metric: dict[str, Any] = task["metrics"]["recall"]
    return metric


@contextmanager
def server(text: str, refusals: int = 0) -> Iterator[str]:
    """A server that is busy at first, and then hears the same text in every recording."""
    left = [refusals]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.rfile.read(int(self.headers["Content-Length"])).startswith(b"fLaC")
            busy = left[0] > 0
            left[0] -= busy
            body = b"" if busy else json.dumps({"text": text}).encode()
            self.send_response(503 if busy else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library calls it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/recognise"
        http.shutdown()


def test_a_task_and_a_local_model_of_ones_own(evalkit_command: CommandLine, tmp_path: Path) -> None:
    outcome = evalkit_command("run", *CONFIGS, "task=keywords", "model=nearest_length", "name=nearest", env=ENVIRONMENT)
    assert outcome.returncode == 0, outcome.stderr
    statistics = recall(tmp_path / "runs/nearest")["statistics"]
    assert statistics["heard"] == statistics["spoken"] > 4, "it was tested on what it knows"


def test_a_served_model_of_ones_own_is_asked_again_while_its_server_is_busy(
    evalkit_command: CommandLine, tmp_path: Path
) -> None:
    with server("Twenty red apples.", refusals=2) as url:
        words = (*CONFIGS, "task=keywords", "model=own_server", f"model.url={url}", "name=served")
        outcome = evalkit_command("run", *words, env=ENVIRONMENT)
    assert outcome.returncode == 0, outcome.stderr
    assert recall(tmp_path / "runs/served")["statistics"]["heard"] > 0


@pytest.mark.parametrize("what", ["models", "tasks"])
def test_they_are_listed(evalkit_command: CommandLine, what: str) -> None:
    outcome = evalkit_command("list", what, *CONFIGS, env=ENVIRONMENT)
    assert outcome.returncode == 0, outcome.stderr
    assert {"models": "nearest_length", "tasks": "keywords"}[what] in outcome.stdout


def test_the_notebook_reads_and_compares_runs(
    evalkit_command: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    words = (*CONFIGS, "task=keywords", "model=nearest_length", "name=base")
    assert evalkit_command("run", *words, env=ENVIRONMENT).returncode == 0
    with server("Twenty red apples.") as url:
        served = (*CONFIGS, "task=keywords", "model=own_server", f"model.url={url}", "name=new")
        assert evalkit_command("run", *served, env=ENVIRONMENT).returncode == 0
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in json.loads((EXAMPLES / "read_and_compare.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "read_and_compare.ipynb", "exec"), names)
    printed = capsys.readouterr().out
    assert "Keywords" in printed
    assert "keywords:apples,boston" in printed
