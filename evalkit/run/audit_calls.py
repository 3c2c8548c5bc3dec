"""The calls of one task under audit: an accepted response for each, and the recordings that responses name, whole."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalkit.audio import Audio
from evalkit.audio.digests import content_digest
from evalkit.datasets.fingerprint import Fingerprint
from evalkit.errors import AudioError, StoreError
from evalkit.inference.replay import replay
from evalkit.results.log_index import sound_response
from evalkit.results.responses import ResponseStore
from evalkit.results.role_log import RoleLog
from evalkit.results.scores import ScoresFile
from evalkit.results.shared_parts import StoredParts
from evalkit.run.scoring import TaskScorer
from evalkit.run.stored_outcomes import skipped_outcome
from evalkit.task import Task
from evalkit.types import Call, Response, canonical_json, content_hash


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


@dataclass(slots=True)
class CallsAudit:
    """What the calls of a task amount to.

    Attributes:
        findings: what is wrong with them.
        samples: how many there are, by how they ended.
        calls: how many calls their chains have, failed ones among them.
        recordings: how many recordings of answers the accepted responses name.
        fingerprint: of the samples, as the scores have them.
        complete: whether every response and every recording is there and whole, so that the task can be scored again.
    """

    findings: list[Finding] = field(default_factory=list)
    samples: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    recordings: int = 0
    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    complete: bool = True


def audit_calls(task: Task, run: Path, scores: ScoresFile, scorer: TaskScorer) -> CallsAudit:
    """Follow the chain of every sample of a task through the stored responses.

    A response to a question that is asked no longer, such as one before a prompt was changed, is history and no fault,
    nor is a failed one.

    Args:
        task: made again (``evalkit.run.stored.stored_tasks``).
        run: the run folder.
        scores: of the task; they tell its samples.
        scorer: counts how the samples ended, as long as the calls are complete.

    Raises:
        StoreError: the scores cannot be read or made again.
    """
    audit = CallsAudit()
    records = _Records(run, task.name, audit.findings)
    if records.damaged:
        audit.complete = False
        return audit
    seen: set[str] = set()
    with ResponseStore(run / task.name, writable=False) as store:
        examined = _Examined(task.name, store, records, audit)
        for sample, status, reason in scores.samples():
            audit.samples[status] += 1
            audit.fingerprint.add(sample)
            if sample.id in seen:
                audit.findings.append(Finding(f"{task.name}/{scores.path.name}", sample.id, "has more than one row"))
            seen.add(sample.id)
            if status == "skipped":
                scorer.add(skipped_outcome(task, store, sample, reason))
                continue
            chain = replay(task, examined, sample)
            if chain.call is not None:
                missing = f"call {chain.position} of its chain has no response"
                audit.findings.append(Finding(f"{task.name}/{chain.call.role}.jsonl", sample.id, missing))
                audit.complete = False
            elif chain.outcome is not None and audit.complete:
                scorer.add(chain.outcome)
    audit.recordings = len(examined.recordings)
    return audit


_Identity = tuple[str, str, int, str]


class _Records:
    """What the records of a task's calls say that the store of responses does not.

    Attributes:
        accepted: how many good responses each call has that has more than one; those that name the same recording,
            as after it was lost and made again, count as one.
        misquoted: calls of which a record has another question than the one by whose hash it is found.
        digests: of recordings, as they were when they were made.
        damaged: whether a file cannot be read to its end.
    """

    def __init__(self, run: Path, task: str, findings: list[Finding]) -> None:
        self.accepted: Counter[_Identity] = Counter()
        self.misquoted: set[_Identity] = set()
        self.digests: dict[str, str | None] = {}
        self.damaged = False
        self._seen: dict[int, str] = {}
        for path in sorted((run / task).glob("*.jsonl")):
            file = f"{task}/{path.name}"
            try:
                with closing(RoleLog(path, writable=False)) as log, closing(StoredParts(path)) as parts:
                    if log.torn:
                        findings.append(Finding(file, None, "its last line is cut short"))
                    lacking: dict[str, Finding] = {}  # one for each part, however many requests share it
                    for _, record in log.records():
                        self._take(path.stem, record)
                        try:
                            if not _is_what_was_asked(record, parts):
                                self.misquoted.add((path.stem, record["sample"], record["call"], record["request"]))
                        except StoreError as error:
                            finding = Finding.of_error(run, file, error, record["sample"])
                            lacking.setdefault(finding.message, finding)
                    findings += lacking.values()
            except StoreError as error:
                findings.append(Finding.of_error(run, file, error))
                self.damaged = True

    def _take(self, role: str, record: Mapping[str, Any]) -> None:
        response = sound_response(record)
        if response is None or response.failed:
            return
        identity = (role, record["sample"], record["call"], record["request"])
        said = "" if response.speech is None else response.speech.locator
        if response.speech is not None:
            self.digests[said] = response.speech.digest()
        key = hash(identity)  # of a million calls, the identities themselves take too much memory
        if key in self._seen and not (said and self._seen[key] == said):
            self.accepted[identity] = max(self.accepted[identity], 1) + 1
        self._seen[key] = said


def _is_what_was_asked(record: Mapping[str, Any], parts: StoredParts) -> bool:
    """Tell whether a record's question is the one by whose hash it is found; one without a question tells nothing.

    Raises:
        StoreError: the question cannot be read whole.
    """
    asked = record.get("asked")
    return not isinstance(asked, dict) or content_hash(canonical_json(parts.whole(asked))) == record["request"]


class _Examined:
    """The stored responses, each examined as a chain comes by; see ``evalkit.inference.replay.Responses``."""

    def __init__(self, task: str, store: ResponseStore, records: _Records, audit: CallsAudit) -> None:
        self._task = task
        self._store = store
        self._records = records
        self._audit = audit
        self.recordings: dict[str, bool] = {}

    def get(self, sample_id: str, position: int, call: Call) -> Response | None:
        """Return the stored response to a call, or None if there is none."""
        response = self._store.get(sample_id, position, call)
        if response is None:
            return None
        self._audit.calls += 1
        identity = (call.role, sample_id, position, call.request.content_hash())
        if identity in self._records.misquoted:
            message = f"call {position} was asked another question than is recorded"
            self._find(f"{call.role}.jsonl", sample_id, message)
        if call.answer is not None:
            # What a cascade answers is put together anew where a stage was asked again; the last one stands.
            if call.answer != response:
                self._find(f"{call.role}.jsonl", sample_id, f"call {position} is not what the stages answered")
        elif count := self._records.accepted[identity]:
            self._find(f"{call.role}.jsonl", sample_id, f"call {position} has {count} accepted responses")
        if response.speech is None or self._is_whole(response.speech, sample_id):
            return response
        # Known by what it was, so that whoever was asked about it is found all the same.
        speech = response.speech
        return replace(response, speech=Audio(speech.locator, digest=self._records.digests.get(speech.locator)))

    def _is_whole(self, speech: Audio, sample_id: str) -> bool:
        if speech.locator not in self.recordings:
            fault = self._fault(speech)
            self.recordings[speech.locator] = not fault
            if fault:
                self._find(speech.locator, sample_id, fault)
                self._audit.complete = False
        return self.recordings[speech.locator]

    def _fault(self, speech: Audio) -> str:
        try:
            content = speech.encoded()
            speech.seconds(decode=True)
        except AudioError as error:
            return str(error).removeprefix(f"{speech.name}: ")
        if self._records.digests.get(speech.locator) not in (None, content_digest(content)):
            return "is not the recording that was stored: its content is another"
        return ""

    def _find(self, file: str, sample_id: str, message: str) -> None:
        self._audit.findings.append(Finding(f"{self._task}/{file}", sample_id, message))
