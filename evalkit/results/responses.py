"""The append-only record of every call of one task: one JSON Lines file per role, one line per call.

A line is written whole and handed to the operating system before the next call's answer is taken, so a killed run
loses only what was in flight. A torn last line, which a kill or a full disk can leave, is cut off on opening.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from evalkit.audio import Audio
from evalkit.audio.encoding import write_flac
from evalkit.errors import AudioError, StoreError
from evalkit.results.log_index import LogIndex
from evalkit.results.role_log import RoleLog
from evalkit.results.shared_parts import SharedParts
from evalkit.results.usage import RoleUsage
from evalkit.types import Call, Failure, Request, Response

SPEECH = "speech"


class ResponseStore:
    """Every response of one task's calls, on disk; in memory only where each lies.

    A response is found again by the sample's id, the call's place in the sample's chain and the request's content
    hash: a changed prompt is a new question. Failed responses are recorded but not found again by a later session,
    so that a restarted run asks them once more; nor is what is no sound response.

    Args:
        folder: the task's folder inside the run folder; created if need be.
        writable: False to open a finished run for reading only.
        settled: roles that are not asked again: what they answered stands, failures too, and counts for nothing here.

    Attributes:
        usage: what the calls took, by role; not of settled roles.
    """

    def __init__(self, folder: Path, *, writable: bool = True, settled: Collection[str] = ()) -> None:
        self._folder = folder
        self._writable = writable
        self._settled = settled
        self._logs: dict[str, _IndexedLog] = {}
        self.usage: defaultdict[str, RoleUsage] = defaultdict(RoleUsage)
        if writable:
            _make_folder(folder)
        for path in sorted(folder.glob("*.jsonl")):
            self._log(path.stem)

    def get(self, sample_id: str, position: int, call: Call) -> Response | None:
        """Return the stored response to the ``position``-th call of a sample, or None if there is none."""
        log = self._logs.get(call.role)
        if log is None:
            return None
        asked = _line_of(sample_id, position, call.request, call.request.content())
        for offset in log.index.find(sample_id, position, failed=log.final):
            record = log.records.read_last(offset, asked)
            if record is None:  # asked otherwise, or not written as it would be today
                record = _response_to(log.records.read(offset), sample_id, position, call.request)
            if record is None:
                continue
            response = Response.from_json(record)
            # Speech that is gone, or was changed since, is asked for again.
            if response.speech is not None and not log.final and self._is_lost(response.speech):
                return None
            return self._as_stored(response)
        return None

    def holds(self, sample_id: str, position: int, role: str) -> bool:
        """Tell whether a call of a sample was answered in earnest, whatever was asked."""
        log = self._logs.get(role)
        return log is not None and any(
            log.records.read(offset)["sample"] == sample_id
            for offset in log.index.find(sample_id, position, failed=False)
        )

    def append(self, sample_id: str, position: int, call: Call, response: Response) -> Response:
        """Record a response, failed or good, and make it the one that ``get`` finds.

        What the model said is written first, as a file named after its content, unless it is such a file already.

        Returns:
            The response as ``get`` will give it.

        Raises:
            StoreError: the disk is full or cannot be written; nothing recorded before is lost.
        """
        log = self._log(call.role)
        if response.speech is not None and response.speech.path != self._folder / response.speech.locator:
            response = self._with_stored_speech(response, response.speech)
        asked = _line_of(sample_id, position, call.request, log.parts.shortened(call.request))
        line = f"{asked}{_json(response.to_json())}}}"
        log.index.add(sample_id, position, log.records.append(line), response)
        return response

    def _as_stored(self, response: Response) -> Response:
        if response.speech is None:
            return response
        speech = response.speech
        return replace(response, speech=self._speech(speech.locator, speech.duration, speech.digest()))

    def _is_lost(self, speech: Audio) -> bool:
        stored = self._speech(speech.locator, None)
        return stored.digest() is None or stored.digest() != speech.digest()

    def _speech(self, locator: str, duration: float | None, digest: str | None = None) -> Audio:
        return Audio(locator, self._folder / locator, duration=duration, root=self._folder, digest=digest)

    def _with_stored_speech(self, response: Response, speech: Audio) -> Response:
        try:
            # Named after its content: another speech is another question to whoever transcribes it.
            name = hashlib.blake2b(speech.encoded(), digest_size=12).hexdigest()
            # In 256 folders: some file systems get slow with a million files in one, and so do people's tools.
            locator = f"{SPEECH}/{name[:2]}/{name[2:]}.flac"
            (self._folder / locator).parent.mkdir(parents=True, exist_ok=True)
            # Under another name first: the same may have been said before, and be read at this moment.
            unfinished = self._folder / f"{locator}.unfinished"
            duration = write_flac(speech, unfinished)
            unfinished.replace(self._folder / locator)
        except AudioError as error:
            failure = Failure("unreadable_audio", f"the model's speech cannot be read: {error}")
            return replace(response, speech=None, failure=failure)
        except OSError as error:
            raise StoreError(f"{self._folder / SPEECH}: cannot be written ({error.strerror})") from error
        # Speech of no length is no speech, and no audio file to decode either.
        return replace(response, speech=self._speech(locator, round(duration, 3)) if duration else None)

    def close(self) -> None:
        """Close the files."""
        for log in self._logs.values():
            log.index.keep()
            log.parts.close()
            log.records.close()

    def __enter__(self) -> "ResponseStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _log(self, role: str) -> "_IndexedLog":
        if role not in self._logs:
            writable = self._writable and role not in self._settled
            records = RoleLog(self._folder / f"{role}.jsonl", writable=writable)
            index, parts = LogIndex(records, writable=writable), SharedParts(records.path)
            log = self._logs[role] = _IndexedLog(records, index, parts, final=not writable)
            if role not in self._settled:
                self.usage[role] = log.index.usage
        return self._logs[role]


@dataclass(frozen=True, slots=True)
class _IndexedLog:
    records: RoleLog
    index: LogIndex
    parts: SharedParts
    final: bool  # what stands there is not asked again


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _line_of(sample_id: str, position: int, request: Request, asked: str) -> str:
    """Return the line of a call up to its response."""
    named = f'"sample":{_json(sample_id)},"call":{position},"request":"{request.content_hash()}"'
    return f'{{{named},"asked":{asked},"response":'


def _response_to(record: Mapping[str, Any], sample_id: str, position: int, request: Request) -> Any:
    """Return the response of a record; None if it is of another call.

    Beside a prompt that was changed, two calls in a million millions may share 64 bits.
    """
    asked = record["sample"], record["call"], record["request"]
    return record["response"] if asked == (sample_id, position, request.content_hash()) else None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made ({error.strerror})") from error
