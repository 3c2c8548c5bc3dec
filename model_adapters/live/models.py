"""The models of a configuration, opened as for a run, and asked from any thread while people talk with them."""

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping, MutableMapping
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

from evalkit.adapter import Capabilities
from evalkit.audio import Audio
from evalkit.cascade import Cascade
from evalkit.chain import Chain, ChainRun, Score
from evalkit.errors import EvalkitError
from evalkit.inference.endpoint import Endpoint, ModelFacts, ModelSpec
from evalkit.inference.opening import ExecutorChoice, ServedSettings, open_endpoints
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.clock import Clock
from evalkit.types import Call, Request, Response, Sample, Usage
from model_adapters.shared.live import Piece, listening

Given = TypeVar("Given")

_MODEL = "model"
# How often it is looked whether an answer that is waited for is still wanted, in seconds.
_GLANCE = 0.05


class ModelFailedError(ValueError):
    """An answer cannot be had; the message says whose and why, in one line for people."""


class LiveModels:
    """A model, or the stages of a cascade, asked for many conversations at once.

    Retries, pace, deadlines and the budget are those of the engine's endpoints. Models of this process are loaded now.

    Args:
        specs: describe the models, by role: ``model``, and the stages of a cascade.
        executors: open those of this process.
        cascade: how the stages answer in the place of one model, if they do.
        budget: of all conversations together.
        notify: told, in a line for people, of every turn for the worse.

    Attributes:
        title: what people call the model.
        facts: what is known of each role's model.

    Raises:
        EvalkitError: a model cannot be had, or has settings that cannot be.
    """

    def __init__(
        self,
        specs: Mapping[str, ModelSpec],
        executors: ExecutorChoice,
        *,
        cascade: Cascade | None = None,
        budget: BudgetCaps | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.title = specs[_MODEL].title
        self._generation = {role: spec.generation for role, spec in specs.items()}
        self._cascade = cascade
        self._endpoints: Mapping[str, Endpoint] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="models", daemon=True)
        self._thread.start()
        served = ServedSettings(Budget(budget or BudgetCaps()), None, (), Clock(), notify)
        try:
            self.facts: Mapping[str, ModelFacts] = self._run(self._open(specs, executors, served)).result()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def capabilities(self) -> Capabilities:
        """What the model can be asked."""
        return self.facts[_MODEL].capabilities

    @property
    def description(self) -> dict[str, Any]:
        """What is known of the models, in JSON values: the title, and of each role what decides its answers."""
        return {"title": self.title, "models": {role: dict(facts.fingerprint) for role, facts in self.facts.items()}}

    def ask(
        self,
        request: Request,
        cancelled: threading.Event,
        *,
        heard: MutableMapping[Audio, str] | None = None,
        speaks: bool = False,
    ) -> Generator[Piece, None, Response | None]:
        """Have a request answered, and give what is known of the answer while it comes.

        Args:
            request: to the model.
            cancelled: once it is set, from whatever thread, the answer is given up.
            heard: what a cascade has transcribed already; what it transcribes now is added.
            speaks: codes are wanted of a model that cannot make them into sound.

        Yields:
            Words and codes, where the model's server sends them piece by piece.

        Returns:
            The whole answer; None if cancelled.

        Raises:
            ModelFailedError: there is none.
        """
        pieces: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        answer = self._run(self._answered(request, heard, speaks, pieces.put))
        answer.add_done_callback(lambda _: pieces.put(None))
        try:
            while not cancelled.is_set():
                try:
                    piece = pieces.get(timeout=_GLANCE)
                except queue.Empty:
                    continue
                if piece is None:
                    return _result(answer)
                yield piece
            return None
        finally:
            answer.cancel()

    def close(self) -> None:
        """Free the models, and close the connections to them."""
        if self._loop.is_closed():
            return
        self._run(self._close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Given]) -> Future[Given]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _open(
        self, specs: Mapping[str, ModelSpec], executors: ExecutorChoice, served: ServedSettings
    ) -> dict[str, ModelFacts]:
        self._endpoints = open_endpoints(specs.values(), executors, served)
        for endpoint in self._endpoints.values():
            endpoint.expect_more(False)  # nobody waits for a batch to be full
        return {role: await endpoint.facts() for role, endpoint in self._endpoints.items()}

    async def _close(self) -> None:
        for endpoint in self._endpoints.values():
            await endpoint.close()

    async def _answered(
        self,
        request: Request,
        heard: MutableMapping[Audio, str] | None,
        speaks: bool,
        take: Callable[[Piece], object],
    ) -> Response:
        """Follow the chain of the one call, as a run follows that of a sample."""
        chain = _chain(request)
        if self._cascade is not None:
            chain = self._cascade.through(chain, None, heard)
        run = ChainRun(chain, _unanswered, Sample(""), task="", generation=self._generation)
        while (call := run.call) is not None:
            endpoint = self._endpoints.get(call.role)
            if endpoint is None:
                raise ModelFailedError(f"a cascade needs a model in the role '{call.role}': model@{call.role}=NAME")
            if reason := self._refusal(call, speaks):
                raise ModelFailedError(f"the {call.role} {reason}")
            # What a stage of a cascade says is not yet what the cascade answers.
            with listening(take if call.role == _MODEL else _ignore):
                run.send(await endpoint.answer(call))
        assert run.outcome is not None  # noqa: S101 - a chain without a further call has ended
        if run.outcome.reason is not None:
            raise ModelFailedError(run.outcome.reason.message)
        exchanges = run.outcome.exchanges
        usage = [exchange.response.usage for exchange in exchanges if exchange.response.usage is not None]
        return replace(exchanges[-1].response, usage=sum(usage, Usage()) if usage else None)

    def _refusal(self, call: Call, speaks: bool) -> str | None:
        capabilities = self.facts[call.role].capabilities
        reason = capabilities.refusal(call.request, call.request.language)
        return None if speaks and reason == "does not speak" else reason


def _chain(request: Request) -> Chain:
    yield Call(_MODEL, request)
    return Score({})


def _unanswered(_: Sample) -> Score:
    return Score({})


def _ignore(_: Piece) -> None:
    """Take no note of it."""


def _result(answer: Future[Response]) -> Response:
    try:
        return answer.result()
    except EvalkitError as error:
        raise ModelFailedError(str(error)) from error
