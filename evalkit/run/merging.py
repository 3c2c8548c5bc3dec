"""Making one run of its shards: what is missing is named, what does not belong together refused.

The shards stay as they are; the run gets copies of their answers, links to their speech, and is then like any other.
Its figures are not made of the shards' figures but scored anew from all stored answers in the order of the data set, by
what scores every run, and so have the same bytes as those of a run without shards.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from evalkit.datasets.fingerprint import OrderedFingerprint
from evalkit.errors import ConfigurationError, EvalkitError, StoreError
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.object_store import held
from evalkit.results.aggregates import definitions_from, with_aggregates
from evalkit.results.copying import join_responses
from evalkit.results.folder import PROVENANCE, RunFolder
from evalkit.results.joined_provenance import has_other_sessions, joined_provenance
from evalkit.results.metrics_file import RunResult
from evalkit.results.publication import publish, settled_run
from evalkit.results.role_log import RoleLog
from evalkit.results.scores import ROWS_AT_ONCE, SamplesChunk, ScoresFile
from evalkit.results.shards import Shard, WholeData, shards_of
from evalkit.results.task_result import TaskResult
from evalkit.run.chunks import StoredTask, scored_chunks
from evalkit.run.processes import processes_for
from evalkit.run.scoring import TaskScorer
from evalkit.run.shard_found import ShardFound, difference, opened
from evalkit.run.stored import stored_statistics, stored_tasks, write_config
from evalkit.task import Task
from evalkit.version import __version__

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class MissingShard:
    """A shard that is not finished.

    Attributes:
        shard: which one.
        state: ``not begun``, ``not finished`` or ``being run``.
        tasks: by name, how many samples it has of each task that is not finished, and how many of these have no answer.
    """

    shard: Shard
    state: str
    tasks: Mapping[str, tuple[int, int]]

    def __str__(self) -> str:
        tasks = ", ".join(f"{name} {without:,} of {size:,}" for name, (size, without) in self.tasks.items())
        return f"shard {self.shard}, {self.state}; samples without an answer: {tasks or 'unknown'}"


class MissingShardsError(EvalkitError):
    """Shards of a run are not finished.

    Args:
        run: its folder.
        missing: the shards, in order.
    """

    def __init__(self, run: Path, missing: Sequence[MissingShard]) -> None:
        count = missing[0].shard.count
        super().__init__(f"{run}: not merged, {len(missing)} of {count} shards are not finished")
        self.missing = tuple(missing)


def merge(path: Path, allow: Sequence[str] = ()) -> RunResult:
    """Make one run of its shards, and return what it measured. Done again, it gives the same; killed, it is done again.

    Args:
        path: the run folder that holds the shards.
        allow: packages of the user's own whose task classes may be made.

    Raises:
        MissingShardsError: not all shards are finished.
        ConfigurationError: shards differ in what decides figures; names it.
        StoreError: there are no shards, they are damaged, or the run was continued without them.
    """
    if not shards_of(path):
        raise StoreError(f"{path}: has no shards; `evalkit run … shard=1/16` makes the first of 16")
    with held(path), ExitStack() as stack:
        folder = stack.enter_context(closing(RunFolder(path)))
        parts = [opened(shard, place, stack) for shard, place in shards_of(path).items()]
        _refuse_other_sessions(folder)
        whole = _whole_data(parts)
        if missing := list(_missing(parts, whole)):
            raise MissingShardsError(path, missing)
        return _merged(folder, parts, whole, allow)


def _refuse_other_sessions(folder: RunFolder) -> None:
    provenance = folder.read(PROVENANCE)
    if provenance and has_other_sessions(provenance):
        raise StoreError(
            f"{folder.path}: was continued without shards since they were merged, and merging again would lose what "
            "was answered then; it is a run of its own now, and its folder shards/ can go"
        )


def _whole_data(parts: Sequence[ShardFound]) -> dict[str, WholeData]:
    """Return the samples of all shards together, by task, of shards that agree on them and on all else."""
    first = parts[0]
    whole: dict[str, tuple[Path, WholeData]] = {}
    for part in parts:
        if reason := difference(first, part):
            raise ConfigurationError(f"{part.folder}: is no shard of the run that {first.folder} is of: {reason}")
        for name, data in part.whole().items():
            place, known = whole.setdefault(name, (part.folder, data))
            if data != known:
                what = (
                    f"{data.samples:,} samples of {name} are divided, there {known.samples:,}"
                    if data.samples != known.samples
                    else f"the samples of {name}, what they say or their order are others"
                )
                raise ConfigurationError(f"{part.folder}: is no shard of the run that {place} is of: {what}")
    return {name: data for name, (_, data) in whole.items()}


def _missing(parts: Sequence[ShardFound], whole: Mapping[str, WholeData]) -> Iterator[MissingShard]:
    begun = {part.shard: part for part in parts}
    count = parts[0].shard.count
    for shard in (Shard(number, count) for number in range(1, count + 1)):
        sizes = {name: size for name, data in whole.items() if (size := shard.size(data.samples))}
        part = begun.get(shard)
        if part is None:
            if sizes or not whole:
                yield MissingShard(shard, "not begun", {name: (size, size) for name, size in sizes.items()})
            continue
        tasks = {
            name: (size, max(0, size - _asked(part.folder / name)))
            for name, size in sizes.items()
            if not part.has_finished(name, whole[name])
        }
        if tasks or part.in_use or not whole or not part.provenance:
            yield MissingShard(shard, "being run" if part.in_use else "not finished", tasks)


def _asked(folder: Path) -> int:
    """Return how many samples of a task something is stored of."""
    samples: set[str] = set()
    for path in folder.glob("*.jsonl"):
        with closing(RoleLog(path, writable=False)) as log:
            samples.update(record["sample"] for _, record in log.records())
    return len(samples)


def _merged(
    folder: RunFolder, parts: Sequence[ShardFound], whole: Mapping[str, WholeData], allow: Sequence[str]
) -> RunResult:
    finished = [part for part in parts if part.run is not None]
    first = finished[0].run
    assert first is not None  # noqa: S101 - as was just asked for
    config = dict(parts[0].config) | {"shard": None}
    config["tasks"] = {name: task for part in parts for name, task in part.config["tasks"].items()}
    settings = stored_statistics(config, folder.path)
    settled_run(folder)
    results: dict[str, TaskResult] = {}
    for task in stored_tasks(config, whole, allow):
        shares = [part for part in finished if part.run is not None and task.name in part.run.tasks]
        join_responses([part.folder / task.name for part in shares], folder.path / task.name)
        stored = StoredTask(folder.path / task.name, config, tuple(allow))
        results[task.name] = _scored(stored, task, shares, settings, whole[task.name])
    provenance = joined_provenance({part.shard: part.provenance for part in parts if part.provenance})
    run = RunResult(
        name=first.name,
        model_name=first.model_name,
        model=first.model,
        evalkit=__version__,
        tasks=results,
        left_out=first.left_out,
        folder=folder.path,
    )
    run = with_aggregates(run, definitions_from(config.get("aggregates")), settings)
    folder.write_json(PROVENANCE, provenance)
    write_config(folder, config)
    publish(folder, run, run.tasks)
    return run


def _scored(
    stored: StoredTask, task: Task, shares: Sequence[ShardFound], settings: BootstrapSettings, whole: WholeData
) -> TaskResult:
    """Score all samples of a task, whose shares are read by turns: so they come in the order of the data set.

    Raises:
        StoreError: they are not the samples that were divided, as where a shard was begun again on other data.
    """
    results = [part.run.tasks[task.name] for part in shares if part.run is not None]
    models = {role: model for result in results for role, model in result.models.items()}
    scores = [ScoresFile(part.folder / task.name, each.digest) for part, each in zip(shares, results, strict=True)]
    found_whole = OrderedFingerprint()
    chunks = _chunks_by_turns(scores, found_whole)
    with (
        TaskScorer(task, stored.folder, settings, models=models, partial=whole.partial) as scorer,
        closing(scored_chunks(stored, task, chunks, processes_for(whole.samples))) as scored,
    ):
        for chunk in scored:
            scorer.add_chunk(chunk)
        result = scorer.finish()
    if (found_whole.samples, found_whole.hexdigest()) != (whole.samples, whole.fingerprint):
        raise StoreError(
            f"{stored.folder}: the shards have scores of other samples than were divided; run the commands of all "
            "shards again"
        )
    return result


def _chunks_by_turns(shares: Sequence[ScoresFile], found: OrderedFingerprint) -> Iterator[SamplesChunk]:
    """Yield the samples of all shares, one of each and so on, in chunks of ``ROWS_AT_ONCE``; takes note of them."""
    import pyarrow as pa

    held: list[Any] = []
    for parts in zip_longest(*(share.chunks() for share in shares)):
        chunks = [part for part in parts if part is not None]
        for sample, _, _ in _by_turns(chunk.samples() for chunk in chunks):
            found.add(sample)
        order = np.argsort(np.concatenate([np.arange(len(chunk.table)) for chunk in chunks]), kind="stable")
        tables = [chunk.table.select(chunks[0].table.column_names) for chunk in chunks]
        table = pa.concat_tables([*held, pa.concat_tables(tables).take(order)])
        whole = len(table) - len(table) % ROWS_AT_ONCE
        for first in range(0, whole, ROWS_AT_ONCE):
            yield SamplesChunk(table.slice(first, ROWS_AT_ONCE), shares[0].path)
        held = [table.slice(whole)]
    if held and len(held[0]):
        yield SamplesChunk(held[0], shares[0].path)


def _by_turns(shares: Iterable[Iterator[_T]]) -> Iterator[_T]:
    """Yield one of each share, and so on; the first ones may have one more than the others."""
    return (each for each in chain.from_iterable(zip_longest(*shares)) if each is not None)
