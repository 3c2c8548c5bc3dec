"""What two runs' records say of one task: whose samples, asked what, answered how; and why each answer differs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.results.recorded_calls import RecordedCall, RecordedCalls
from evalkit.results.task_result import TaskResult
from evalkit.run.difference.attribution import FAILURES, Keys
from evalkit.run.difference.causes import UNDER_TEST, CauseKey, Change, Example
from evalkit.run.difference.divergence import Divergence, Part, Point, conversation, divergence
from evalkit.run.difference.opened import OpenedRun, within
from evalkit.run.difference.samples import (
    Own,
    Places,
    StoredSample,
    TaskSamples,
    own_differences,
    read_samples,
    said_nothing,
)
from evalkit.run.difference.suspects import Suspects
from evalkit.types import Sample

Calls = tuple[Sequence[RecordedCall], ...]
"""The calls of one sample, in the base run and in the new one."""


@dataclass(slots=True)
class Evidence:
    """What differs in one task.

    Attributes:
        name: of the task.
        results: of both runs.
        samples: that count, in both runs.
        places: in either run, of the samples that count in both, in the order of the base run.
        folders: of the task in both runs.
        only_in_one: ids of those that count in the base run alone, and in the new run alone.
        roles: who was asked about the shared samples, in either run.
        own: the shared samples that themselves differ, by what differs.
        reference: the first of them that have other references.
        groups: for each shared sample, why its answers differ; empty where they do not.
        asked: of how many shared samples something was asked otherwise, by the cause.
        answered: how many shared samples had the very same question answered otherwise, by role.
        compared: of how many shared samples the question to each role could be compared.
        same: of how many of these it was the very same.
        differing: how many shared samples have answers that differ.
        unrecorded: of how many shared samples there is no whole record of the calls, in the base run and the new one.
        examples: one sample for each cause that was asked about or answered otherwise.
        settings: of questions asked otherwise, the decoding settings and the further fields that differ, by the cause.
        failed_once: shared samples that failed in one run alone.
        empty_once: shared samples that were answered with nothing in the base run alone, and in the new run alone.
    """

    name: str
    results: tuple[TaskResult, TaskResult]
    samples: tuple[TaskSamples, TaskSamples]
    places: tuple[Places, Places]
    folders: tuple[Path, Path]
    only_in_one: tuple[Sequence[str], Sequence[str]]
    roles: set[str] = field(default_factory=set)
    own: dict[Own, list[str]] = field(default_factory=dict)
    reference: Example | None = None
    groups: list[Keys] = field(default_factory=list)
    asked: Counter[CauseKey] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    same: Counter[str] = field(default_factory=Counter)
    differing: int = 0
    unrecorded: list[int] = field(default_factory=lambda: [0, 0])
    examples: dict[CauseKey, Example] = field(default_factory=dict)
    settings: dict[CauseKey, dict[Change, None]] = field(default_factory=dict)
    failed_once: list[str] = field(default_factory=list)
    empty_once: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))

    @property
    def shared(self) -> int:
        """How many samples count in both runs."""
        return len(self.places[0])

    def stored(self, side: int) -> Iterator[StoredSample]:
        """Yield the shared samples as one of the runs stored them.

        Raises:
            StoreError: the scores are damaged.
        """
        return self.samples[side].stored(self.places[side])

    def answered_samples(self, side: int, by: int) -> Iterator[tuple[Sample, Sequence[RecordedCall]]]:
        """Yield the shared samples as one of the runs has them, each with its calls in one of the runs.

        Raises:
            StoreError: the scores or the record of calls of a run are damaged.
        """
        with RecordedCalls(self.folders[by]) as calls:
            for (sample, _), answered in zip(self.stored(side), self.stored(by), strict=True):
                yield sample, calls.of(answered.sample.id, answered.responses)

    def release(self) -> None:
        """Forget the statistics, of which a run may have very many, once the figures are explained."""
        base, new = (replace(side, statistics={}) for side in self.samples)
        self.samples = base, new


def gathered(name: str, base: OpenedRun, new: OpenedRun, suspects: Suspects) -> Evidence:
    """Read what both runs recorded of a task.

    Raises:
        StoreError: the scores or the record of calls of a run are damaged.
    """
    import pyarrow.compute as pc

    runs = base, new
    results = base.result.tasks[name], new.result.tasks[name]
    sides, ids = zip(
        *(read_samples(run.scores(name), result.metrics) for run, result in zip(runs, results, strict=True)),
        strict=True,
    )
    in_new = pc.index_in(ids[0], value_set=ids[1])
    shared = in_new.is_valid()
    evidence = Evidence(
        name,
        results,
        (sides[0], sides[1]),
        places=(np.flatnonzero(shared.to_numpy(zero_copy_only=False)), in_new.drop_null().to_numpy().astype(np.int64)),
        folders=(base.folder / name, new.folder / name),
        only_in_one=(
            ids[0].filter(pc.invert(shared)).to_pylist(),
            ids[1].filter(pc.invert(pc.is_in(ids[1], value_set=ids[0]))).to_pylist(),
        ),
    )
    alike: dict[Keys, Keys] = {}
    with RecordedCalls(evidence.folders[0]) as base_calls, RecordedCalls(evidence.folders[1]) as new_calls:
        for both in zip(evidence.stored(0), evidence.stored(1), strict=True):
            calls = tuple(
                side.of(each.sample.id, each.responses)
                for side, each in zip((base_calls, new_calls), both, strict=True)
            )
            causes = _noted(evidence, both, calls, suspects)
            evidence.groups.append(alike.setdefault(causes, causes))
    return evidence


def _noted(evidence: Evidence, both: tuple[StoredSample, StoredSample], calls: Calls, suspects: Suspects) -> Keys:
    """Note in what a sample differs, and return why its answers do."""
    sample_id = both[0].sample.id
    own = list(own_differences(both[0].sample, both[1].sample))
    for each in own:
        evidence.own.setdefault(each, []).append(sample_id)
    if "references" in own and evidence.reference is None:
        references = [" / ".join(side.sample.references) for side in both]
        evidence.reference = Example(evidence.name, sample_id, references[0], references[1])
    found = divergence(*calls)
    evidence.roles.update(call.role for side in calls for call in side)
    evidence.compared.update(found.compared)
    evidence.same.update(found.compared - {point.role for point in found.asked})
    for side, recorded in enumerate(calls):
        evidence.unrecorded[side] += not all(call.request for call in recorded)
    evidence.differing += bool(found.role)
    causes = frozenset(_causes(found, own, suspects))
    _note_questions(evidence, sample_id, found, own)
    if found.role and not found.reasons and not found.failed:
        evidence.answered[found.role] += 1
        answers = [" / ".join(call.response.text for call in side if call.role == found.role) for side in calls]
        for cause in causes:
            evidence.examples.setdefault(cause, Example(evidence.name, sample_id, answers[0], answers[1]))
    failed = [sample_id in side.failures for side in evidence.samples]
    empty = [said_nothing(side.responses) for side in both]
    if failed[0] != failed[1]:
        evidence.failed_once.append(sample_id)
        return FAILURES
    if empty[0] != empty[1]:
        evidence.empty_once[empty.index(True)].append(sample_id)
    return causes


def _note_questions(evidence: Evidence, sample_id: str, found: Divergence, own: Sequence[Own]) -> None:
    """Note what was asked otherwise about a sample."""
    for point, pair in found.asked.items():
        cause = _asked(point, own)
        evidence.asked[cause] += 1
        if point.part == "prompt":
            evidence.examples.setdefault(cause, Example(evidence.name, sample_id, *map(conversation, pair)))
        else:
            settings = [_settings(call, point.part) for call in pair]
            evidence.settings.setdefault(cause, {}).update(dict.fromkeys(_changes(point.role, *settings)))


def _causes(found: Divergence, own: Sequence[Own], suspects: Suspects) -> Iterator[CauseKey]:
    """Yield why the answers to a sample differ; nothing where they do not."""
    if found.failed:
        yield CauseKey("failures")
    elif found.reasons:
        yield from (_asked(point, own) for point in found.reasons)
        yield from suspects.of_model(found.role)
    elif found.role:
        yield from suspects.of_answer(found.role, sampled=found.sampled)


def _asked(point: Point, own: Sequence[Own]) -> CauseKey:
    """Return why something was asked otherwise: because the sample itself is another one, or because of the asking."""
    if point.part == "recordings":
        return CauseKey("recordings") if "recordings" in own else CauseKey("request", point.role)
    if point.part == "prompt" and "facts" in own:
        return CauseKey("facts")
    if point.part == "prompt" and point.role != UNDER_TEST and "references" in own:
        return CauseKey("references")
    return CauseKey(point.part, point.role)


def _settings(call: RecordedCall, part: Part) -> Mapping[str, Any]:
    """Return what a part of a question consists of, beside words and recordings."""
    if part == "decoding":
        return within(call.asked, "generation")
    return {key: value for key, value in call.asked.items() if key not in ("messages", "generation")}


def _changes(role: str, base: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key in dict.fromkeys((*base, *new)):
        values = [side.get(key) for side in (base, new)]
        if values[0] != values[1]:
            yield Change(f"{role}: {key}", *(None if value is None else str(value) for value in values))
