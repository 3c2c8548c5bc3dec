"""The calls of one task under audit: an accepted response for each, and the recordings that responses name, whole."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from evalkit.audio import Audio
from evalkit.audio.digests import content_digest
from evalkit.chain import Outcome
from evalkit.datasets.fingerprint import Fingerprint
from evalkit.errors import AudioError
from evalkit.inference.replay import IN_STEP, replays
from evalkit.results.responses import ResponseStore
from evalkit.results.score_rows import result_row, score_rows
from evalkit.results.scores import SamplesChunk, ScoresFile
from evalkit.run.audit_records import CallKey, Doubt, Finding, audit_records
from evalkit.run.chunks import StoredTask, worked_on
from evalkit.run.garbage import collected_seldom
from evalkit.run.scoring import ScoredChunk, TaskScorer
from evalkit.run.stored_outcomes import skipped_outcome
from evalkit.run.tally import Tally
from evalkit.task import Task
from evalkit.types import Call, Failure, Response, Sample

_Stored = tuple[Sample, str, Failure | None]
"""A sample with its status, and the reason why it failed or was skipped."""
_Doubts = Mapping[str, Mapping[CallKey, Doubt]]


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


def audit_calls(stored: StoredTask, task: Task, scores: ScoresFile, scorer: TaskScorer, processes: int) -> CallsAudit:
    """Follow the chain of every sample of a task through the stored responses, in constant memory.

    A response to a question that is asked no longer, such as one before a prompt was changed, is history and no fault,
    nor is a failed one.

    Args:
        stored: where the responses lie.
        task: made again of ``stored``.
        scores: of the task; they tell its samples.
        scorer: counts how the samples ended, as long as the calls are complete.
        processes: how many work at once.

    Raises:
        StoreError: the scores cannot be read or made again.
        EvalkitError: a process was ended from outside.
    """
    records = audit_records(stored.folder, processes)
    audit = CallsAudit(records.findings, complete=not records.damaged)
    if records.damaged:
        return audit
    gathered = _Gathered()
    items = gathered.noted(scores.chunks(), records.doubts)
    with closing(worked_on(_audited, stored, task, items, processes)) as chunks:
        for chunk in chunks:
            gathered.take(chunk)
            audit.samples += chunk.samples
            audit.calls += chunk.calls
            audit.complete = audit.complete and chunk.scored is not None
            if audit.complete and chunk.scored is not None:
                scorer.add_chunk(chunk.scored)
    audit.findings += gathered.findings(f"{task.name}/{scores.path.name}")
    audit.recordings = len(np.unique(gathered.recordings))
    audit.fingerprint = Fingerprint.joined(gathered.fingerprints)
    return audit


class _Item(NamedTuple):
    """Samples to audit, and what speaks against their calls."""

    chunk: SamplesChunk
    doubts: _Doubts


class _Found(NamedTuple):
    """A finding, with the row of its sample, and whether it is about a recording, which many samples may name."""

    row: int
    finding: Finding
    of_recording: bool = False


@dataclass(frozen=True, slots=True)
class _AuditedChunk:
    """What the calls of some samples amount to; see ``CallsAudit``.

    Attributes:
        findings: in the order of the rows.
        samples: by how they ended.
        calls: how many.
        recordings: that the responses name.
        fingerprint: of the samples.
        scored: the samples scored again; None where a response or a recording is missing.
    """

    findings: Sequence[_Found]
    samples: Counter[str]
    calls: int
    recordings: frozenset[str]
    fingerprint: Mapping[str, Any]
    scored: ScoredChunk | None


class _Gathered:
    """What must be known of all samples of a task together.

    Attributes:
        recordings: that were named, a number each.
        fingerprints: of the chunks.
    """

    def __init__(self) -> None:
        self.recordings = array("q")
        self.fingerprints: list[Mapping[str, Any]] = []
        self._ids: list[Any] = []  # as arrow arrays, which take a third of what texts do
        self._rows = 0
        self._found: list[_Found] = []
        self._told: set[tuple[str, str]] = set()

    def noted(self, chunks: Iterable[SamplesChunk], doubts: _Doubts) -> Iterator[_Item]:
        """Yield the chunks, each with the doubts about its samples."""
        for chunk in chunks:
            ids = chunk.table["id"]
            self._ids += ids.chunks
            yield _Item(chunk, {each: doubts[each] for each in ids.to_pylist() if each in doubts} if doubts else {})

    def take(self, chunk: _AuditedChunk) -> None:
        """Take in what was found of the next chunk."""
        self.recordings.extend(map(hash, chunk.recordings))
        self.fingerprints.append(chunk.fingerprint)
        for found in chunk.findings:
            what = found.finding.file, found.finding.message
            if not (found.of_recording and what in self._told):
                self._found.append(found._replace(row=self._rows + found.row))
            if found.of_recording:
                self._told.add(what)
        self._rows += chunk.samples.total()

    def findings(self, scores: str) -> list[Finding]:
        """Return the findings in the order of the rows.

        Args:
            scores: the file of the rows, within the run folder.
        """
        again = (_Found(row, Finding(scores, sample, "has more than one row")) for row, sample in self._ids_again())
        return [found.finding for found in sorted([*again, *self._found], key=attrgetter("row"))]

    def _ids_again(self) -> Iterator[tuple[int, str]]:
        """Yield the rows with an id that an earlier one has."""
        import pyarrow as pa

        ids = pa.chunked_array(self._ids, pa.string()).combine_chunks()
        _, first = np.unique(ids.dictionary_encode().indices.to_numpy(), return_index=True)
        for row in np.setdiff1d(np.arange(len(ids)), first).tolist():
            yield row, ids[row].as_py()


def _audited(task: Task, store: ResponseStore, item: _Item) -> _AuditedChunk:
    examined = _Examined(task.name, store, item.doubts)
    samples: Counter[str] = Counter()
    fingerprint, tally, rows, complete = Fingerprint(), Tally(task.metrics), [], True
    with collected_seldom():
        for (sample, status, _), outcome in _ended(task, store, examined, item.chunk):
            samples[status] += 1
            fingerprint.add(sample)
            complete = complete and examined.all_whole and outcome is not None
            if complete and outcome is not None:
                tally.add(outcome)
                rows.append(result_row(outcome, task.metrics, task.name))
        made = score_rows(rows, task.metrics, task.details, item.chunk.table) if complete else None
    scored = None if made is None else ScoredChunk(tally, made)
    return _AuditedChunk(examined.findings, samples, examined.calls, examined.recordings, fingerprint.to_json(), scored)


def _ended(
    task: Task, store: ResponseStore, examined: "_Examined", chunk: SamplesChunk
) -> Iterator[tuple[_Stored, Outcome | None]]:
    """Yield how each sample ended; None of one that lacks a response, which is noted."""
    numbered = enumerate(chunk.samples())
    while together := list(islice(numbered, IN_STEP)):
        examined.rows = {stored[0].id: row for row, stored in together}
        chains = iter(replays(task, examined, (sample for _, (sample, status, _) in together if status != "skipped")))
        for _, stored in together:
            sample, status, reason = stored
            if status == "skipped":
                yield stored, skipped_outcome(task, store, sample, reason)
                continue
            chain = next(chains)
            if chain.call is not None:
                message = f"call {chain.position} of its chain has no response"
                examined.find(f"{chain.call.role}.jsonl", sample.id, message)
            yield stored, chain.outcome


class _Examined:
    """The stored responses, each examined as a chain comes by; see ``evalkit.inference.replay.Responses``.

    Attributes:
        rows: of the samples whose chains are followed, by id.
        findings: so far.
        calls: how many were answered.
        all_whole: whether every recording that a response names is there and whole.
    """

    def __init__(self, task: str, store: ResponseStore, doubts: _Doubts) -> None:
        self.rows: Mapping[str, int] = {}
        self.findings: list[_Found] = []
        self.calls = 0
        self.all_whole = True
        self._task = task
        self._store = store
        self._doubts = doubts
        self._recordings: dict[tuple[str, str | None], bool] = {}

    @property
    def recordings(self) -> frozenset[str]:
        """The recordings that the responses name."""
        return frozenset(locator for locator, _ in self._recordings)

    def get(self, sample_id: str, position: int, call: Call) -> Response | None:
        """Return the stored response to a call, or None if there is none."""
        response = self._store.get(sample_id, position, call)
        if response is None:
            return None
        self.calls += 1
        file, doubt = f"{call.role}.jsonl", self._doubt(sample_id, position, call)
        if doubt.misquoted:
            self.find(file, sample_id, f"call {position} was asked another question than is recorded")
        if call.answer is not None:
            # What a cascade answers is put together anew where a stage was asked again; the last one stands.
            if call.answer != response:
                self.find(file, sample_id, f"call {position} is not what the stages answered")
        elif doubt.accepted:
            self.find(file, sample_id, f"call {position} has {doubt.accepted} accepted responses")
        if response.speech is None or self._is_whole(response.speech, sample_id):
            return response
        # Known by what it was, so that whoever was asked about it is found all the same.
        speech = response.speech
        return replace(response, speech=Audio(speech.locator, digest=speech.recorded_digest))

    def find(self, file: str, sample_id: str, message: str, *, of_recording: bool = False) -> None:
        """Note what is wrong with a file of the task."""
        self.findings.append(
            _Found(self.rows[sample_id], Finding(f"{self._task}/{file}", sample_id, message), of_recording)
        )

    def _doubt(self, sample_id: str, position: int, call: Call) -> Doubt:
        doubts = self._doubts.get(sample_id)
        return doubts.get(CallKey(call.role, position, call.request.content_hash()), Doubt()) if doubts else Doubt()

    def _is_whole(self, speech: Audio, sample_id: str) -> bool:
        identity = speech.locator, speech.recorded_digest
        if identity not in self._recordings:
            fault = _fault(speech)
            self._recordings[identity] = not fault
            if fault:
                self.find(speech.locator, sample_id, fault, of_recording=True)
                self.all_whole = False
        return self._recordings[identity]


def _fault(speech: Audio) -> str:
    """Return what is wrong with a recording; empty if nothing is."""
    try:
        content = speech.encoded()
        speech.seconds(decode=True)
    except AudioError as error:
        return str(error).removeprefix(f"{speech.name}: ")
    if speech.recorded_digest not in (None, content_digest(content)):
        return "is not the recording that was stored: its content is another"
    return ""
