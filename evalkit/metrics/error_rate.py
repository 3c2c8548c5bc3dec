"""Word, character and mixed-token error rates: edit operations counted per sample, divided over the corpus.

The counts of substitutions, deletions and insertions are those of one optimal alignment, the one that jiwer
4.0.0 reports too (both take it from RapidFuzz); or, where it is asked for, of the one that sclite prefers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import hint
from evalkit.metrics.functions import corpus_error_rate
from evalkit.metrics.intervals import Interval
from evalkit.metrics.metric import Metric
from evalkit.metrics.resampling import bootstrap
from evalkit.metrics.sclite import count_errors_like_sclite
from evalkit.metrics.texts import check_texts
from evalkit.text import Scheme, get_scheme

STATISTICS = ("substitutions", "deletions", "insertions", "reference_length")
_USUAL_ALIGNMENT = "levenshtein"
_NAMES = {"word": "WER", "character": "CER", "token": "MER"}

# Some half minute of work; memory stays in proportion to the lengths.
_MOST_CELLS = 10**11

CountErrors = Callable[[Sequence[str], Sequence[str]], tuple[int, int, int, int]]
"""Counts substitutions, deletions, insertions and reference length of one pair of unit sequences."""

Operation = Literal["equal", "substitution", "deletion", "insertion"]


class AlignedUnit(NamedTuple):
    """One step of an alignment.

    Attributes:
        operation: what turns the reference into the hypothesis here.
        reference: the unit of the reference; None at an insertion.
        hypothesis: the unit of the hypothesis; None at a deletion.
    """

    operation: Operation
    reference: str | None
    hypothesis: str | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ErrorRate:
    """A corpus error rate and what it was computed from.

    Attributes:
        statistics: integers of shape (samples, 4): substitutions, deletions, insertions, reference length.
        scheme: how texts were normalised and cut into units.
        alignment: whose alignment the errors are counted in, ``levenshtein`` or ``sclite``.
    """

    statistics: npt.NDArray[np.int64]
    scheme: Scheme
    alignment: str = _USUAL_ALIGNMENT

    @property
    def value(self) -> float:
        """Errors over reference units of the whole corpus: a fraction, above 1 where much was inserted."""
        return corpus_error_rate(self.statistics.sum(axis=0))

    @property
    def substitutions(self) -> int:
        """Units that were replaced by others, over the corpus."""
        return int(self.statistics[:, 0].sum())

    @property
    def deletions(self) -> int:
        """Reference units without a counterpart, over the corpus."""
        return int(self.statistics[:, 1].sum())

    @property
    def insertions(self) -> int:
        """Hypothesis units without a counterpart, over the corpus."""
        return int(self.statistics[:, 2].sum())

    @property
    def reference_length(self) -> int:
        """Reference units of the corpus."""
        return int(self.statistics[:, 3].sum())

    def __repr__(self) -> str:
        return (
            f"ErrorRate(value={self.value:.4f}, substitutions={self.substitutions}, deletions={self.deletions},"
            f" insertions={self.insertions}, reference_length={self.reference_length}, scheme={_label(self.scheme)!r},"
            f" alignment={self.alignment!r})"
        )

    def confidence_interval(self, level: float = 0.95, seed: int = 0) -> Interval:
        """Return the bootstrap interval over the samples (``evalkit.metrics.resampling.bootstrap``)."""
        return bootstrap(self.statistics, corpus_error_rate, level=level, seed=seed)


def error_rate(
    references: Sequence[str],
    hypotheses: Sequence[str],
    language: str,
    scheme: str = "default",
    alignment: str = _USUAL_ALIGNMENT,
) -> ErrorRate:
    """Score transcriptions against references: word or character error rate, as the language and scheme have it.

    An empty reference adds its insertions and no length; an empty hypothesis is all deletions.

    Args:
        references: what was said, one text a sample.
        hypotheses: what was recognised, in the same order.
        language: code or name of the language, such as ``en``, ``zh-HK`` or ``Japanese``.
        scheme: whose normalisation to apply (``evalkit.text.get_scheme``).
        alignment: ``levenshtein``: the fewest errors, all weighing the same. ``sclite``: those of NIST's scorer, where
            a substitution costs 4 and a deletion or insertion 3, so that the rate can be higher.

    Raises:
        DataError: the two lists differ in length or hold anything but texts, or a pair is too long to be aligned.
        ConfigurationError: there is no such language, scheme or alignment.

    >>> round(error_rate(["Hello, world!"], ["hello word"], "en").value, 2)
    0.5
    """
    check_texts("error_rate", references, hypotheses)
    recipe, count = get_scheme(language, scheme), get_alignment(alignment)
    counts = [
        count(recipe.units(recipe.normalize(reference)), recipe.units(recipe.normalize(hypothesis)))
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    return ErrorRate(np.array(counts, dtype=np.int64).reshape(-1, len(STATISTICS)), recipe, alignment)


def get_alignment(name: str) -> CountErrors:
    """Return the function that counts errors by an alignment of this name; see ``error_rate``.

    Raises:
        ConfigurationError: there is no such alignment.
    """
    if name not in ALIGNMENTS:
        raise ConfigurationError(f"no alignment {name!r}{hint(name, ALIGNMENTS)} (there are {', '.join(ALIGNMENTS)})")
    return ALIGNMENTS[name]


def count_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int, int]:
    """Count substitutions, deletions, insertions and reference length of one pair of unit sequences.

    Raises:
        DataError: the product of both lengths is above 10¹¹, which would take minutes.
    """
    if reference == hypothesis:
        return 0, 0, 0, len(reference)
    _check_lengths(reference, hypothesis)
    operations = [operation for operation, _, _ in Levenshtein.editops(reference, hypothesis).as_list()]
    return (
        operations.count("replace"),
        operations.count("delete"),
        operations.count("insert"),
        len(reference),
    )


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[AlignedUnit]:
    """Return the alignment that ``count_errors`` counts, step by step, for display.

    Raises:
        DataError: as ``count_errors``.
    """
    _check_lengths(reference, hypothesis)
    steps: list[AlignedUnit] = []
    for block in Levenshtein.opcodes(reference, hypothesis):
        expected = reference[block.src_start : block.src_end]
        found = hypothesis[block.dest_start : block.dest_end]
        if block.tag == "delete":
            steps += [AlignedUnit("deletion", unit, None) for unit in expected]
        elif block.tag == "insert":
            steps += [AlignedUnit("insertion", None, unit) for unit in found]
        else:
            operation: Operation = "equal" if block.tag == "equal" else "substitution"
            steps += [AlignedUnit(operation, *pair) for pair in zip(expected, found, strict=True)]
    return steps


def _check_lengths(reference: Sequence[str], hypothesis: Sequence[str]) -> None:
    if len(reference) * len(hypothesis) > _MOST_CELLS:
        raise DataError(
            f"a reference of {len(reference):,} and a hypothesis of {len(hypothesis):,} units are too long to align"
            " (10^11 pairs of units at most); score shorter pieces"
        )


ALIGNMENTS: Mapping[str, CountErrors] = {
    _USUAL_ALIGNMENT: count_errors,
    "sclite": count_errors_like_sclite,
}


def error_rate_metric(scheme: Scheme, alignment: str = _USUAL_ALIGNMENT) -> Metric:
    """Return the metric of a scheme, named by what is counted: WER of words, CER of characters, MER of mixed tokens.

    Others know MER as the match error rate, so that the recipe spells it out. It names the alignment where that is not
    the usual one.
    """
    spelt_out = {"metric": "mixed error rate"} if scheme.unit == "token" else {}
    return Metric(
        name=_NAMES[scheme.unit],
        statistics=STATISTICS,
        function="corpus_error_rate",
        higher_is_better=False,
        recipe={
            **spelt_out,
            "unit": scheme.unit,
            "normaliser": _label(scheme),
            "averaging": "corpus",
            **({} if alignment == _USUAL_ALIGNMENT else {"alignment": alignment}),
        },
    )


def _label(scheme: Scheme) -> str:
    return f"{scheme.name}-{scheme.language}.v{scheme.version}"
