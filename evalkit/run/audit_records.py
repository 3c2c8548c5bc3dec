"""The records of a task under audit: whole lines, questions found by their hashes, and no call answered twice.

Where they are many, stretches of a file are read in several processes; of each record a number is kept.
"""

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evalkit.errors import StoreError
from evalkit.results.log_index import sound_response
from evalkit.results.role_log import RoleLog
from evalkit.results.shared_parts import StoredParts
from evalkit.run.garbage import collected_seldom
from evalkit.run.processes import in_processes
from evalkit.types import canonical_json, content_hash


@dataclass(frozen=True, slots=True)
class Finding:
    """Something of a run that is not as it must be.

    Attributes:
        file: in which it shows, within the run folder.
        sample: that it is about; None where it is about no single one.
        message: what is wrong.
    """

    file: str
    sample: str | None
    message: str

    @classmethod
    def of_error(cls, folder: Path, file: str, error: Exception, sample: str | None = None) -> "Finding":
        """Return what an error tells of a file of a run folder."""
        return cls(file, sample, str(error).removeprefix(f"{folder / file}: "))


class CallKey(NamedTuple):
    """What a call of a sample is found again by.

    Attributes:
        role: who was asked.
        position: in the sample's chain.
        request: hash of what was asked.
    """

    role: str
    position: int
    request: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """What the records of a call say against it.

    Attributes:
        accepted: how many good responses it has, if more than one; those that name the same recording, as after it was
            lost and made again, count as one.
        misquoted: whether a record has another question than the one by whose hash it is found.
    """

    accepted: int = 0
    misquoted: bool = False


@dataclass(slots=True)
class RecordsAudit:
    """What the records of a task's calls say that the store of responses does not.

    Attributes:
        findings: what is wrong with the files.
        doubts: the calls that something speaks against, by sample.
        damaged: whether a file cannot be read to its end.
    """

    findings: list[Finding] = field(default_factory=list)
    doubts: defaultdict[str, dict[CallKey, Doubt]] = field(default_factory=lambda: defaultdict(dict))
    damaged: bool = False

    def note(self, sample: str, call: CallKey, **doubts: Any) -> None:
        """Note what speaks against a call, beside what was noted before."""
        self.doubts[sample][call] = replace(self.doubts[sample].get(call, Doubt()), **doubts)


def audit_records(folder: Path, processes: int) -> RecordsAudit:
    """Read every record of a task.

    Args:
        folder: of the task, in the run folder.
        processes: how many read at once.

    Raises:
        EvalkitError: a process was ended from outside.
    """
    audit = RecordsAudit()
    for path in sorted(folder.glob("*.jsonl")):
        file = f"{folder.name}/{path.name}"
        try:
            with closing(RoleLog(path, writable=False)) as log:
                if log.torn:
                    audit.findings.append(Finding(file, None, "its last line is cut short"))
                _take(audit, log, file, processes)
        except StoreError as error:
            audit.findings.append(Finding.of_error(folder.parent, file, error))
            audit.damaged = True
    return audit


class _Stretch(NamedTuple):
    """Lines of a log: where the first one begins, its number, and how many they are."""

    offset: int
    number: int
    lines: int


@dataclass(slots=True)
class _Read:
    """What the records of a stretch say.

    Attributes:
        keys: 64 bits of the identity of each call that has a good response there.
        offsets: of these responses.
        misquoted: the calls with another question than the one by whose hash they are found, and their samples.
        lacking: for each part of a request that cannot be read, its first sample.
    """

    keys: "array[int]" = field(default_factory=lambda: array("q"))
    offsets: "array[int]" = field(default_factory=lambda: array("q"))
    misquoted: list[tuple[str, CallKey]] = field(default_factory=list)
    lacking: dict[str, str] = field(default_factory=dict)


def _take(audit: RecordsAudit, log: RoleLog, file: str, processes: int) -> None:
    whole = _Read()
    for read in _all_read(log, processes):
        whole.keys.extend(read.keys)
        whole.offsets.extend(read.offsets)
        for message, sample in read.lacking.items():
            whole.lacking.setdefault(message, sample)
        for sample, call in read.misquoted:
            audit.note(sample, call, misquoted=True)
    audit.findings += [Finding(file, sample, message) for message, sample in whole.lacking.items()]
    for sample, call, count in _accepted_more_than_once(log, whole):
        audit.note(sample, call, accepted=count)


def _all_read(log: RoleLog, processes: int) -> Iterator[_Read]:
    if processes > 1:
        yield from in_processes(partial(_read_here, log.path), _stretches(log), processes, log.path.parent)
        return
    with closing(StoredParts(log.path)) as parts:
        for stretch in _stretches(log):
            yield _read(log, parts, stretch)


def _stretches(log: RoleLog) -> Iterator[_Stretch]:
    """Yield all lines of a log, a thousand or so at a time."""
    begin = end = 0
    number = 1
    for piece in log.pieces():
        count = piece.count(b"\n")
        if count:
            yield _Stretch(begin, number, count)
            begin, number = end + piece.rindex(b"\n") + 1, number + count
        end += len(piece)


def _read_here(path: Path, stretch: _Stretch) -> _Read:
    return _read(*_opened_here(path), stretch)


@lru_cache(1)  # one process reads one log
def _opened_here(path: Path) -> tuple[RoleLog, StoredParts]:
    return RoleLog(path, writable=False), StoredParts(path)


def _read(log: RoleLog, parts: StoredParts, stretch: _Stretch) -> _Read:
    read, role = _Read(), log.path.stem
    with collected_seldom():
        for offset, record in islice(log.records(stretch.offset, stretch.number), stretch.lines):
            call = _call_of(role, record)
            response = sound_response(record)
            if response is not None and not response.failed:
                read.keys.append(_number(record["sample"], call))
                read.offsets.append(offset)
            try:
                if not _is_what_was_asked(record, parts):
                    read.misquoted.append((record["sample"], call))
            except StoreError as error:
                read.lacking.setdefault(str(error), record["sample"])
    return read


def _call_of(role: str, record: Mapping[str, Any]) -> CallKey:
    return CallKey(role, record["call"], record["request"])


def _number(sample: str, call: CallKey) -> int:
    identity = f"{call.position} {call.request} {sample}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(identity, digest_size=8).digest(), "little", signed=True)


def _accepted_more_than_once(log: RoleLog, read: _Read) -> Iterator[tuple[str, CallKey, int]]:
    """Yield the calls with more than one good response, and how many they have; only these are read again."""
    _, number, count = np.unique(np.array(read.keys), return_inverse=True, return_counts=True)
    accepted: Counter[tuple[str, CallKey]] = Counter()
    latest: dict[tuple[str, CallKey], str] = {}
    for offset in np.array(read.offsets)[count[number] > 1].tolist():
        record = log.read(offset)
        identity = record["sample"], _call_of(log.path.stem, record)
        response = sound_response(record)
        said = "" if response is None or response.speech is None else response.speech.locator
        accepted[identity] += identity not in latest or not said or latest[identity] != said
        latest[identity] = said
    return ((*identity, count) for identity, count in accepted.items() if count > 1)


def _is_what_was_asked(record: Mapping[str, Any], parts: StoredParts) -> bool:
    """Tell whether a record's question is the one by whose hash it is found; one without a question tells nothing.

    Raises:
        StoreError: the question cannot be read whole.
    """
    asked = record.get("asked")
    return not isinstance(asked, dict) or content_hash(canonical_json(parts.whole(asked))) == record["request"]
