"""Machines of a cluster that come and go while a model is asked."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigurationError
from evalkit.inference.local import LocalExecutor
from evalkit.inference.ray import RayExecutor, cluster
from evalkit.inference.ray.cluster import ClusterLostError
from evalkit.inference.ray.endpoint import RayEndpoint
from evalkit.types import Call, Message, Request, Response
from tests.evalkit.inference.ray.conftest import RayMachine, ray_head, ray_machine, refuse_without_ray, replicas
from tests.evalkit.inference.ray.test_endpoint import spec
from tests.processes import within

pytestmark = pytest.mark.slow
SECONDS = 120.0


class Grid:
    """A cluster whose head takes no replica, and whose machines are switched on and off."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._machines = ExitStack()
        self.address, self.head = self._machines.enter_context(ray_head(folder, "--num-cpus=0"))

    def join(self, cores: int) -> RayMachine:
        """Switch a machine on."""
        words = (f"--address={self.address}", "--node-ip-address=127.0.0.1", f"--num-cpus={cores}", "--num-gpus=0")
        return self._machines.enter_context(ray_machine(self._folder, *words))

    def drain(self, node: str) -> None:
        """Have Ray expect that a machine is taken away, as a provider of spot machines tells it."""
        words = ("--node-id", node, "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot")
        until = ("--deadline-remaining-seconds", "600")
        program = str(Path(sys.executable).with_name("ray"))
        subprocess.run([program, "drain-node", "--address", self.address, *words, *until], check=True, timeout=60)

    def end(self) -> None:
        self._machines.close()


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    refuse_without_ray()
    grid = Grid(tmp_path)
    try:
        yield grid
    finally:
        grid.end()


class Asking:
    """A model that is asked where it is, again and again, four calls at once."""

    def __init__(self, grid: Grid, **settings: Any) -> None:
        executor = RayExecutor(LocalExecutor(batch_size=1), grid.address, **settings)
        self.endpoint: RayEndpoint = executor.open(spec())
        self.responses: list[Response] = []
        self._over = False

    async def __aenter__(self) -> "Asking":
        self._asking = asyncio.gather(*(self._ask() for _ in range(4)))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over = True
        if kind is not None:
            self._asking.cancel()
        try:
            await self._asking
        finally:
            await self.endpoint.close()

    async def until(self, true: Callable[[], bool]) -> None:
        """Ask until something is true; raises what ends the asking before."""
        async with asyncio.timeout(SECONDS):
            while not true():
                if self._asking.done():
                    await self._asking
                await asyncio.sleep(0.05)

    def machines(self, last: int | None = None) -> list[str]:
        """Where the answers come from, in order, or the last of them."""
        return [each.text for each in self.responses][-last if last else 0 :]

    async def _ask(self) -> None:
        call = Call("model", Request((Message("user", ("where",)),), sample_id="s"))
        while not self._over:
            self.responses.append(await self.endpoint.answer(call))


def test_machines_that_join_late_are_used_and_those_that_die_or_leave_are_done_without(
    grid: Grid, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main() -> list[Response]:
        async with Asking(grid) as asking:
            first = await asyncio.to_thread(grid.join, 1)
            await asking.until(lambda: bool(asking.responses))
            await asyncio.to_thread(grid.join, 2)
            await asking.until(lambda: len(set(asking.machines())) == 2)
            one, two = dict.fromkeys(asking.machines())
            await asyncio.to_thread(first.switch_off)
            await asking.until(lambda: asking.machines(20) == [two] * 20)
            await asyncio.to_thread(grid.join, 1)
            await asking.until(lambda: len(set(asking.machines())) == 3)
            await asyncio.to_thread(grid.drain, two)
            await asking.until(lambda: not {one, two} & set(asking.machines(20)))
        return asking.responses

    responses = asyncio.run(main())
    assert [each.failure for each in responses if each.failure] == []
    said = capsys.readouterr().err
    assert "waiting for places: 1 replica of 1 model on Ray, each with 1 CPU and 0 GPU; the cluster has 1 mach" in said
    assert "model: a replica died (" in said
    assert " is leaving the cluster; a replica there finishes its batch, and another takes its place" in said
    assert within(lambda: not replicas())


def test_a_run_whose_last_machine_is_gone_waits_no_longer_than_it_is_told(grid: Grid) -> None:
    machine = grid.join(1)

    async def main() -> None:
        async with Asking(grid, patience=20) as asking:
            await asking.until(lambda: bool(asking.responses))
            await asyncio.to_thread(machine.switch_off)
            await asking.until(lambda: False)

    with pytest.raises(ConfigurationError, match=r"^model: no place for a replica within executor.patience=20 s: "):
        asyncio.run(main())


def test_a_head_that_dies_ends_the_run_in_one_line(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3600")  # set by the run, and undone with this
    monkeypatch.setattr(cluster, "_HEAD_AWAY", 5.0)

    async def main() -> None:
        async with Asking(grid) as asking:
            await asyncio.to_thread(grid.join, 1)
            await asking.until(lambda: bool(asking.responses))
            await asyncio.to_thread(grid.head.switch_off)
            await asking.until(lambda: False)

    with pytest.raises(ClusterLostError, match=rf"^executor.address={grid.address}: its head has not answered for 5 s"):
        asyncio.run(main())
