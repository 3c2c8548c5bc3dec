"""A sample as the pages take it: one record with everything to read and hear, and one line of an index to search."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.metrics.error_rate import AlignedUnit
from reports.samples.scored import ScoredSample
from reports.site.scripts import Shared
from reports.site.sound import Sounds
from reports.site.text import folded

_LETTERS = {"substitution": "S", "deletion": "D", "insertion": "I"}
# What of a text is searched and shown in a list; all of it stands in the record.
_SEARCHED = 2_000
_LISTED = 160
_RESPONSE_FIELDS = (
    "seconds", "first_sound", "finish_reason", "replies", "tokens", "usage", "notes", "answered_by", "cached",
)  # fmt: skip


class RecordMaker:
    """Makes the records of one task of one run.

    Args:
        sounds: of the report.
        run_folder: in which spoken answers lie.
        recordings: the folder in which the data set's recordings lie, or None if that is not known.
    """

    def __init__(self, sounds: Sounds, run_folder: Path, recordings: str | None) -> None:
        self._sounds = sounds
        self._run_folder = run_folder
        self._recordings = recordings

    def record(self, sample: ScoredSample, shared: Shared) -> dict[str, Any]:
        """Return everything about a sample, long texts that occur more than once by their place in ``shared``."""
        record = {
            "id": sample.id,
            "status": sample.status,
            "reason": {"kind": sample.reason_kind, "text": sample.reason} if sample.reason else None,
            "language": sample.language,
            "groups": dict(sample.groups),
            "clusters": dict(sample.clusters),
            "metadata": dict(sample.metadata),
            "audio": [self._sounds.recording(self._recordings, each) for each in sample.audio],
            "references": list(sample.references),
            "calls": [self._call(sample, at, response, shared) for at, response in enumerate(sample.responses)],
            "details": dict(sample.details),
            "values": dict(sample.values),
            "flags": list(sample.flags),
            "steps": [_step(step) for step in sample.steps],
            "units": sample.units,
        }
        return {name: value for name, value in record.items() if value not in (None, [], {}, 0)}

    def _call(self, sample: ScoredSample, position: int, response: Mapping[str, Any], shared: Shared) -> dict[str, Any]:
        made: dict[str, Any] = {"role": response["role"], "text": response["text"] or ""}
        if response.get("speech"):
            made["speech"] = self._sounds.speech(self._run_folder, response["speech"])
        if response.get("tool_calls"):
            made["tool_calls"] = [{key: call[key] for key in ("name", "arguments")} for call in response["tool_calls"]]
        if response.get("failure"):
            made["failure"] = response["failure"]
        if position < len(sample.calls):
            stored = sample.calls[position]
            kept = stored.response.to_json()
            if stored.asked:
                made["asked"] = shared.of(dict(stored.asked))
            made |= {name: kept[name] for name in _RESPONSE_FIELDS if kept.get(name)}
        return made


def index_line(sample: ScoredSample, score: float | None, errors: int | None) -> dict[str, Any]:
    """Return what lists are searched, filtered and sorted by.

    Args:
        sample: the sample.
        score: its own, by which lists are sorted.
        errors: what it adds to the errors of its task, where these are counted.
    """
    answers = [text for each in sample.responses if each["role"] != "judge" and (text := each["text"])]
    texts = [sample.id, *sample.references, *answers, *_metadata_texts(sample.metadata)]
    return {
        "id": sample.id,
        "status": sample.status,
        "score": score,
        "wrong": None if sample.wrong is None else int(sample.wrong),
        "errors": errors,
        "seconds": sample.seconds,
        "kind": sample.reason_kind,
        "flags": ",".join(sample.flags),
        "groups": {**sample.clusters, **sample.groups},
        "label": (" / ".join(sample.references) or sample.answer)[:_LISTED],
        "answer": (sample.answer or _calls(sample))[:_LISTED],
        "text": folded("\n".join(text[:_SEARCHED] for text in texts)),
    }


def _calls(sample: ScoredSample) -> str:
    """Return the last calls of tools that the model made, in words."""
    made = [each["tool_calls"] for each in sample.responses if each.get("tool_calls")]
    return "; ".join(f"calls {call['name']} {call['arguments']}" for call in (made[-1] if made else ()))


def columns_of(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return lines of the index as columns, which take half the room."""
    return {name: [line[name] for line in lines] for name in lines[0]} if lines else {}


def _metadata_texts(metadata: Mapping[str, Any]) -> Iterator[str]:
    for value in metadata.values():
        yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str))


def _step(step: AlignedUnit) -> str | list[str | None]:
    """Return a unit that is right as itself, another as its letter, what was said and what was recognised."""
    if step.operation == "equal":
        return step.reference or ""
    return [_LETTERS[step.operation], step.reference, step.hypothesis]


def score_of(headline: str, compared: Sequence[str]) -> Callable[[ScoredSample], float | None]:
    """Return how one number is made of a sample's values: the headline's, or the mean of those that are compared."""
    keys = compared if len(compared) > 1 else (headline,)

    def score(sample: ScoredSample) -> float | None:
        known = [value for key in keys if (value := sample.values.get(key)) is not None]
        return round(sum(known) / len(known), 3) if known else None

    return score
