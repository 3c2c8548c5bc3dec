"""Servers that a run starts: waited for, started again when they die, ended with the run."""

import asyncio
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from evalkit.errors import ConfigurationError, ServerUnavailableError
from evalkit.inference.processes import launched
from evalkit.inference.processes.launched import LaunchedServer, launch_of
from tests.processes import processes_saying, within

PROGRAM = Path(__file__).with_name("tiny_server.py")
COMMAND = f"{sys.executable} -S {PROGRAM} {{port}}"
Use = Callable[[LaunchedServer, str, list[str]], Coroutine[Any, Any, None]]


def serve(command: str, log: Path | None, use: Use, *, patience: float = 120.0) -> list[str]:
    """Have a server started by a command, use it, stop it; return what was told."""
    told: list[str] = []
    launch = launch_of("model", command, None)

    async def main() -> None:
        server = LaunchedServer("model", launch, log, ["sk-of-the-model"], patience, told.append)
        try:
            await use(server, launch.base_url, told)
        finally:
            await server.stop()

    asyncio.run(main())
    assert within(lambda: not processes_at(launch.base_url))
    return told


def processes_at(base_url: str) -> list[int]:
    """The server, and its keeper: its port stands on their command lines."""
    return processes_saying(f"{PROGRAM} {urlsplit(base_url).port}")


def get(url: str) -> int:
    """The status of an answer; 0 where there is none."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def die(base_url: str) -> None:
    """Have the server end itself."""
    with pytest.raises(OSError):  # noqa: PT011 - it may be closed or reset
        urllib.request.urlopen(base_url.removesuffix("/v1") + "/die", timeout=60)


def test_it_is_started_once_when_wanted_and_ended_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINY_TOKEN", "t0ken-of-the-environment")
    monkeypatch.setenv("PWD", os.getcwd())  # no password

    async def use(server: LaunchedServer, base_url: str, told: list[str]) -> None:
        assert get(base_url) == 0, "not before it is wanted"
        started = await asyncio.gather(server.ready(), server.ready(), server.ready())
        assert sorted(started) == [False, False, True]
        assert get(base_url) == 500
        assert not await server.ready()

    (line,) = serve(COMMAND, tmp_path / "log", use)
    assert line.startswith("model: starting its server at http://127.0.0.1:")
    assert line.endswith(f"; what it prints is kept in {tmp_path / 'log'}")
    printed = (tmp_path / "log").read_text()
    assert f"the token is (key removed), the folder is {os.getcwd()}" in printed
    assert "t0ken" not in printed


@pytest.mark.slow
def test_a_server_that_says_it_is_loading_is_waited_for() -> None:
    async def use(server: LaunchedServer, base_url: str, told: list[str]) -> None:
        await server.ready()
        assert get(base_url) == 500

    serve(f"{COMMAND} 3", None, use)


def test_a_server_that_dies_is_started_again_at_the_same_place_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launched, "_MOST_RESTARTS", 2)

    async def use(server: LaunchedServer, base_url: str, told: list[str]) -> None:
        for _ in range(3):
            assert await server.ready()
            await asyncio.to_thread(die, base_url)
            assert await asyncio.to_thread(within, lambda: not processes_at(base_url))
        for _ in range(2):
            with pytest.raises(ServerUnavailableError, match=r"model\.launch starts died 3 times; .* status 7"):
                await server.ready()
        assert "ended with status 7; it said: " in told[1]
        assert told[1].endswith("It is started again (1 of 2)")

    serve(COMMAND, None, use)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "patience", "message"),
    [
        ("sh -c 'echo no such model; exit 1' {port}", 120, "starts ended with status 1; it said: no such model"),
        ("sh -c 'echo reading; sleep 1000' {port}", 3, "starts gave no answer for 3 s and is still at work; .*reading"),
    ],
)
def test_a_server_that_never_answers_ends_the_run_with_its_last_words(
    command: str, patience: float, message: str, tmp_path: Path
) -> None:
    async def use(server: LaunchedServer, base_url: str, told: list[str]) -> None:
        with pytest.raises(ServerUnavailableError, match=message):
            await server.ready()

    serve(command, tmp_path / "log", use, patience=patience)


def test_where_it_listens_and_what_it_is_known_by() -> None:
    launch = launch_of("judge", "sh serve --port {port} --api-key sk-123456 TOKEN=abcdefgh", None)
    port = launch.command[3]
    assert launch.command == ("sh", "serve", "--port", port, "--api-key", "sk-123456", "TOKEN=abcdefgh")
    assert launch.base_url == f"http://127.0.0.1:{port}/v1"
    assert launch.identity == "sh serve --port {port} --api-key (key removed) TOKEN=(key removed)"
    assert {"sk-123456", "abcdefgh"} <= set(launch.secrets)
    other = launch_of("judge", "sh --port={port} 'a b'", "http://127.0.0.1:8000/openai/v1")
    assert other.command[2] == "a b"
    assert other.base_url.endswith("/openai/v1")
    assert ":8000" not in other.base_url
    assert launch_of("judge", "sh serve", "http://127.0.0.1:8000/v1").base_url == "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "judge.launch: nothing: no such program"),
        ("vlm-of-nobody serve", "judge.launch: vlm-of-nobody: no such program"),
        ("sh 'half", r"judge.launch: cannot be read \(No closing quotation\)"),
        ("sh serve", r"judge.launch: write \{port\} where its port goes, or give judge.base_url= as well"),
    ],
)
def test_a_command_that_cannot_be_is_refused_before_anything_starts(command: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        launch_of("judge", command, None)
