"""Every utterance of a transcription task, worst first, with what was recognised wrongly marked."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.errors import StoreError
from evalkit.metrics.error_rate import STATISTICS, AlignedUnit, align
from evalkit.printable import printable
from evalkit.results.metrics_file import RunResult
from evalkit.results.scores import ScoresFile
from evalkit.results.task_result import TaskResult
from evalkit.text import Scheme
from reports.render.csv import spreadsheet_safe
from reports.samples.alignment import blocks, inline
from reports.samples.schemes import scheme_for, schemes_of

_HEADING = (
    "id", "status", "reason", "errors", "substitutions", "deletions", "insertions", "length", "error_rate",
    "reference", "hypothesis", "alignment", "response", "audio",
)  # fmt: skip


# An alignment that nobody will read, of an answer without end, must not hold up the report.
_MOST_UNITS_ALIGNED = 2_000


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sample of a transcription task.

    Attributes:
        id: the sample's.
        status: ``scored``, ``failed`` or ``skipped``.
        reason: why it failed or was skipped; else empty.
        counts: substitutions, deletions, insertions and reference length; None if it was skipped.
        reference: what was said, normalised; as the data set has it if the sample was skipped.
        hypothesis: what was recognised, normalised; empty if the sample was skipped.
        steps: the alignment of the normalised texts; empty if it was skipped.
        units: how many units the longer text has, where only the first ones are aligned; else 0.
        separator: what stands between two units: a space between words, nothing between characters.
        response: what the model answered, as it did.
        audio: names of the recordings.
    """

    id: str
    status: str
    reason: str
    counts: tuple[int, int, int, int] | None
    reference: str
    hypothesis: str
    steps: tuple[AlignedUnit, ...]
    units: int
    separator: str
    response: str
    audio: str

    @property
    def remark(self) -> str:
        """What has to be said about the alignment; empty if it is whole."""
        return f"alignment of the first {_MOST_UNITS_ALIGNED:,} of {self.units:,} units" if self.units else ""

    @property
    def order(self) -> tuple[int, ...]:
        """Six numbers by which utterances are sorted: most errors first, skipped ones last."""
        return self.counts is None, -self.errors, *(self.counts or (0, 0, 0, 0))

    @property
    def errors(self) -> int:
        """What the utterance adds to the errors of the test set."""
        return sum(self.counts[:3]) if self.counts else 0


def read_utterances(run: RunResult, result: TaskResult) -> list[Utterance]:
    """Return the utterances of a task: most errors first, skipped ones last, equal ones in the data set's order."""
    return sorted(iterate_utterances(run, result), key=lambda each: each.order)


def iterate_utterances(run: RunResult, result: TaskResult) -> Iterator[Utterance]:
    """Yield the utterances of a task in the order of the data set, in constant memory.

    Args:
        run: as read from its folder.
        result: the task, by the scheme of whose headline metric texts are aligned.

    Raises:
        StoreError: the scores cannot be read, or are not those of a transcription task.
        ConfigurationError: the headline was made with a scheme that is no longer there.
    """
    if run.folder is None:
        raise StoreError(f"{run.name}: is not read from a folder, and has no scores")
    schemes = schemes_of(result)
    counts = [f"{result.headline}.{name}" for name in STATISTICS]
    texts = ("reference_normalised", "hypothesis_normalised")
    names = ("id", "status", "reason", "language", "audio", "references", "responses", *texts, *counts)
    path = run.folder / result.name
    try:
        rows = ScoresFile(path, result.digest).rows(names)
        for row in rows:
            yield utterance_of(row, result, schemes)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path}: its scores cannot be read ({error}); run the task again") from error


def utterances_tsv(utterances: Sequence[Utterance]) -> str:
    """Return tab-separated text, a line for each utterance; texts are normalised, but for the response."""
    return tsv_heading() + "".join(map(tsv_line, utterances))


def tsv_heading() -> str:
    """Return the line that names the fields of ``tsv_line``."""
    return _tsv(_HEADING)


def tsv_line(each: Utterance) -> str:
    """Return the line of one utterance."""
    numbers: tuple[object, ...] = ("",) * 6
    if each.counts:
        length = each.counts[3]
        numbers = (each.errors, *each.counts, f"{each.errors / length:.4f}" if length else "")
    alignment = inline(each.steps, each.separator) + (f" … ({each.remark})" if each.remark else "")
    texts = (each.reference, each.hypothesis, alignment, each.response, each.audio)
    return _tsv([*map(_field, (each.id, each.status, each.reason)), *numbers, *map(_field, texts)])


def _tsv(fields: Sequence[object]) -> str:
    output = io.StringIO()
    csv.writer(output, delimiter="\t", lineterminator="\n").writerow(fields)
    return output.getvalue()


def utterances_text(utterances: Sequence[Utterance], title: str) -> str:
    """Return a listing for reading: reference above hypothesis, errors marked below."""
    return text_heading(title, len(utterances)) + "".join(map(text_block, utterances))


def text_heading(title: str, count: int) -> str:
    """Return the lines above a listing for reading."""
    return printable(
        f"{title}: {count:,} utterances, those with most errors first\n"
        "REF: the reference, HYP: what was recognised; S: substitution, D: deletion, I: insertion\n",
        lines=True,
    )


def text_block(each: Utterance) -> str:
    """Return the lines of one utterance."""
    return printable("\n".join(_block(each)) + "\n", lines=True)


def _block(each: Utterance) -> Iterator[str]:
    yield ""
    score = f"errors {each.errors}, length {each.counts[3]}" if each.counts else "not scored"
    status = "" if each.status == "scored" else f", {each.status}: {each.reason}"
    yield " ".join(f"{each.id}: {score}{status}".split())
    yield from blocks(each.steps) if each.counts else [f"  REF  {' '.join(each.reference.split())}"]
    if each.remark:
        yield f"  ({each.remark})"


def utterance_of(row: Mapping[str, Any], result: TaskResult, schemes: Sequence[Scheme]) -> Utterance:
    """Make an utterance of a row of scores, aligned by that of the schemes (``schemes_of``) that is of its language."""
    scheme = scheme_for(row["language"], schemes)
    counts, reference, hypothesis = None, " / ".join(row["references"]), ""
    steps: list[AlignedUnit] = []
    longest = 0
    if row["status"] != "skipped":
        substitutions, deletions, insertions, length = (int(row[f"{result.headline}.{name}"]) for name in STATISTICS)
        counts = (substitutions, deletions, insertions, length)
        reference, hypothesis = row["reference_normalised"], row["hypothesis_normalised"]
        units = scheme.units(reference), scheme.units(hypothesis)
        longest = max(map(len, units))
        steps = align(units[0][:_MOST_UNITS_ALIGNED], units[1][:_MOST_UNITS_ALIGNED])
    return Utterance(
        id=row["id"],
        status=row["status"],
        reason=row["reason"] or "",
        counts=counts,
        reference=reference,
        hypothesis=hypothesis,
        steps=tuple(steps),
        units=longest if longest > _MOST_UNITS_ALIGNED else 0,
        separator="" if scheme.unit == "character" else " ",
        response=" / ".join(each["text"] for each in row["responses"] if each["role"] == "model" and each["text"]),
        audio=", ".join(audio["locator"] for audio in json.loads(row["audio"])),
    )


def _field(text: str) -> str:
    return spreadsheet_safe(printable(" ".join(text.split())))
