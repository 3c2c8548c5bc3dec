"""A server that a run starts, for a model that is asked over HTTP."""

import asyncio
import http.client
import os
import shlex
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from evalkit.errors import ConfigurationError, ServerUnavailableError
from evalkit.inference.processes.kept import KeptProcess
from evalkit.redaction import redacted_text, secrets_of_command, secrets_of_environment

PORT = "{port}"
"""Stands in a command where the port goes."""

_HOST = "127.0.0.1"
_USUAL_PATH = "/v1"
_MOST_RESTARTS = 10
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two looks whether it answers
_SECONDS_TO_ANSWER = 30.0  # some look through a folder of models first
_NOT_YET = (502, 503, 504)  # others come from servers at work: some answer 500 where they cannot list their models


@dataclass(frozen=True, slots=True)
class Launch:
    """A command that starts a server, and where it will listen.

    Attributes:
        command: its words.
        base_url: of the server.
        identity: the command as it was given, port left open and secrets cut: what the server is known by.
        secrets: that stand in the command or in the environment, which the server may print.
    """

    command: tuple[str, ...]
    base_url: str
    identity: str
    secrets: tuple[str, ...]


def launch_of(role: str, command: str, base_url: str | None) -> Launch:
    """Return how a server is started.

    Args:
        role: whose server it is, for messages.
        command: a program and its arguments, in a shell's quotes; no shell is asked. ``{port}`` stands for a free port.
        base_url: where the server listens; of a command with ``{port}`` its path alone counts.

    Raises:
        ConfigurationError: the command cannot be read, there is no such program, or nobody knows where it listens.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigurationError(f"{role}.launch: cannot be read ({error}): {command}") from None
    program = words[0] if words else ""
    if shutil.which(os.path.expanduser(program)) is None:
        raise ConfigurationError(f"{role}.launch: {program or 'nothing'}: no such program")
    words[0] = os.path.expanduser(program)
    if PORT in command:
        port = str(_free_port())
        words = [word.replace(PORT, port) for word in words]
        base_url = f"http://{_HOST}:{port}{urlsplit(base_url or '').path or _USUAL_PATH}"
    if not base_url:
        raise ConfigurationError(f"{role}.launch: write {PORT} where its port goes, or give {role}.base_url= as well")
    secrets = secrets_of_command(command)
    identity = redacted_text(" ".join(command.split()), secrets)
    return Launch(tuple(words), base_url, identity, (*secrets, *secrets_of_environment()))


class LaunchedServer:
    """A server under this run's care: started when it is first wanted, started again when it dies, ended at the end.

    Args:
        role: whose server it is, for messages.
        launch: how it is started.
        log: the file to which what it prints is added, without secrets; or None.
        secrets: of the model that asks it.
        patience: seconds within which it must answer once started.
        notify: told, in a line for people, of every start.
    """

    def __init__(
        self,
        role: str,
        launch: Launch,
        log: Path | None,
        secrets: Iterable[str],
        patience: float,
        notify: Callable[[str], None],
    ) -> None:
        self._role = role
        self._launch = launch
        self._log = log
        self._secrets = (*secrets, *launch.secrets)
        self._patience = patience
        self._notify = notify
        self._process: KeptProcess | None = None
        self._answers = False
        self._restarts = 0
        self._starting = asyncio.Lock()
        self._given_up: ServerUnavailableError | None = None

    async def ready(self) -> bool:
        """Have the server at work; return whether it had to be started for it.

        Raises:
            ServerUnavailableError: it cannot be started, or has died too often.
        """
        if self._at_work():
            return False
        async with self._starting:
            if self._at_work():
                return False
            if self._given_up is not None:
                raise self._given_up
            try:
                await self._start()
            except ServerUnavailableError as error:
                self._given_up = error
                raise
            return True

    async def stop(self) -> None:
        """End the server and all that it started; it is not started again."""
        self._given_up = self._given_up or ServerUnavailableError(f"{self._role}: its server was ended with the run")
        if self._process is not None:
            await asyncio.to_thread(self._process.end)

    def _at_work(self) -> bool:
        return self._answers and self._process is not None and self._process.alive

    async def _start(self) -> None:
        if self._answers and self._process is not None:
            epitaph = await asyncio.to_thread(self._process.epitaph)
            self._restarts += 1
            if self._restarts > _MOST_RESTARTS:
                raise self._lost(f"died {self._restarts} times; the last time it {epitaph}")
            self._notify(
                f"{self._role}: its server {epitaph}. It is started again ({self._restarts} of {_MOST_RESTARTS})"
            )
        self._answers = False
        self._process = KeptProcess(self._launch.command, self._log, self._redact)
        kept = "" if self._log is None else f"; what it prints is kept in {self._log}"
        self._notify(f"{self._role}: starting its server at {self._launch.base_url}{kept}")
        began = time.monotonic()
        pause = _FIRST_PAUSE
        while not await asyncio.to_thread(_answers, f"{self._launch.base_url}/models"):
            if not self._process.alive:
                raise self._lost(await asyncio.to_thread(self._process.epitaph))
            if time.monotonic() - began > self._patience:
                raise self._lost(f"gave no answer for {self._patience:g} s and {self._process.epitaph()}")
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE)
        if not self._process.alive:  # somebody else answers at that port
            raise self._lost(await asyncio.to_thread(self._process.epitaph))
        self._answers = True

    def _lost(self, what: str) -> ServerUnavailableError:
        where = "" if self._log is None else f" (more in {self._log})"
        return ServerUnavailableError(f"{self._role}: the server that {self._role}.launch starts {what}{where}")

    def _redact(self, line: str) -> str:
        return redacted_text(line, self._secrets)


def launched_settings(config: Mapping[str, Any], launch: Launch) -> dict[str, Any]:
    """Return a served model's settings with the address of its server, and with what it is known by in its place."""
    return {**config, "base_url": launch.base_url, "server": config.get("server") or launch.identity}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    """Tell whether a server answers, in whatever way; not while it, or a gateway, says that it is not there yet."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
    try:
        with opener.open(url, timeout=_SECONDS_TO_ANSWER):
            return True
    except urllib.error.HTTPError as error:
        return error.code not in _NOT_YET
    except (OSError, ValueError, http.client.HTTPException):
        return False
