"""A sample's chain of model calls, written as a generator: it yields calls, is sent responses, and returns a score.

A task writes ``def chain(self, sample) -> Chain``; steps that tasks share are sub-generators (``yield from``). What is
yielded depends on nothing but the responses sent before, so that resuming a run is replaying its chains.
"""

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from evalkit.errors import AudioError, EvalkitError
from evalkit.tool_syntax import with_tool_calls
from evalkit.types import Call, Failure, Response, Sample

_log = logging.getLogger("evalkit")


@dataclass(frozen=True, slots=True)
class Score:
    """One sample's score.

    Attributes:
        statistics: for each metric key of the task, its vector of sufficient statistics.
        details: what the score was computed from, for people to read (normalised texts, …).
        failure: why the sample counts as failed although every call was answered, such as a judge whose replies
            could not be read; its statistics are then those of a wrong answer.
    """

    statistics: Mapping[str, Sequence[float]]
    details: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None


Chain = Generator[Call, Response, Score]
"""Yields each call, is sent its good response, and returns the score once there is nothing more to ask."""


class CallFailed(Exception):  # noqa: N818 - an event of the chain, not a fault of the program
    """Thrown into a chain at the call whose answer cannot be had.

    A chain that catches it returns the score of what was answered before, or asks for something else; from a chain
    that does not, the engine takes ``Task.unanswered(sample)``.

    Attributes:
        call: that was made.
        failure: why it has no answer.
    """

    def __init__(self, call: Call, failure: Failure) -> None:
        super().__init__(failure.message)
        self.call = call
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call of a chain and its response, good or failed.

    Attributes:
        call: what was asked, and which role.
        response: what came back; its ``failure`` says why there is no answer.
    """

    call: Call
    response: Response


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sample ended.

    Attributes:
        sample: whose chain ended.
        status: ``scored``; ``failed``, which counts as a wrong answer; or ``skipped``, which does not count.
        exchanges: every call with its response, in order.
        score: None where the sample was skipped.
        reason: why it failed or was skipped, or None.
    """

    sample: Sample
    status: Literal["scored", "failed", "skipped"]
    exchanges: tuple[Exchange, ...] = ()
    score: Score | None = None
    reason: Failure | None = None


class ChainRun:
    """One sample's chain while it is under way.

    A chain that breaks (an error in a task's code about this one sample) ends as a failed sample, scored as one without
    an answer, so that one bad sample costs no other its score. Expected errors, other than those about a recording, are
    raised.

    Args:
        chain: fresh, not yet advanced.
        unanswered: gives the score of a chain that does not catch ``CallFailed``.
        sample: whose chain it is.
        task: the task's name; every call's request is stamped with it and with the sample's id.
        generation: decoding settings that win over those of a call's request, by role.

    Attributes:
        call: to be answered next; None once the chain has ended.
        outcome: of an ended chain, else None.
    """

    __slots__ = (
        "_chain",
        "_exchanges",
        "_failure",
        "_generation",
        "_sample",
        "_task",
        "_unanswered",
        "call",
        "outcome",
    )

    def __init__(
        self,
        chain: Chain,
        unanswered: Callable[[Sample], Score],
        sample: Sample,
        *,
        task: str,
        generation: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._chain = chain
        self._unanswered = unanswered
        self._sample = sample
        self._task = task
        self._generation = generation or {}
        self._exchanges: list[Exchange] = []
        self._failure: Failure | None = None
        self.call: Call | None = None
        self.outcome: Outcome | None = None
        self._advance(chain.send, None)

    @property
    def position(self) -> int:
        """How many calls of the chain were answered or failed before the one that is next."""
        return len(self._exchanges)

    @property
    def sample(self) -> Sample:
        """The sample whose chain it is."""
        return self._sample

    def send(self, response: Response) -> None:
        """Let the chain go on with the response to ``call``, or without it if it failed."""
        call = self.call
        if call is None:
            raise ValueError("the chain has ended: there is no call to respond to")
        if call.request.tools:
            # Read here and not by each adapter, so that stored answers and other people's adapters are read alike.
            response = with_tool_calls(response)
        self._exchanges.append(Exchange(call, response))
        if response.failure is None:
            self._advance(self._chain.send, response)
        else:
            self._failure = self._failure or _whose(call.role, response.failure)
            self._advance(self._chain.throw, CallFailed(call, response.failure))

    def skip(self, reason: str) -> None:
        """End the chain where its next call cannot be put to the model of its role; the sample does not count."""
        self._chain.close()
        self.call = None
        self.outcome = Outcome(
            self._sample, "skipped", tuple(self._exchanges), reason=Failure("not_applicable", reason)
        )

    def _advance(self, step: Callable[[Any], Call], value: Any) -> None:
        try:
            call = step(value)
        except StopIteration as end:
            self._end(end.value)
        except CallFailed:
            self._end(self._unanswered(self._sample))
        except AudioError as error:
            self._break(Failure("unreadable_audio", str(error)))
        except EvalkitError:
            raise
        except Exception as error:
            _log.debug("sample %s: task %s failed", self._sample.id, self._task, exc_info=error)
            self._break(Failure("error", f"{type(error).__name__}: {error}"))
        else:
            # Where a request comes from is the engine's to say; it is not part of the request's content.
            request = call.request.stamped(self._task, self._sample.id)
            if wanted := self._generation.get(call.role):
                request = replace(request, generation={**request.generation, **wanted})
            self.call = Call(call.role, request, call.answer)

    def _break(self, failure: Failure) -> None:
        self._failure = self._failure or failure
        self._end(self._unanswered(self._sample))

    def _end(self, score: Score) -> None:
        reason = self._failure or score.failure
        self.call = None
        self.outcome = Outcome(self._sample, "failed" if reason else "scored", tuple(self._exchanges), score, reason)


def _whose(role: str, failure: Failure) -> Failure:
    """Return a failure that says whose it is, where that is not the model under test."""
    return failure if role == "model" else Failure(failure.kind, f"{role}: {failure.message}")
