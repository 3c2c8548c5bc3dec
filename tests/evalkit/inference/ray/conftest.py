"""A Ray cluster of two cores, which runs already when the tests come to it."""

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
from tests.processes import within

CORES = 2


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
        settings = [f"--num-cpus={CORES}", "--include-dashboard=false", f"--object-store-memory={200 << 20}"]
        place = ["--node-ip-address=127.0.0.1", f"--port={address.partition(':')[2]}"]
        with (folder / "log").open("w") as log:
            cluster = subprocess.Popen([*program, *settings, *place], cwd=folder, stdout=log, stderr=log)
        try:
            assert within(lambda: "Ray runtime started" in (folder / "log").read_text(), 60)
            yield address
        finally:
            cluster.send_signal(signal.SIGTERM)
            cluster.wait(60)


def replicas() -> list[int]:
    """The processes of replicas on this cluster."""
    token = os.environ["RAY_AUTH_TOKEN"].encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith(b"ray::Replica") and token in (
                folder / "environ"
            ).read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
