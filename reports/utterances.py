"""Every utterance of a transcription task, worst first, with what was heard wrongly marked."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from evalkit.metrics.error_rate import STATISTICS, AlignedUnit, align
from evalkit.text import Scheme, get_scheme
from reports.alignment import blocks, inline
from reports.measured import Figure, Result
from reports.render_csv import spreadsheet_safe

_HEADING = (
    "id", "status", "reason", "errors", "substitutions", "deletions", "insertions", "length", "error_rate",
    "reference", "hypothesis", "alignment", "response", "audio",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sample of a transcription task.

    Attributes:
        id: the sample's.
        status: ``scored``, ``failed`` or ``skipped``.
        reason: why it failed or was skipped; else empty.
        counts: substitutions, deletions, insertions and reference length; None if it was skipped.
        reference: what was said, normalised; as the data set has it if the sample was skipped.
        steps: the alignment of the normalised texts; empty if it was skipped.
        separator: what stands between two units: a space between words, nothing between characters.
        response: what the model answered, as it did.
        audio: names of the recordings.
    """

    id: str
    status: str
    reason: str
    counts: tuple[int, int, int, int] | None
    reference: str
    steps: tuple[AlignedUnit, ...]
    separator: str
    response: str
    audio: str

    @property
    def errors(self) -> int:
        """What the utterance adds to the errors of the test set."""
        return sum(self.counts[:3]) if self.counts else 0


def read_utterances(path: Path, result: Result, figure: Figure) -> list[Utterance]:
    """The utterances by an error rate: most errors first, skipped ones last.

    Args:
        path: the task's ``scores.parquet``.
        result: the task.
        figure: its headline figure, by whose scheme texts are aligned.

    Raises:
        StoreError: the file cannot be read, or is not that of a transcription task.
        ConfigurationError: the figure was made with a scheme that is no longer there.
    """
    import pyarrow as pa
    import pyarrow.parquet

    scheme = _scheme(figure)
    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
        utterances = [_utterance(row, result, scheme) for row in rows]
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{path}: cannot be read as a table of scores ({error})") from error
    except KeyError as error:
        hint = "write it anew with `evalkit score`"
        raise StoreError(f"{path}: the column {error} is missing; {hint}") from error
    return sorted(utterances, key=lambda each: (each.counts is None, -each.errors, each.counts, each.id))


def utterances_tsv(utterances: Sequence[Utterance]) -> str:
    """Tab-separated, one line each; texts are normalised, but for the response."""
    output = io.StringIO()
    writer = csv.writer(output, delimiter="\t", lineterminator="\n")
    writer.writerow(_HEADING)
    for each in utterances:
        numbers: tuple[object, ...] = ("",) * 6
        if each.counts:
            length = each.counts[3]
            numbers = (each.errors, *each.counts, f"{each.errors / length:.4f}" if length else "")
        hypothesis = each.separator.join(step.hypothesis for step in each.steps if step.hypothesis)
        texts = (each.reference, hypothesis, inline(each.steps, each.separator), each.response, each.audio)
        writer.writerow([*map(_field, (each.id, each.status, each.reason)), *numbers, *map(_field, texts)])
    return output.getvalue()


def utterances_text(utterances: Sequence[Utterance], title: str) -> str:
    """For reading: what was said above what was heard, errors marked below."""
    return "\n".join(_listing(utterances, title)) + "\n"


def _listing(utterances: Sequence[Utterance], title: str) -> Iterator[str]:
    yield f"{title}: {len(utterances):,} utterances, those with most errors first"
    yield "S: another word or character was heard, D: nothing was, I: something was that was not said"
    for each in utterances:
        yield ""
        score = f"errors {each.errors}, length {each.counts[3]}" if each.counts else "not scored"
        status = "" if each.status == "scored" else f", {each.status}: {each.reason}"
        yield " ".join(f"{each.id}: {score}{status}".split())
        yield from blocks(each.steps) if each.counts else [f"  said   {' '.join(each.reference.split())}"]


def _utterance(row: Mapping[str, Any], result: Result, scheme: Scheme) -> Utterance:
    counts, steps = None, []
    if row["status"] != "skipped":
        substitutions, deletions, insertions, length = (int(row[f"{result.headline}.{name}"]) for name in STATISTICS)
        counts = (substitutions, deletions, insertions, length)
        steps = align(scheme.units(row["reference_normalised"]), scheme.units(row["hypothesis_normalised"]))
    return Utterance(
        id=row["id"],
        status=row["status"],
        reason=row["reason"] or "",
        counts=counts,
        reference=row["reference_normalised"] if counts else " / ".join(row["references"]),
        steps=tuple(steps),
        separator="" if scheme.unit == "character" else " ",
        response=" / ".join(row["responses"]),
        audio=", ".join(audio["locator"] for audio in json.loads(row["audio"])),
    )


def _scheme(figure: Figure) -> Scheme:
    """The scheme that a recipe names, such as ``whisper-en.v1``."""
    name, _, rest = figure.recipe_field("normaliser").partition("-")
    return get_scheme(rest.rpartition(".")[0], name)


def _field(text: str) -> str:
    return spreadsheet_safe(" ".join(text.split()))
