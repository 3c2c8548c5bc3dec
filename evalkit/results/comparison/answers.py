"""What both models answered about a sample, in text; of error rates cut into the units that are counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest

from evalkit.errors import ConfigurationError
from evalkit.metrics.error_rate import align
from evalkit.results.compared import AlignedAnswers
from evalkit.results.comparison.pairing import Pairs
from evalkit.results.comparison.side import Rows
from evalkit.results.scoring_schemes import scheme_for, schemes_of_metric
from evalkit.results.task_result import MetricResult
from evalkit.text import Scheme

# An alignment that nobody will read, of an answer without end, must not hold up the comparison.
_MOST_UNITS_ALIGNED = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What both models answered about one sample.

    Attributes:
        sample_id: the sample.
        references: what would have been right.
        base: what the model of the base run answered.
        new: what the model of the new run answered.
        alignment: both answers beside the reference; empty but for error rates.
        longest: how many units the longest text has, where only the first ones are aligned; else 0.
    """

    sample_id: str
    references: Sequence[str]
    base: str
    new: str
    alignment: Sequence[AlignedAnswers] = ()
    longest: int = 0


@dataclass(frozen=True, slots=True)
class Units:
    """A reference and both answers as an error rate counts them.

    Attributes:
        reference: units of the reference.
        base: units of the base run's answer.
        new: units of the new run's answer.
        scheme: that made them.
    """

    reference: Sequence[str]
    base: Sequence[str]
    new: Sequence[str]
    scheme: Scheme


@dataclass(frozen=True)
class Answers:
    """The texts of the samples that two runs share.

    Attributes:
        pairs: the shared samples.
        metric: the figure that is compared, by whose scheme texts are cut.
    """

    pairs: Pairs
    metric: MetricResult

    @cached_property
    def schemes(self) -> tuple[Scheme, ...]:
        """The schemes of an error rate; none of another figure, or where a scheme is not there any more."""
        if self.metric.function != "corpus_error_rate":
            return ()
        try:
            return schemes_of_metric(self.metric)
        except ConfigurationError:
            return ()

    def of(self, chosen: Rows) -> Iterator[Answer]:
        """Yield the texts of some of the shared samples, by their positions."""
        if not len(chosen):
            return
        pairs = self.pairs
        cut = self.units(chosen) if self.schemes else [None] * len(chosen)
        base, new = pairs.base.answers(pairs.base_rows[chosen]), pairs.new.answers(pairs.new_rows[chosen])
        for row, references, one, other, units in zip(chosen, pairs.references(chosen), base, new, cut, strict=True):
            answer = Answer(pairs.ids[row].as_py(), references, one, other)
            yield answer if units is None else _with_alignment(answer, units)

    def units(self, chosen: Rows) -> Iterator[Units]:
        """Yield some of the shared samples as the error rate counts them."""
        pairs = self.pairs
        normalised = self._normalised(chosen)
        for language, reference, base, new in zip(pairs.languages(chosen), *normalised, strict=True):
            scheme = scheme_for(language, self.schemes)
            yield Units(scheme.units(reference), scheme.units(base), scheme.units(new), scheme)

    def _normalised(self, chosen: Rows) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
        """Return references and both answers as the scheme has them: as stored, if it is the headline's."""
        pairs = self.pairs
        base_rows, new_rows = pairs.base_rows[chosen], pairs.new_rows[chosen]
        if pairs.base.stores_texts_of_key and pairs.new.stores_texts_of_key:
            references, base = pairs.base.normalised(base_rows)
            return references, base, pairs.new.normalised(new_rows)[1]
        schemes = [scheme_for(language, self.schemes) for language in pairs.languages(chosen)]
        texts = (
            [references[0] if references else "" for references in pairs.references(chosen)],
            pairs.base.answers(base_rows),
            pairs.new.answers(new_rows),
        )
        references, base, new = (
            [scheme.normalize(text) for scheme, text in zip(schemes, each, strict=True)] for each in texts
        )
        return references, base, new


def align_answers(reference: Sequence[str], base: Sequence[str], new: Sequence[str]) -> list[AlignedAnswers]:
    """Lay two answers beside one reference, each as it is aligned with the reference alone.

    >>> align_answers(["a", "b"], ["a", "x", "b"], ["b"])[1]
    AlignedAnswers(reference=None, base='x', new=None)
    """
    aligned: list[AlignedAnswers] = []
    (base_before, base_units), (new_before, new_units) = _by_place(reference, base), _by_place(reference, new)
    for place in range(len(reference) + 1):
        aligned += [AlignedAnswers(None, *units) for units in zip_longest(base_before[place], new_before[place])]
        if place < len(reference):
            aligned.append(AlignedAnswers(reference[place], base_units[place], new_units[place]))
    return aligned


def _by_place(reference: Sequence[str], answer: Sequence[str]) -> tuple[list[list[str]], list[str | None]]:
    """Return what is inserted before each place of a reference (and after the last), and what stands in its place."""
    before: list[list[str]] = [[]]
    units: list[str | None] = []
    for step in align(reference, answer):
        if step.reference is None:
            before[-1].append(step.hypothesis or "")
        else:
            units.append(step.hypothesis)
            before.append([])
    return before, units


def _with_alignment(answer: Answer, units: Units) -> Answer:
    texts = (units.reference, units.base, units.new)
    longest = max(map(len, texts))
    return replace(
        answer,
        alignment=align_answers(*(text[:_MOST_UNITS_ALIGNED] for text in texts)),
        longest=longest if longest > _MOST_UNITS_ALIGNED else 0,
    )
