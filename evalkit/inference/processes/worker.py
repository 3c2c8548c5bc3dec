"""A model in another Python: made and asked in a worker process, over two pipes (``evalkit_worker``)."""

import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from evalkit.adapter import ModelAdapter
from evalkit.errors import AudioError, ConfigurationError, EvalkitError, ModelDiedError
from evalkit.inference.border import InvalidResponseError
from evalkit.inference.processes.kept import KeptProcess
from evalkit.inference.processes.plain import capabilities_of, plain_request, response_of
from evalkit.redaction import redacted_text, secrets_of_environment
from evalkit.rooms import HOME
from evalkit.types import Request, Response
from evalkit_worker.frames import Frame, read_frame, responses_from, write_frame
from evalkit_worker.programs import start

# What the other Python finds where this evalkit lies: its own packages, none of the libraries beside them.
_ROOMS = ("evalkit", "evalkit_worker", "model_adapters", "step_audio_2")
_SECONDS_TO_CLOSE = 10.0
_MOST_DEATHS = 10


class WorkerError(Exception):
    """What a model in a worker raised; its own kind of error begins the message."""


class WorkerLostError(EvalkitError):
    """A worker that dies again and again; the run stops, and what was answered is kept."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """A model elsewhere.

    Attributes:
        role: that it plays, for messages.
        python: the interpreter.
        target: the dotted name of the model's class, which that interpreter can import.
        arguments: that it takes; plain values.
        generation: decoding settings of every request, for a class that takes them.
        batch_deadline: seconds within which a batch must be answered.
        log: the file to which what the worker prints is added, or None.
    """

    role: str
    python: str
    target: str
    arguments: Mapping[str, Any]
    generation: Mapping[str, Any]
    batch_deadline: float
    log: Path | None = None


class WorkerModel(ModelAdapter):
    """A model in a worker process of another Python.

    A worker that dies is started again, and asked the same batch again. Where that kills it once more, the batch raises
    ``ModelDiedError``, which the engine answers by dividing it.

    Args:
        settings: say which model, and where.

    Raises:
        ConfigurationError: there is no such interpreter, or the model cannot be made there.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._worker: _Worker | None = None
        self._deaths = 0  # since it last answered
        try:
            made = self._started().made
        except ModelDiedError as error:
            raise ConfigurationError(f"{_cannot_be_made(settings)}: its process {error}") from error
        self._fingerprint: dict[str, Any] = made["fingerprint"]
        try:
            self.capabilities = capabilities_of(made["capabilities"], settings.target)
        except ConfigurationError:
            self.close()
            raise

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Have the worker answer the requests.

        Raises:
            ModelDiedError: it died at them, and at them or others just before.
            WorkerLostError: it has died too often without an answer in between.
            WorkerError, MemoryError, AudioError, ConfigurationError, InvalidResponseError: what the model raised there.
            AudioError: a recording cannot be read here.
        """
        asked = [plain_request(request, self.capabilities.sample_rate) for request in requests]
        while True:
            try:
                answer = self._started().ask({"requests": asked})
                self._deaths = 0
                return [response_of(each) for each in responses_from(_answered(answer))]
            except ModelDiedError as error:
                self._bury(error)
                if self._deaths > 1:
                    raise
            except (KeyError, TypeError, AttributeError) as error:
                raise InvalidResponseError(
                    f"{self._settings.target} returned a response that is none: {error}"
                ) from error

    def fingerprint(self) -> Mapping[str, Any]:
        """Return what the model in the worker says of itself: the interpreter is no part of it."""
        return self._fingerprint

    def close(self) -> None:
        """End the worker, and whatever it started."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _started(self) -> "_Worker":
        if self._worker is None:
            self._worker = _Worker(self._settings)
        return self._worker

    def _bury(self, error: ModelDiedError) -> None:
        self.close()
        self._deaths += 1
        if self._deaths > _MOST_DEATHS:
            raise WorkerLostError(
                f"{self._settings.role}: its worker died {self._deaths} times without an answer in between; the last "
                f"time it {error}. What was answered is kept: run the same command again to continue"
            ) from error


