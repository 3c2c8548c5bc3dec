"""Adapters that break what their interface asks for, or what a process is: one clear line, and no other call harmed."""

import asyncio
import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from evalkit.adapter import Capabilities, Memory, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.inference.local import LocalExecutor, ModelFailedError
from evalkit.types import Call, Message, Request, Response
from tests.evalkit.inference.test_local import run

ASKED = [Call("model", Request((Message("user", ("x" * size,)),), sample_id=f"s{size}")) for size in range(1, 9)]


class Plain(ModelAdapter):
    """Answers with the name of the sample."""

    capabilities = Capabilities(sample_rate=None, batch_size=4)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [Response(request.sample_id) for request in requests]

    def fingerprint(self) -> Any:
        return {"model": "plain"}


class Failing(Plain):
    """Raises something at one of the samples."""

    def __init__(self, fail: Callable[[], None]) -> None:
        self.fail = fail

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        if any(request.sample_id == "s3" for request in requests):
            self.fail()
        return super().generate(requests)


class Panic(BaseException):
    """As the libraries written in Rust raise it: no Exception."""


class SpeechlessError(Exception):
    """One whose message cannot be had."""

    def __str__(self) -> str:
        raise AttributeError("no attribute 'response'")


def panics() -> None:
    raise Panic("index out of bounds")


def is_cancelled() -> None:
    raise asyncio.CancelledError


def says_nothing() -> None:
    raise SpeechlessError


def raises_of_itself() -> None:
    error = ValueError("it is its own cause")
    raise error from error


def says_much() -> None:
    raise ValueError("x" * 1_000_000 + "\ud800")


@pytest.mark.parametrize(
    ("fail", "message"),
    [
        (lambda: sys.exit(2), "SystemExit: 2"),
        (panics, "Panic: index out of bounds"),
        (is_cancelled, "CancelledError: "),
        (says_nothing, "SpeechlessError: (no message: asked for it, it raised AttributeError)"),
        (raises_of_itself, "ValueError: it is its own cause"),
        (says_much, "ValueError: " + "x" * 1_988),
    ],
)
def test_whatever_is_raised_at_a_sample_costs_that_sample_alone(fail: Callable[[], None], message: str) -> None:
    answers = run(LocalExecutor(), Failing(fail), ASKED)
    assert answers.pop("s3").error == message
    assert {name: response.text for name, response in answers.items()} == {name: name for name in answers}


class Emptying(Plain):
    """Takes what it has answered off the requests."""

    def generate(self, requests: Any) -> list[Response]:
        return [Response(requests.pop(0).sample_id) for _ in range(len(requests))]


def test_the_requests_of_a_batch_are_not_an_adapters_to_change() -> None:
    answers = run(LocalExecutor(), Emptying(), ASKED)
    assert {response.error for response in answers.values()} == {
        "AttributeError: 'tuple' object has no attribute 'pop'"
    }


class Costing(Plain):
    """Says what cannot be of one request, or of all."""

    def __init__(self, cost: Callable[[Request], Any], only: str | None) -> None:
        self.cost_of = cost
        self.only = only

    def cost(self, request: Request) -> float:
        if self.only in (None, request.sample_id):
            return self.cost_of(request)
        return 1.0


COSTS: dict[str, Callable[[Request], Any]] = {
    r"Costing.cost gave no number: IndexError": lambda request: request.audio[0].seconds(),
    r"Costing.cost gave no number: TypeError": lambda _: None,
    r"Costing.cost returned nan; it must return seconds": lambda _: math.nan,
    r"Costing.cost returned inf; it must return seconds": lambda _: math.inf,
    r"Costing.cost returned -1; it must return seconds": lambda _: -1.0,
}


@pytest.mark.parametrize("message", COSTS)
def test_a_cost_that_cannot_be_costs_one_sample_its_answer_and_ends_the_run_where_all_are_so(message: str) -> None:
    answers = run(LocalExecutor(), Costing(COSTS[message], only="s5"), ASKED)
    failure = answers.pop("s5").failure
    assert failure is not None
    assert failure.kind == "invalid_response"
    assert failure.message.startswith(message)
    assert {name: response.text for name, response in answers.items()} == {name: name for name in answers}
    with pytest.raises(ConfigurationError, match=f"^model: {message}.*for every request so far"):
        run(LocalExecutor(), Costing(COSTS[message], only=None), ASKED)


class Remembering(Plain):
    def __init__(self, memory: Callable[[], Any]) -> None:
        self.memory = memory

    def device_memory(self) -> Memory | None:
        return self.memory()


