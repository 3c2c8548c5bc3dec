"""Models for replicas: one that dies, cannot be had, or speaks, as it is told."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.types import Request, Response

RATE = 16_000
SAID = np.linspace(-0.5, 0.5, RATE, dtype=np.float32)


class Obedient(ModelAdapter):
    """Does what it is asked to."""

    def __init__(self, batch_size: int = 4, refuses: str | None = None) -> None:
        if refuses is not None:
            raise ConfigurationError(refuses)
        self.capabilities = Capabilities(sample_rate=RATE, batch_size=batch_size, speech_output=True)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._answer(str(request.messages[-1].content[0]), request) for request in requests]

    def _answer(self, order: str, request: Request) -> Response:
        if order == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if order == "refuse all":
            raise ConfigurationError("it will answer nobody")
        if order == "speak":
            return Response("spoken", speech=Audio.of_waveform("speech", SAID, RATE))
        if order == "see":
            return Response(os.environ["CUDA_VISIBLE_DEVICES"])
        if order == "listen":
            [audio] = request.audio
            return Response(f"{len(audio.waveform(RATE))} {audio.locator} {audio.digest()}")
        if order == "where":
            import ray

            time.sleep(0.1)
            return Response(ray.get_runtime_context().get_node_id())
        if order.startswith("read"):
            return Response(Path(order.split()[1]).read_text(encoding="utf-8"))
        if order.startswith("tell"):
            return Response(os.environ[order.split()[1]])
        if order.startswith("wait"):
            Path(order.split()[1]).touch()
            time.sleep(1)
        return Response(order.upper())

    def fingerprint(self) -> dict[str, str]:
        return {"model": "obedient"}