class _Worker:
    """One worker process.

    Attributes:
        made: what the model said of itself.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        redact = partial(redacted_text, secrets=secrets_of_environment())
        requests_read, requests_write = os.pipe()
        responses_read, responses_write = os.pipe()
        python = [os.path.expanduser(settings.python), "-u", "-X", "faulthandler"]  # so that the log tells of its end
        program = [*python, str(start.__file__), str(requests_read), str(responses_write), str(HOME), *_ROOMS]
        try:
            self._process = KeptProcess(program, settings.log, redact, (requests_read, responses_write))
        except BaseException:
            os.close(requests_write)
            os.close(responses_read)
            raise
        finally:
            os.close(requests_read)
            os.close(responses_write)
        self._requests: BinaryIO = os.fdopen(requests_write, "wb")
        self._responses: BinaryIO = os.fdopen(responses_read, "rb")
        try:
            self.made = self._make()
        except BaseException:
            self.close()
            raise

    def ask(self, content: Mapping[str, Any]) -> Frame:
        """Return the frame that answers a frame.

        Raises:
            ModelDiedError: the process ended, or was ended because it was too late.
        """
        with self._deadline() as passed:
            try:
                write_frame(self._requests, content)
                return self._read()
            except (EOFError, OSError):
                pass
            except MemoryError:  # perhaps in the middle of a frame, after which no other can be told
                self._process.end()
                raise
        if passed.is_set():
            limit = self._settings.batch_deadline
            raise ModelDiedError(f"gave no answer within batch_deadline={limit:g} s and was ended", too_late=True)
        raise ModelDiedError(self._process.epitaph(), killed=self._process.was_killed)

    def _read(self) -> Frame:
        try:
            return read_frame(self._responses)
        except (ValueError, KeyError, TypeError) as error:
            self._process.end()
            raise ModelDiedError(f"answered what is no frame ({error}) and was ended") from error

    def close(self) -> None:
        """Let the model be closed, then end what is left."""
        for pipe in (self._requests, self._responses):
            with suppress(OSError):  # what was not written to one that died
                pipe.close()
        self._process.wait(_SECONDS_TO_CLOSE)
        self._process.end()

    def _make(self) -> Frame:
        settings = self._settings
        asked = {"target": settings.target, "arguments": settings.arguments, "generation": settings.generation}
        answer = self.ask(asked)
        if "error" in answer:
            raise ConfigurationError(f"{_cannot_be_made(settings)}: {answer['error']['message']}")
        return answer

    @contextmanager
    def _deadline(self) -> Iterator[threading.Event]:
        """Within the context, end the process once the deadline has passed."""
        passed = threading.Event()

        def end() -> None:
            passed.set()
            self._process.end()

        timer = threading.Timer(self._settings.batch_deadline, end)
        timer.daemon = True
        timer.start()
        try:
            yield passed
        finally:
            timer.cancel()


def _cannot_be_made(settings: WorkerSettings) -> str:
    return f"{settings.role}: {settings.target} cannot be made by {settings.python}"


def check_python(role: str, python: str) -> None:
    """Refuse an interpreter that is not there.

    Raises:
        ConfigurationError: says so.
    """
    if shutil.which(os.path.expanduser(python)) is None:
        raise ConfigurationError(f"{role}.python: {python}: no such program; give the python of an environment")


def _answered(answer: Frame) -> Frame:
    """Return an answer that is none of an error.

    Raises:
        WorkerError, MemoryError, AudioError, ConfigurationError, InvalidResponseError: what the model raised.
    """
    if "error" not in answer:
        return answer
    message = answer["error"]["message"]
    raise _ERRORS[answer["error"]["kind"]](message)


_ERRORS: Mapping[str, type[Exception]] = {
    "out_of_memory": MemoryError,
    "configuration": ConfigurationError,
    "unreadable_audio": AudioError,
    "invalid_response": InvalidResponseError,
    "error": WorkerError,
}
