"""Chains played through by hand: what a task asks after some responses, and the score that they amount to."""

from collections.abc import Sequence

from evalkit.chain import ChainRun, Score
from evalkit.task import Task
from evalkit.types import Call, Failure, Response, Sample


def run_of(task: Task, sample: Sample, responses: Sequence[Response] = ()) -> ChainRun:
    """A sample's chain after these responses, of which none may be one too many."""
    run, again = (ChainRun(task.chain(sample), task.unanswered, sample, task=task.name) for _ in range(2))
    for response in responses:
        run.send(response)
        again.send(response)
    assert (run.call, run.outcome) == (again.call, again.outcome), "what comes next depends on more than the responses"
    return run


def next_call(task: Task, sample: Sample, responses: Sequence[Response] = ()) -> Call | None:
    """What is asked after these responses; None if nothing is."""
    return run_of(task, sample, responses).call


def first_call(task: Task, sample: Sample) -> Call:
    """What is asked first."""
    call = next_call(task, sample)
    assert call is not None
    return call


def calls_of(task: Task, sample: Sample, responses: Sequence[Response]) -> list[Call]:
    """All calls up to the one, if there is one, that comes after these responses."""
    calls = [next_call(task, sample, responses[:count]) for count in range(len(responses) + 1)]
    return [call for call in calls if call is not None]


def score_of(task: Task, sample: Sample, responses: Sequence[Response] = ()) -> Score:
    """The score after these responses; if there is more to ask, that call fails, and so does every further one."""
    run = run_of(task, sample, responses)
    while run.call is not None:
        run.send(Response(failure=Failure("error", "no answer")))
    assert run.outcome is not None
    assert run.outcome.score is not None
    return run.outcome.score
