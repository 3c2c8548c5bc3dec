"""A Ray cluster of two cores, which runs already when the tests come to it; it believes to have GPUs as well."""

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.processes import is_at_work, processes_saying, within

CORES, GPUS = 2, 4


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where it is found; only this process and those that it starts may use it."""
    if find_spec("ray") is None:  # not imported yet: it reads the environment as it is
        pytest.skip("the ray extra is not installed")
    folder = tmp_path_factory.mktemp("ray")
    address = f"127.0.0.1:{free_port()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(ROOT))
        program = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--disable-usage-stats"]
        settings = [f"--num-cpus={CORES}", f"--num-gpus={GPUS}", f"--object-store-memory={200 << 20}"]
        place = ["--node-ip-address=127.0.0.1", f"--port={address.partition(':')[2]}", "--include-dashboard=false"]
        with (folder / "log").open("w") as log:
            cluster = subprocess.Popen([*program, *settings, *place], cwd=folder, stdout=log, stderr=log)
        try:
            assert within(lambda: "Ray runtime started" in (folder / "log").read_text())
            yield address
        finally:
            cluster.send_signal(signal.SIGTERM)
            cluster.wait(300)


def replicas() -> list[int]:
    """The processes of replicas on this cluster."""
    token = os.environ["RAY_AUTH_TOKEN"]
    return [process for process in processes_saying("ray::Replica") if process in processes_with(token)]


def processes_with(mark: str) -> list[int]:
    """The processes at work that were started with something in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in environment and is_at_work(int(folder.name)):
            found.append(int(folder.name))
    return found
