"""Models of plain types, for workers: each does one thing that models in the wild do. Imports nothing but numpy."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from evalkit_worker import ConfigurationError, Request, Response, Sound


def words_of(request: Request) -> str:
    """The texts of a request's last turn."""
    return " ".join(part for part in request.messages[-1].content if isinstance(part, str))


class Model:
    """Says back the words that it reads, and how much it hears.

    Args:
        folder: where it leaves its process id, one file a start.
    """

    capabilities: ClassVar[dict[str, Any]] = {"sample_rate": 16_000, "batch_size": 4, "languages": ["en"]}

    def __init__(self, folder: str | None = None, size: int = 1, generation: dict[str, Any] | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.size = size
        self.generation = generation
        if self.folder is not None:
            (self.folder / f"{time.monotonic_ns()}.pid").write_text(str(os.getpid()))

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """One response a request."""
        return [self.answer(request) for request in requests]

    def answer(self, request: Request) -> Response:
        """Say back one request."""
        heard = [f"{len(sound.samples)}@{sound.rate}" for sound in request.sounds]
        return Response(" ".join([words_of(request), *heard]))

    def fingerprint(self) -> dict[str, Any]:
        """Its name, size and settings."""
        return {"adapter": type(self).__name__, "size": self.size, "generation": self.generation}

    def close(self) -> None:
        """Leave a mark."""
        if self.folder is not None:
            (self.folder / "closed").write_text("")


class Talkative(Model):
    """Prints everywhere, in whatever way libraries do, and has others print."""

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Print, then answer."""
        print("loading: 10 %\rloading: 100 %")
        os.write(1, b"\x00\x01\x02\x03 bytes like those of a frame \xff\n")
        print("a warning with", os.environ.get("WORKER_TOKEN"), file=sys.stderr)
        subprocess.run(["sh", "-c", "echo a child; echo its errors >&2"], check=True)
        return super().generate(requests)


class Mortal(Model):
    """Kills itself where it reads of it.

    ``die once``: at the first time that any process reads it; ``die``: every time; ``hang``: never comes back;
    ``segfault``: as a native library does.
    """

    def answer(self, request: Request) -> Response:
        """Answer, or die."""
        words = words_of(request)
        if words == "die once":
            assert self.folder is not None
            mark = self.folder / "died"
            if not mark.exists():
                mark.write_text("")
                os.kill(os.getpid(), signal.SIGKILL)
        elif words == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif words == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif words == "hang":
            time.sleep(1000)
        return super().answer(request)


class Scribbler(Model):
    """Has a library that writes where it should not, once."""

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Write into the pipe of the responses, then answer."""
        assert self.folder is not None
        if not (self.folder / "scribbled").exists():
            (self.folder / "scribbled").write_text("")
            os.write(int(sys.argv[2]), b"loading the weights of another model")
        return super().generate(requests)


class Greedy(Model):
    """Runs out of memory where it gets more than two requests at once."""

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer, or fail as a library does that this process does not have."""
        if len(requests) > 2:
            raise type("OutOfMemoryError", (RuntimeError,), {})("the device is full")
        return super().generate(requests)


class Faulty(Model):
    """Fails in the way that it reads of."""

    def answer(self, request: Request) -> Any:
        """Raise or return what must not be."""
        words = words_of(request)
        if words == "stop":
            raise ConfigurationError("the weights are of another model")
        if words == "value":
            raise ValueError("no such thing")
        if words == "exit":
            sys.exit(3)
        if words == "no file":
            raise FileNotFoundError("weights.bin")
        if words == "wrong":
            return "a text"
        if words == "failure":
            return Response(failure={"kind": "refused", "message": "I would rather not"})
        if words == "half a failure":
            return Response(failure={"kind": "refused"})
        return super().answer(request)


class Speaker(Model):
    """Speaks: half of what it hears, a rate of 24 kHz."""

    capabilities: ClassVar[dict[str, Any]] = {"sample_rate": 24_000, "speech_output": True}

    def answer(self, request: Request) -> Response:
        """Say it."""
        (sound,) = request.sounds
        return Response("half", speech=Sound((sound.samples * np.float32(0.5)), 24_000))


class Unmade(Model):
    """Cannot be made."""

    def __init__(self) -> None:
        import a_library_of_another_world  # type: ignore[import-not-found] # noqa: F401


class Fileless(Model):
    """Does not find its weights, and says so as most libraries do."""

    def __init__(self) -> None:
        raise OSError("weights-of-nobody is no local folder")


class DeadAtOnce(Model):
    """Dies while it is made."""

    def __init__(self) -> None:
        print("reading weights", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)


class Boastful(Model):
    """Says that it can do what no model can."""

    capabilities: ClassVar[dict[str, Any]] = {"telepathy": True}


class Recogniser(Model):
    """Writes words that are a function of what it hears, in its own time."""

    capabilities: ClassVar[dict[str, Any]] = {"sample_rate": 16_000, "batch_size": 2}

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Take a moment for each batch."""
        time.sleep(0.15)
        return super().generate(requests)

    def answer(self, request: Request) -> Response:
        """Write some of the words of a list, as the samples choose."""
        (sound,) = request.sounds
        digest = hashlib.sha256(sound.samples.tobytes()).digest()
        words = "the author of a danger trail philip steels and so on".split()
        return Response(" ".join(words[byte % len(words)] for byte in digest[:6]))