class Otherwise(Plain):
    """Says what cannot be of itself."""

    def __init__(self, capabilities: Any = Plain.capabilities, fingerprint: Any = None) -> None:
        self.capabilities = capabilities
        self.said = fingerprint

    def fingerprint(self) -> Any:
        return self.said


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        (
            Remembering(lambda: (1, 2, 3)),
            "Remembering.device_memory returned a tuple; it must return a Memory",
        ),
        (Remembering(lambda: Memory(0, 0, -1)), "Remembering.device_memory failed: .*capacity is -1; it cannot be neg"),
        (Remembering(lambda: os.stat("/nowhere")), "Remembering.device_memory failed: FileNotFoundError"),
        (Otherwise(capabilities={"batch_size": 4}), "Otherwise.capabilities must be Capabilities"),
        (Otherwise(), "Otherwise.fingerprint failed, or returned no mapping of JSON values: TypeError"),
        (Otherwise(fingerprint={"a": {1, 2}}), "Otherwise.fingerprint failed, or returned no mapping of JSON values"),
        (Otherwise(fingerprint={"a": math.nan}), "Otherwise.fingerprint failed, or returned no mapping of JSON values"),
    ],
)
def test_what_an_adapter_says_of_itself_and_its_device_must_be_so(adapter: ModelAdapter, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        run(LocalExecutor(), adapter, ASKED)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "8", None, True])
def test_a_batch_size_that_is_none_is_refused_where_it_is_said(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="batch_size is .*; it must be a whole number, at least 1"):
        Capabilities(batch_size=wrong)


class Leaving(Plain):
    """Ends the program, or stops an iteration, somewhere beside its answers."""

    def __init__(self, where: str, leave: Callable[[], None]) -> None:
        self.where = where
        self.leave = leave

    def fingerprint(self) -> Any:
        if self.where == "fingerprint":
            self.leave()
        return super().fingerprint()

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        if self.where == "release_memory":
            raise MemoryError
        return super().generate(requests)

    def release_memory(self) -> None:
        self.leave()

    def close(self) -> None:
        if self.where == "close":
            self.leave()


def stops() -> None:
    next(iter(()))


@pytest.mark.parametrize("leave", [lambda: sys.exit(2), stops, panics])
@pytest.mark.parametrize("where", ["fingerprint", "release_memory"])
def test_a_model_that_leaves_ends_the_run_and_nobody_waits(where: str, leave: Callable[[], None]) -> None:
    with pytest.raises((ModelFailedError, ConfigurationError), match="SystemExit: 2|StopIteration|Panic: index out"):
        run(LocalExecutor(), Leaving(where, leave), ASKED)


def test_a_model_that_leaves_as_it_is_closed_keeps_the_answers() -> None:
    answers = run(LocalExecutor(), Leaving("close", lambda: sys.exit(2)), ASKED)
    assert {name: response.text for name, response in answers.items()} == {name: name for name in answers}


class Slow(Plain):
    """Cannot be asked, and takes its time to be closed."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self.may_close = threading.Event()
        self.closed = False

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        raise ConfigurationError("no request can be answered")

    def close(self) -> None:
        self.closing.set()
        self.may_close.wait()
        self.closed = True


def test_a_run_that_a_model_ended_waits_until_the_model_is_freed() -> None:
    model = Slow()

    def let_it_close() -> None:
        model.closing.wait()
        model.may_close.set()

    opener = threading.Thread(target=let_it_close)
    opener.start()
    with pytest.raises(ConfigurationError, match="no request can be answered"):
        run(LocalExecutor(), model, ASKED)
    assert model.closed
    opener.join()


class Wandering(Plain):
    """Changes the folder of the process, as it answers."""

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        os.chdir("/")
        return super().generate(requests)


def test_a_model_that_changes_the_folder_does_not_take_the_run_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(LocalExecutor(), Wandering(), ASKED)
    assert Path.cwd() == tmp_path


def test_a_run_goes_on_in_a_folder_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "gone"
    folder.mkdir()
    os.chdir(folder)
    folder.rmdir()
    answers = run(LocalExecutor(), Wandering(), ASKED)
    assert {name: response.text for name, response in answers.items()} == {name: name for name in answers}


class Forking(Plain):
    """Forks, and lets its copy raise: it would be asked again as a batch that failed, and fork again."""

    def __init__(self, pids: Path) -> None:
        self.pids = pids

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        child = os.fork()
        with self.pids.open("a") as pids:
            print(os.getpid(), file=pids)
        if child == 0:
            raise ValueError("in the copy")
        os.waitpid(child, 0)
        return super().generate(requests)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks of a process with threads
def test_a_copy_that_a_model_forked_does_not_go_on_with_the_run(tmp_path: Path) -> None:
    run(LocalExecutor(), Forking(tmp_path / "pids"), ASKED)
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 2 * len(ASKED) // 4
