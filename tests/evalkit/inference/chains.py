"""A benchmark of three roles, models that compute their answers, and a store in memory."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.adapter import Capabilities, Model, ModelAdapter
from evalkit.chain import Chain, Outcome, Score
from evalkit.inference.ask import TaskWork, run_inference
from evalkit.inference.endpoint import Endpoint
from evalkit.inference.local import LocalExecutor
from evalkit.types import Call, Failure, Message, Request, Response, Sample
from tests.live_models import spec_of

ROLES = ("model", "transcriber", "judge", "judge")


class Arithmetic(ModelAdapter):
    """Adds, doubles or negates the number it is asked about; fails on the numbers it is told to."""

    def __init__(self, operation: str, fails_on: Sequence[str] = (), languages: Sequence[str] | None = None) -> None:
        self.capabilities = Capabilities(frozenset(languages) if languages else None, sample_rate=None, batch_size=3)
        self.operation = operation
        self.fails_on = set(fails_on)
        self.asked: list[str] = []
        self.batches: list[int] = []
        self.closed = 0

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        self.batches.append(len(requests))
        return [self._answer(str(request.messages[-1].content[0])) for request in requests]

    def _answer(self, question: str) -> Response:
        self.asked.append(question)
        if question in self.fails_on:
            return Response(failure=Failure("error", f"no idea about {question}"))
        operations = {"add": int(question) + 1, "double": int(question) * 2, "negate": -int(question)}
        return Response(str(operations[self.operation]))

    def fingerprint(self) -> dict[str, Any]:
        return {"operation": self.operation}

    def close(self) -> None:
        self.closed += 1


def question(text: str) -> Request:
    return Request((Message("user", (text,)),))


class ThreeRoles:
    """Each number goes to the model, its answer to the transcriber, that answer twice to the judge."""

    title = "Three roles"
    roles: Sequence[str] = ROLES

    def __init__(self, count: int = 10, languages: Sequence[str | None] = (None,), name: str = "three_roles") -> None:
        self.name = name
        self.count = count
        self.languages = languages

    def samples(self) -> Iterator[Sample]:
        for number in range(self.count):
            yield Sample(f"n{number}", language=self.languages[number % len(self.languages)])

    def chain(self, sample: Sample) -> Chain:
        text = sample.id[1:]
        for role in self.roles:
            text = (yield Call(role, question(text))).text
        return Score({"last": (float(text),)})

    def unanswered(self, sample: Sample) -> Score:
        return Score({"last": (0.0,)})


@dataclass
class Kept:
    """A store in memory, which finds again what is good."""

    responses: dict[tuple[str, int, str], Response] = field(default_factory=dict)

    def get(self, sample_id: str, position: int, call: Call) -> Response | None:
        return self.responses.get((sample_id, position, call.request.content_hash()))

    def append(self, sample_id: str, position: int, call: Call, response: Response) -> Response:
        if not response.failed:
            self.responses[sample_id, position, call.request.content_hash()] = response
        return response


def models(**options: Any) -> dict[str, Model]:
    return {
        "model": Arithmetic("add", **options),
        "transcriber": Arithmetic("double"),
        "judge": Arithmetic("negate"),
    }


def work(task: Any, store: Kept, outcomes: list[Outcome], samples: Iterable[Sample] | None = None) -> TaskWork:
    chosen = task.samples() if samples is None else samples
    return TaskWork(task, chosen, task.count, store, outcomes.append, lambda: None)


def ask(
    tasks: Sequence[Any],
    adapters: Mapping[str, Model],
    stores: Mapping[str, Kept] | None = None,
    *,
    executor: LocalExecutor | None = None,
    endpoints: Callable[[LocalExecutor], Mapping[str, Endpoint]] | None = None,
    **options: Any,
) -> dict[str, list[Outcome]]:
    """Have everything answered, and return how the samples of each task ended, in the order of being handed out."""
    outcomes: dict[str, list[Outcome]] = {task.name: [] for task in tasks}
    executor = executor or LocalExecutor()

    async def main() -> None:
        opened = {role: executor.open(spec_of(role, adapter)) for role, adapter in adapters.items()}
        further = {} if endpoints is None else dict(endpoints(executor))
        works = [work(task, (stores or {}).get(task.name) or Kept(), outcomes[task.name]) for task in tasks]
        await run_inference(works, {**opened, **further}, **options)

    asyncio.run(main())
    return outcomes
