"""What was asked and answered in a task that is done, sample by sample, found without the task that asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from evalkit.results.log_index import LogIndex
from evalkit.results.role_log import RoleLog
from evalkit.results.shared_parts import StoredParts
from evalkit.types import Failure, Response


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call of a sample's chain, as it was recorded.

    Attributes:
        role: who was asked.
        request: hash of what was asked; empty where there is no record of the call but the score that came of it.
        asked: the request (``evalkit.types.Request.to_json``); empty if it was not recorded.
        response: what came back, good or failed; of a call without a record its text or failure alone.
    """

    role: str
    request: str
    asked: Mapping[str, Any]
    response: Response


class RecordedCalls:
    """The calls of one task of a run, for reading; in memory is where each lies, 17 bytes a call.

    Args:
        folder: the task's folder in the run folder.

    Raises:
        StoreError: a record of calls cannot be read or is damaged; likewise from ``of``.
    """

    def __init__(self, folder: Path) -> None:
        self._logs: dict[str, RoleLog] = {}
        self._indexes: dict[str, LogIndex] = {}
        self._parts: dict[str, StoredParts] = {}
        for path in sorted(folder.glob("*.jsonl")):
            log = self._logs[path.stem] = RoleLog(path, writable=False)
            self._indexes[path.stem] = LogIndex(log, writable=False)
            self._parts[path.stem] = StoredParts(path)

    def of(self, sample_id: str, responses: Sequence[Mapping[str, Any]]) -> tuple[RecordedCall, ...]:
        """Return a sample's calls in order.

        Args:
            sample_id: the sample.
            responses: its entry in ``scores.parquet``, which tells who was asked, and which of several records of a
                call, such as one of a prompt that was changed since, is the one that was scored.
        """
        calls = []
        for position, scored in enumerate(responses):
            records = self._records(sample_id, position, str(scored["role"])) or [_unrecorded(scored)]
            calls.append(next((each for each in records if _is_scored(each.response, scored)), records[0]))
        return tuple(calls)

    def close(self) -> None:
        """Close the files."""
        for role, log in self._logs.items():
            log.close()
            self._parts[role].close()

    def __enter__(self) -> "RecordedCalls":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _records(self, sample_id: str, position: int, role: str) -> list[RecordedCall]:
        """Return the records of one call, the latest first."""
        found: list[RecordedCall] = []
        if role not in self._indexes:
            return found
        for offset in self._indexes[role].find(sample_id, position):
            record = self._logs[role].read(offset)
            if (record["sample"], record["call"]) != (sample_id, position):
                continue  # another one of the same 64 bits
            response = Response.from_json(record["response"])
            stored = record.get("asked")
            asked = self._parts[role].whole(stored) if isinstance(stored, dict) else {}
            found.append(RecordedCall(role, record["request"], asked, response))
        return found


def _unrecorded(scored: Mapping[str, Any]) -> RecordedCall:
    failure = scored["failure"]
    response = Response(scored["text"] or "", failure=None if failure is None else Failure.from_json(failure))
    return RecordedCall(str(scored["role"]), "", {}, response)


def _is_scored(response: Response, scored: Mapping[str, Any]) -> bool:
    return response.text == scored["text"] and response.failed == (scored["failure"] is not None)
