"""Signals that end a run in good order: a scheduler's, which has it started again, and Ctrl-C."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from evalkit.errors import StopRequested
from evalkit.inference.interrupts import interrupts
from evalkit.inference.local import LocalExecutor
from evalkit.types import Request, Response
from tests.evalkit.inference.chains import Arithmetic, Kept, ThreeRoles, ask, models

BATCH = 3


class Preempted(Arithmetic):
    """Has signals sent to its own process in the middle of its second batch, which ends once they were noticed."""

    def __init__(self, signals: Sequence[signal.Signals]) -> None:
        super().__init__("add")
        self._signals = signals
        self.noticed = threading.Event()

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        if len(self.batches) == 1:
            for number in self._signals:
                os.kill(os.getpid(), number)
            assert self.noticed.wait(120)
        elif self.batches:
            time.sleep(1)  # the loop stops what comes later
        return super().generate(requests)


@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGTERM],
        [signal.SIGUSR1],
        [signal.SIGUSR1, signal.SIGTERM],  # as at a time limit: the warning, then the end
        [signal.SIGTERM, signal.SIGTERM],
    ],
)
def test_a_scheduler_that_wants_the_machine_back_has_the_batch_kept_and_the_run_started_again(
    signals: list[signal.Signals],
) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    task, store = ThreeRoles(20), Kept()
    said: list[str] = []
    model = Preempted(signals)

    def notify(line: str) -> None:
        said.append(line)
        model.noticed.set()

    with pytest.raises(StopRequested) as caught:
        ask([task], {**models(), "model": model}, {task.name: store}, executor=LocalExecutor(BATCH), notify=notify)
    assert str(caught.value) in {number.name for number in signals}
    assert said == [f"finishing the batch, as {caught.value} asks; Ctrl-C stops at once"]
    assert 2 * BATCH <= len(store.responses) == len(model.asked) < 20
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before
    again: Any = models()
    outcomes = ask([task], again, {task.name: store})[task.name]
    assert len(outcomes) == 20
    assert len(again["model"].asked) == 20 - len(model.asked)


def test_an_interrupt_is_no_request_to_start_again() -> None:
    async def interrupted() -> KeyboardInterrupt:
        loop = asyncio.get_running_loop()
        met: asyncio.Future[KeyboardInterrupt] = loop.create_future()
        with interrupts(loop, met.set_result):
            os.kill(os.getpid(), signal.SIGINT)
            return await met

    assert type(asyncio.run(interrupted())) is KeyboardInterrupt
