"""Holding a data set against what is known of it: count, hours, recordings, references, sizes of its groups."""

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from tqdm import tqdm

from evalkit.audio import Audio
from evalkit.datasets.fingerprint import Fingerprint
from evalkit.errors import AudioError
from evalkit.task import Task
from evalkit.types import Sample

HOURS_TOLERANCE = 0.1
"""Part by which hours may differ from the known ones, which corpora state roughly, some before a last correction."""

Status = Literal["ok", "warning", "differs", ""]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was held against what is known.

    Attributes:
        name: of what was looked at.
        found: in the data set.
        known: what it was held against; empty where nothing is known.
        status: ``differs`` from what is known; a ``warning`` where what is known is not confirmed, or may be meant;
            empty where there was nothing to hold it against.
    """

    name: str
    found: str
    known: str = ""
    status: Status = ""


@dataclass(frozen=True, slots=True)
class GroupSize:
    """How many samples, and hours of them, have one value of a group.

    Attributes:
        group: such as ``language``.
        value: such as ``en``.
        samples: how many have it.
        hours: of their recordings together.
    """

    group: str
    value: str
    samples: int
    hours: float


@dataclass(frozen=True, slots=True)
class Verification:
    """What reading a whole data set showed.

    Attributes:
        samples: how many there are.
        expected: how many the complete data set has, where that is known.
        checks: in the order to print them.
        groups: sizes by language and by every group of the samples.
        faults: for each recording that cannot be read, what is wrong with it.
        empty: ids of the samples whose reference is empty.
    """

    samples: int
    expected: int | None
    checks: tuple[Check, ...]
    groups: tuple[GroupSize, ...]
    faults: tuple[str, ...]
    empty: tuple[str, ...]

    @property
    def partial(self) -> bool:
        """Whether samples of the complete data set are missing."""
        return self.expected is not None and self.samples < self.expected

    @property
    def differs(self) -> bool:
        """Whether something is known to be wrong."""
        return any(check.status == "differs" for check in self.checks)

    @property
    def summary(self) -> str:
        """The whole in one line."""
        named = {
            status: ", ".join(check.name for check in self.checks if check.status == status)
            for status in ("differs", "warning")
        }
        parts = [f"partial, {self.samples:,} of {self.expected:,} samples"] if self.partial else []
        parts += [f"differs from what is known: {named['differs']}"] if named["differs"] else []
        parts += [] if parts else ["ok"]
        parts += [f"look at: {named['warning']}"] if named["warning"] else []
        return "; ".join(parts)


@dataclass(slots=True)
class _Reading:
    """What one pass over the rows of a data set gathers."""

    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    recordings: list[Audio] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    memberships: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    references: int = 0
    clusters: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, sample: Sample) -> None:
        self.fingerprint.add(sample)
        self.recordings += sample.audio
        self.owners += [len(self.memberships)] * len(sample.audio)
        language = {"language": sample.language} if sample.language else {}
        self.memberships.append(tuple((language | dict(sample.groups)).items()))
        self.references += len(sample.references)
        for name, label in sample.clusters.items():
            self.clusters[name].add(label)
        if any(not reference.strip() for reference in sample.references):
            self.empty.append(sample.id)


def verify(task: Task, facts: Mapping[str, Any], *, decode: bool = False) -> Verification:
    """Read a task's whole data set as a run would, and hold it against the facts.

    Args:
        task: whose samples to read.
        facts: ``hours``, ``group_sizes`` (for a group the size of each value, or one size for all of its values), and
            ``unconfirmed``, those of ``samples`` and ``hours`` that a difference from is only worth a warning.
        decode: decode every recording, rather than read its header.

    Raises:
        DataError: the data set cannot be read: it is not there, a row is malformed, an id is used twice.
    """
    reading = _Reading()
    for sample in task.samples():
        reading.add(sample)
    seconds, faults = _measured(reading.recordings, decode)
    seconds_of = [0.0] * reading.fingerprint.samples
    for owner, length in zip(reading.owners, seconds, strict=True):
        seconds_of[owner] += length
    groups = tuple(_group_sizes(reading.memberships, seconds_of))
    unconfirmed = facts.get("unconfirmed") or ()
    samples, expected = reading.fingerprint.samples, task.expected_samples
    partial = expected is not None and samples < expected
    checks = [
        _count_check(samples, expected, "samples" in unconfirmed),
        _hours_check(sum(seconds) / 3600, facts.get("hours"), "hours" in unconfirmed, comparable=not partial),
        _recordings_check(len(seconds), len(faults), decode),
        _references_check(reading.references, len(reading.empty)),
        *_clusters_check(reading.clusters),
        *(() if partial else _group_checks(groups, facts.get("group_sizes") or {})),
        Check("fingerprint", reading.fingerprint.hexdigest()),
    ]
    return Verification(samples, expected, tuple(checks), groups, tuple(faults), tuple(reading.empty))


def _measured(recordings: Sequence[Audio], decode: bool) -> tuple[list[float], list[str]]:
    """Return the seconds of each recording, 0 of those that cannot be read, and what is wrong with these."""

    def measure(audio: Audio) -> float | str:
        try:
            return audio.seconds(decode=decode)
        except AudioError as error:
            return str(error)

    # Waiting for disks, not computing, is what takes time: libsndfile lets other threads run.
    with ThreadPoolExecutor(min(32, 4 * (os.cpu_count() or 1))) as pool:
        measured = pool.map(measure, recordings)
        found = list(tqdm(measured, desc="recordings", total=len(recordings), leave=False, disable=None))
    return (
        [0.0 if isinstance(each, str) else each for each in found],
        [each for each in found if isinstance(each, str)],
    )


def _group_sizes(memberships: Iterable[tuple[tuple[str, str], ...]], seconds: Iterable[float]) -> Iterator[GroupSize]:
    samples: Counter[tuple[str, str]] = Counter()
    lengths: defaultdict[tuple[str, str], float] = defaultdict(float)
    for pairs, length in zip(memberships, seconds, strict=True):
        for pair in pairs:
            samples[pair] += 1
            lengths[pair] += length
    order = list(dict.fromkeys(group for group, _ in samples))
    for group, value in sorted(samples, key=lambda pair: (order.index(pair[0]), pair[1])):
        yield GroupSize(group, value, samples[group, value], lengths[group, value] / 3600)


def _count_check(samples: int, expected: int | None, unconfirmed: bool) -> Check:
    if expected is None:
        return Check("samples", f"{samples:,}")
    known = f"{expected:,}{' (not confirmed)' if unconfirmed else ''}"
    return Check("samples", f"{samples:,}", known, _judge(samples == expected, unconfirmed))


def _hours_check(hours: float, known: float | None, unconfirmed: bool, *, comparable: bool) -> Check:
    found = f"{hours:.2f}"
    if known is None:
        return Check("hours", found)
    said = f"{known:g} ± {HOURS_TOLERANCE:.0%}{' (not confirmed)' if unconfirmed else ''}"
    if not comparable:
        return Check("hours", found, f"{said}, of the complete data set")
    return Check("hours", found, said, _judge(abs(hours - known) <= HOURS_TOLERANCE * known, unconfirmed))


def _recordings_check(recordings: int, faulty: int, decoded: bool) -> Check:
    how = "decoded" if decoded else "by their headers"
    found = f"{recordings - faulty:,} of {recordings:,} readable, {how}"
    return Check("recordings", found, "all", _judge(not faulty, unconfirmed=False))


def _references_check(references: int, empty: int) -> Check:
    if not references:
        return Check("references", "none")
    return Check("references", f"{references:,}, {empty:,} empty", "none empty", _judge(not empty, unconfirmed=True))


def _clusters_check(clusters: Mapping[str, Collection[str]]) -> Iterator[Check]:
    if clusters:
        yield Check("clusters", ", ".join(f"{len(labels):,} by {name}" for name, labels in clusters.items()))


def _group_checks(groups: Iterable[GroupSize], known: Mapping[str, Any]) -> Iterator[Check]:
    for group, sizes in known.items():
        found = {size.value: size.samples for size in groups if size.group == group}
        expected = sizes if isinstance(sizes, Mapping) else dict.fromkeys(found, sizes)
        said = ", ".join(f"{value} {size}" for value, size in sorted(expected.items()))
        yield Check(
            f"sizes by {group}",
            ", ".join(f"{value} {size}" for value, size in sorted(found.items())) or "no such group",
            said if isinstance(sizes, Mapping) else f"{sizes} each",
            _judge(bool(found) and found == dict(expected), unconfirmed=False),
        )


def _judge(same: bool, unconfirmed: bool) -> Status:
    return "ok" if same else "warning" if unconfirmed else "differs"
