"""The far side: one replica of a model, an actor that holds the endpoint which every model of one process has."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import ConfigurationError
from evalkit.inference.endpoint import ModelFacts, ModelSpec
from evalkit.inference.local import LocalExecutor
from evalkit.inference.ray.messages import portable_response
from evalkit.inference.work_clock import AtWork
from evalkit.rooms import find_rooms_at_home
from evalkit.types import Call, Response
from evalkit.version import __version__


class RaisedThereError(Exception):
    """What a replica raised and what that was raised from, which does not travel with it by itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a replica is.

    Attributes:
        machine: Ray's name for it.
        name: people's.
        version: of evalkit there.
    """

    machine: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What a replica says once its model is loaded.

    Attributes:
        facts: of its model.
        batch_size: requests that its model gets at once.
        capacity: calls that it is to hold at the most, so that it always has a window to choose a batch from.
    """

    facts: ModelFacts
    batch_size: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a replica answers.

    Attributes:
        response: of its model.
        at_work: how much of the time the model was at work.
    """

    response: Response
    at_work: AtWork


class Replica:
    """A model in a process of its own. Ray calls these methods in that process's event loop.

    Args:
        spec: describes the model.
        executor: of one process, by which it works there.
        folder: in which it works, so that relative paths lead where they led where they were written; None for the one
            in which Ray began it.
        must_have_files: whether recordings are to be found there, and are not sent.
    """

    def __init__(self, spec: ModelSpec, executor: LocalExecutor, folder: Path | None, *, must_have_files: bool) -> None:
        self._spec = spec
        self._executor = executor
        self._folder = folder
        self._must_have_files = must_have_files
        self._answering: set[asyncio.Task[Response]] = set()
        self._closed = False

    async def place(self) -> Place:
        """Return where this is; the model is not loaded for it."""
        import ray

        return Place(ray.get_runtime_context().get_node_id(), os.uname().nodename, __version__)

    async def open(self) -> Opened:
        """Load the model.

        Raises:
            RaisedThereError: it cannot be had here.
        """
        with _with_cause():
            return await self._opened()

    async def answer(self, call: Call) -> Answer | None:
        """Return the model's answer, or None if the replica was closed before its turn.

        Raises:
            RaisedThereError: what ends the whole run.
        """
        if self._closed:
            return None
        if self._must_have_files:
            with _with_cause():
                _refuse_missing(call)
        answering = asyncio.ensure_future(self._endpoint.answer(call))
        self._answering.add(answering)
        try:
            with _with_cause():
                return Answer(portable_response(await answering), self._endpoint.at_work())
        except asyncio.CancelledError:
            return None
        finally:
            self._answering.discard(answering)

    async def close(self) -> None:
        """Let the batch under way end and hand out its answers, begin no other, and free the model."""
        self._closed = True
        await self._endpoint.close()
        for answering in self._answering:
            answering.cancel()

    async def _opened(self) -> Opened:
        find_rooms_at_home()
        if self._folder is not None:
            self._change_to(self._folder)
        self._spec.check()  # what the machine of the run has need not be here
        self._endpoint = self._executor.open(self._spec)
        facts = await self._endpoint.facts()
        self._endpoint.expect_more(False)  # what comes, and when, is for the other side to say
        batch_size = self._executor.batch_size or facts.capabilities.batch_size
        return Opened(facts, batch_size, batch_size * (self._executor.batches_ahead + 1))

    def _change_to(self, folder: Path) -> None:
        try:
            os.chdir(folder)
        except OSError as error:
            if self._must_have_files:
                raise _not_at_hand(folder, str(error.strerror)) from error


def _refuse_missing(call: Call) -> None:
    """Refuse a call about a file that is not here, but where the run is, which knows its digest: no sample is to blame.

    Raises:
        ConfigurationError: names it.
    """
    for audio in call.request.audio:
        if audio.path is not None and audio.digest() is not None and not audio.path.is_file():
            raise _not_at_hand(audio.path, "no such file")


def _not_at_hand(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"executor.recordings=paths: {path} is not on {os.uname().nodename} ({why}); recordings=bytes sends recordings"
    )


@contextmanager
def _with_cause() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise RaisedThereError(error, error.__cause__) from error
