"""The server as a process of its own, killed and started again on its port."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import ROOT
from tests.servers.clients import Received, chat, exchange, recording

JSON = {"content-type": "application/json"}


@contextmanager
def process(*options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process and its port; it is killed in the end if it still runs."""
    command = [sys.executable, "-m", "tests.servers.openai_server", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ}) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:"), line
            assert line.endswith("/v1\n")
            yield server, int(line.split(":")[-1].removesuffix("/v1\n"))
        finally:
            server.kill()


def ask(connection: http.client.HTTPConnection, content: str) -> Received:
    return exchange(connection, "/chat/completions", json.dumps(chat(content)).encode(), JSON)


@pytest.mark.slow
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_port_is_taken_again_at_once_while_clients_hold_on(fast: bool, number: signal.Signals) -> None:
    mode = ["--fast"] if fast else []
    with process(*mode) as (server, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        assert ask(connection, "first").status == 200
        server.send_signal(number)
        assert server.wait(60) == (0 if number is signal.SIGTERM else -signal.SIGKILL)
    with process("--port", str(port), *mode) as (_, same_port):
        assert same_port == port
        with pytest.raises(ConnectionError):
            ask(connection, "second")
        connection.close()
        assert ask(connection, "second").status == 200


def test_the_strict_process_checks_keys_and_deals_out_faults() -> None:
    options = ["--key", "sk-test", "--fault", "500=0.5", "--fault-limit", "1", "--seed", "1"]
    with process(*options) as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        assert ask(connection, "x").status == 401
        headers = {**JSON, "authorization": "Bearer sk-test"}
        for number in range(10):
            exchange(connection, "/chat/completions", json.dumps(chat(f"{number}")).encode(), headers)
        connection.request("GET", "/journal")
        summary = json.loads(connection.getresponse().read())
    assert summary["outcomes"]["unauthorised"] == 1
    assert summary["outcomes"]["500"] + summary["outcomes"]["answered"] == 10
    assert summary["outcomes"]["500"] in range(1, 10)
    assert (summary["connections"], summary["violations"]) == (1, 0)


def test_the_fast_process_gives_canned_answers_whatever_it_is_sent() -> None:
    with process("--fast", "--latency", "0.05") as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for seconds in (0.1, 10.0, 30.0):
            body = json.dumps(chat(recording(seconds))).encode()
            completion = exchange(connection, "/chat/completions", body, JSON).json
            assert completion["choices"][0]["message"]["content"] == "canned words"
        assert exchange(connection, "/audio/transcriptions", b"x" * 9, {}).json["text"] == "canned words"
        connection.request("GET", "/journal")
        summary = json.loads(connection.getresponse().read())
    assert (summary["connections"], summary["peak_concurrency"], summary["outcomes"]) == (1, 1, {"answered": 4})
