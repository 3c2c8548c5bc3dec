"""What two runs' records say of one task: whose samples, asked what, answered how; and why each answer differs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit.results.recorded_calls import RecordedCall, RecordedCalls
from evalkit.results.task_result import TaskResult
from evalkit.run.difference.attribution import FAILURES, Keys
from evalkit.run.difference.causes import UNDER_TEST, CauseKey, Change, Example
from evalkit.run.difference.divergence import Divergence, Part, Point, conversation, divergence
from evalkit.run.difference.opened import OpenedRun, within
from evalkit.run.difference.samples import NO_SAMPLES, Own, TaskSamples, own_differences, read_samples, said_nothing
from evalkit.run.difference.suspects import Suspects

Calls = tuple[Sequence[RecordedCall], ...]
"""The calls of one sample, in the base run and in the new one."""


@dataclass(slots=True)
class Evidence:
    """What differs in one task.

    Attributes:
        name: of the task.
        results: of both runs.
        samples: that count, in both runs.
        shared: ids of the samples that count in both, in the order of the base run.
        only_in_one: ids of those that count in the base run alone, and in the new run alone.
        roles: who was asked about the shared samples, in either run.
        own: the shared samples that themselves differ, by what differs.
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
        empty_once: shared samples that were answered in both, in one of the runs with nothing.
        calls: of each shared sample in both runs.
    """

    name: str
    results: tuple[TaskResult, TaskResult]
    samples: tuple[TaskSamples, TaskSamples]
    shared: Sequence[str]
    only_in_one: tuple[Sequence[str], Sequence[str]]
    roles: set[str] = field(default_factory=set)
    own: dict[Own, list[str]] = field(default_factory=dict)
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
    empty_once: list[str] = field(default_factory=list)
    calls: list[Calls] = field(default_factory=list)

    def release(self) -> None:
        """Forget samples and calls, of which a run may have very many, once the figures are explained."""
        self.samples = (NO_SAMPLES, NO_SAMPLES)
        self.calls = []


def gathered(name: str, base: OpenedRun, new: OpenedRun, suspects: Suspects) -> Evidence:
    """Read what both runs recorded of a task.

    Raises:
        StoreError: the scores or the record of calls of a run are damaged.
    """
    runs = base, new
    results = base.result.tasks[name], new.result.tasks[name]
    sides = [read_samples(run.scores(name), result.metrics) for run, result in zip(runs, results, strict=True)]
    evidence = Evidence(
        name,
        results,
        (sides[0], sides[1]),
        shared=[each for each in sides[0].samples if each in sides[1].samples],
        only_in_one=(
            [each for each in sides[0].samples if each not in sides[1].samples],
            [each for each in sides[1].samples if each not in sides[0].samples],
        ),
    )
    with RecordedCalls(base.folder / name) as base_calls, RecordedCalls(new.folder / name) as new_calls:
        for sample_id in evidence.shared:
            calls = tuple(
                side.of(sample_id, task.responses[sample_id])
                for side, task in zip((base_calls, new_calls), sides, strict=True)
            )
            _note(evidence, sample_id, calls, suspects)
            # What was asked is compared and done with, and there may be very many.
            evidence.calls.append(tuple([replace(call, asked={}) for call in side] for side in calls))
    return evidence


def _note(evidence: Evidence, sample_id: str, calls: Calls, suspects: Suspects) -> None:
    """Note in what a sample differs."""
    sides = evidence.samples
    own = list(own_differences(*(side.samples[sample_id] for side in sides)))
    for each in own:
        evidence.own.setdefault(each, []).append(sample_id)
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
    failed = [sample_id in side.failures for side in sides]
    empty = [said_nothing(side.responses[sample_id]) for side in sides]
    if failed[0] != failed[1]:
        evidence.failed_once.append(sample_id)
        causes = FAILURES
    elif empty[0] != empty[1]:
        evidence.empty_once.append(sample_id)
    evidence.groups.append(causes)


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
