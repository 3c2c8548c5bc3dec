"""A recogniser that works and, where a file says so, misbehaves in the middle of a run."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.types import Request, Response

WORDS = "the cat sat on a mat while seventeen geese flew over colour television sets".split()


def heard(waveform: bytes) -> str:
    """What is taken to be said: words that are a function of the sound."""
    return " ".join(WORDS[byte % len(WORDS)] for byte in hashlib.sha256(waveform).digest()[:8])


class Misbehaving(ModelAdapter):
    """Hears words that are a function of the sound, four recordings at once.

    ``fault`` is a file that may hold ``{"kind": "raise" | "too_few" | "hang" | "wait", "at": number of the batch}``; a
    batch that waits goes on once the file is gone, and later ones take a second, in which a run that was to stop stops.
    """

    def __init__(self, fault: str) -> None:
        self.capabilities = Capabilities(sample_rate=16_000, batch_size=4)
        self._fault = Path(fault)
        self._batches = 0
        self._pause = 0.0

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        kind = self._now()
        if kind == "raise":
            raise RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED\nin a kernel")
        if kind == "hang":
            time.sleep(3_600)
        if kind == "wait":
            while self._fault.is_file():
                time.sleep(0.01)
            self._pause = 1.0
        else:
            time.sleep(self._pause)
        answers = [Response(heard(request.audio[0].waveform(16_000).tobytes())) for request in requests]
        return answers[:-1] if kind == "too_few" else answers

    def _now(self) -> str | None:
        fault = json.loads(self._fault.read_text()) if self._fault.is_file() else {}
        self._batches += 1
        return str(fault["kind"]) if fault and self._batches >= fault["at"] else None

    def fingerprint(self) -> Mapping[str, Any]:
        return {"misbehaving": 1}
