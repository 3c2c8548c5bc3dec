"""How the samples of a stored run ended, by its stored responses alone."""

from collections.abc import Iterable, Iterator
from itertools import islice

from evalkit.chain import Outcome
from evalkit.inference.replay import IN_STEP, ended, replay, replays
from evalkit.results.responses import ResponseStore
from evalkit.task import Task
from evalkit.types import Failure, Sample


def stored_outcomes(
    task: Task, store: ResponseStore, samples: Iterable[tuple[Sample, str, Failure | None]]
) -> Iterator[Outcome]:
    """Yield how samples ended, by stored responses alone.

    Args:
        task: the benchmark.
        store: has its responses.
        samples: with status and reason, as ``ScoresFile.samples`` yields them.

    Raises:
        StoreError: there is no response to a call of a sample's chain.
    """
    remaining = iter(samples)
    while together := list(islice(remaining, IN_STEP)):
        runs = iter(replays(task, store, (sample for sample, status, _ in together if status != "skipped")))
        for sample, status, reason in together:
            yield skipped_outcome(task, store, sample, reason) if status == "skipped" else ended(task, next(runs))


def skipped_outcome(task: Task, store: ResponseStore, sample: Sample, reason: Failure | None) -> Outcome:
    """Return how a sample ended that was skipped, with what was answered before a model could not be asked."""
    run = replay(task, store, sample)
    run.skip("" if reason is None else reason.message)
    assert run.outcome is not None  # noqa: S101 - a chain that was ended has an outcome
    return run.outcome
