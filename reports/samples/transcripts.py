"""References and answers as sclite reads them: a file in ``.trn`` of each, for people who go on with SCTK's tables.

The form is that of SCTK's page doc/infmts.htm, and where that is silent of its code (align.c, word.c, text.c): an id
ends the line in parentheses, and its speaker is what goes before its first hyphen. What follows a semicolon in a word
is a tag unless a backslash goes before it, a star that ends a word is dropped, and an opening brace, a backslash and a
lone ``@`` cannot be written at all; they are put in their full-width forms, in both files alike.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from evalkit.errors import StoreError
from evalkit.metrics.error_rate import STATISTICS
from evalkit.results.clusters import SINGLY, own_label
from evalkit.results.metrics_file import RunResult
from evalkit.results.scores import ScoresFile, last_answer
from evalkit.results.task_result import TaskResult
from reports.samples.schemes import scheme_for, schemes_of

_UNKNOWN = "unknown"
_NORMALISED = ("reference_normalised", "hypothesis_normalised")
_OF_AN_ID = re.compile(r"[()%\s]")
_OF_A_SPEAKER = re.compile(r"[()%\s-]")
_FULL_WIDTH = str.maketrans({"{": "\uff5b", "\\": "\uff3c", "\0": "\ufffd"})


@dataclass(frozen=True, slots=True)
class Transcripts:
    """A task's references and answers.

    Attributes:
        reference: the lines of ``ref.trn``.
        hypothesis: the lines of ``hyp.trn``, in the same order.
        respelt: how many words hold what the form cannot, and are written otherwise.
    """

    reference: Sequence[str]
    hypothesis: Sequence[str]
    respelt: int


def is_transcription(result: TaskResult) -> bool:
    """Tell whether a task's headline figure is an error rate, so that there are texts to write."""
    return tuple(result.metric.statistics) == STATISTICS


def read_transcripts(run: RunResult, result: TaskResult, *, as_written: bool = False) -> Transcripts:
    """Read the transcripts of the samples that count.

    Args:
        run: as read from its folder.
        result: a transcription task.
        as_written: whether texts stand as the data set and the model wrote them, and not as the units that were
            counted, words or characters of the normalised text.

    Raises:
        StoreError: the scores cannot be read, or are not those of a transcription task.
        ConfigurationError: the headline was made with a scheme that is no longer there.
    """
    if run.folder is None:
        raise StoreError(f"{run.name}: is not read from a folder, and has no scores")
    scores = ScoresFile(run.folder / result.name, result.digest)
    names = ("id", "status", "language", *(("references", "responses") if as_written else _NORMALISED))
    speakers = scores.clusters("speaker" if result.resampled == SINGLY else result.resampled) or []
    ids = _utterance_ids([row["id"] for row in _counting(scores, ("id", "status"))], speakers)
    rows = _counting(scores, names)
    lines: tuple[list[str], list[str]] = ([], [])
    respelt = 0
    for pair, utterance in zip(_as_written(rows) if as_written else _counted(rows, result), ids, strict=True):
        for words, of_side in zip(pair, lines, strict=True):
            of_side.append(_line(words, utterance))
            respelt += sum(_respelt(word) != word for word in words)
    return Transcripts(lines[0], lines[1], respelt)


def _counting(scores: ScoresFile, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    return (row for row in scores.rows(names) if row["status"] != "skipped")


def _counted(rows: Iterable[Mapping[str, Any]], result: TaskResult) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Yield the units of each reference and hypothesis that errors were counted in."""
    schemes = schemes_of(result)
    for row in rows:
        reference, hypothesis = (row[name] for name in _NORMALISED)
        if reference is None or hypothesis is None:
            raise StoreError(f"{result.name}: sample {row['id']} has no normalised texts; score the run again")
        scheme = scheme_for(row["language"], schemes)
        yield tuple(scheme.units(reference)), tuple(scheme.units(hypothesis))


def _as_written(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    for row in rows:
        yield " ".join(row["references"][:1]).split(), last_answer(row["responses"]).split()


def _utterance_ids(samples: Sequence[str], speakers: Sequence[str]) -> list[str]:
    """Return ids that begin with the speaker and a hyphen: the samples' own where all do so, else made of both."""
    pairs = []
    for sample, speaker in zip(samples, speakers, strict=True):
        known = _UNKNOWN if speaker == own_label(sample) else _OF_A_SPEAKER.sub(_percent, speaker)
        pairs.append((known, _OF_AN_ID.sub(_percent, sample)))
    if all(sample.startswith(f"{speaker}-") for speaker, sample in pairs):
        return [sample for _, sample in pairs]
    return [f"{speaker}-{sample}" for speaker, sample in pairs]


def _percent(found: re.Match[str]) -> str:
    return quote(found[0], safe="").replace("-", "%2D")


def _line(words: Sequence[str], utterance_id: str) -> str:
    text = " ".join([*(_escaped(_respelt(word)) for word in words), f"({utterance_id})"])
    return f" {text}" if text.startswith("*") else text  # two stars at the beginning of a line would make it a remark


def _respelt(word: str) -> str:
    """Write a word without what the form cannot hold."""
    return "\uff20" if word == "@" else word.translate(_FULL_WIDTH)


def _escaped(word: str) -> str:
    """Write a word so that sclite reads it as it is."""
    word = word.replace(";", "\\;")
    return f"{word}*" if len(word) > 1 and word.endswith("*") else word
