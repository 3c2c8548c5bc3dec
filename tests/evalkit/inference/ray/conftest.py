"""Ray clusters of this machine, which run already when the tests come to them."""

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.processes import is_at_work, processes_saying, within

CORES, GPUS = 2, 4
TOKEN = secrets.token_hex(32)  # of all clusters of this process: Ray reads it once, on being imported


@dataclass(frozen=True)
class RayMachine:
    """What one `ray start` began, and believes to be a machine of its own."""

    mark: str
    log: Path

    @property
    def port(self) -> str:
        """Where the cluster that it began listens: a port that it chose itself."""
        told = re.search(r"ray start --address='[^']*:(\d+)'", self.log.read_text())
        assert told is not None, self.log.read_text()
        return told[1]

    def switch_off(self) -> None:
        """Have it gone all at once, as if somebody had pulled the plug."""
        while processes := processes_with(self.mark):
            for process in processes:
                os.kill(process, signal.SIGKILL)


@contextmanager
def ray_machine(folder: Path, *words: str) -> Iterator[RayMachine]:
    """Have a machine run; ``words`` say which cluster it begins or joins, and what it has."""
    mark = secrets.token_hex(16)
    log, program = folder / f"{mark}.log", Path(sys.executable).with_name("ray")
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(program), "start", "--block", f"--object-store-memory={100 << 20}", *words],
            cwd=folder, env={**os.environ, "MARK": mark}, stdout=output, stderr=output,
        )  # fmt: skip
    machine = RayMachine(mark, log)
    try:
        assert within(lambda: "Ray runtime started" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield machine
    finally:
        machine.switch_off()
        process.wait(300)


@contextmanager
def ray_head(folder: Path, *words: str) -> Iterator[tuple[str, RayMachine]]:
    """Have a cluster run that only this process and those that it starts may use, and return its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", TOKEN)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(ROOT))
        place = ("--node-ip-address=127.0.0.1", "--port=0", "--include-dashboard=false")
        with ray_machine(folder, "--head", *place, *words) as head:
            yield f"127.0.0.1:{head.port}", head


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a cluster of two cores is found, which believes to have GPUs as well."""
    refuse_without_ray()
    with ray_head(tmp_path_factory.mktemp("ray"), f"--num-cpus={CORES}", f"--num-gpus={GPUS}") as (address, _):
        yield address


def refuse_without_ray() -> None:
    if find_spec("ray") is None:  # not imported yet: it reads the environment as it is
        pytest.skip("the ray extra is not installed")


def replicas() -> list[int]:
    """The processes of replicas on this cluster."""
    return [process for process in processes_saying("ray::Replica") if process in processes_with(TOKEN)]


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
