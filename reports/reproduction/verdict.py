"""Is a published figure reproduced? The rule, as a pure function of numbers.

A published figure is a point: rounded to the decimals that are printed, without an interval, measured once on a test
set that is the same here if all of its samples were run. So what a difference may come of is rounding, which is known;
chance in decoding and judging, which is not; and another way of measuring, which is what people want to know of. The
interval of the measured figure is about other chance, that of drawing samples. It serves as a bound: one model asked
the same questions twice errs on the same samples, and where its two sets of errors correlate by a half or more, the
difference of the two figures varies no more than one figure does from test set to test set.

With the margin, the difference that would matter, the rule is:

- *differs*: the two are further apart than rounding and margin, and the published figure lies outside the interval,
  widened by Holm's procedure to the number of figures that are judged together;
- *reproduced*: it does not differ, and the interval reaches no further than the margin on either side, so that a
  difference that matters would have been seen; or the same digits came out, whatever the size of the test set;
- *cannot tell*: neither; about how many samples could tell is said. Likewise where the figure is of other data, of a
  part of the data set, or of another metric: the published figure is then not one of the same kind;
- *not run*: there is no figure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Literal

from evalkit.metrics.metric import rounded
from evalkit.metrics.multiple_comparisons import holm

Verdict = Literal["reproduced", "differs", "cannot tell", "not run"]
VERDICTS: tuple[Verdict, ...] = ("reproduced", "differs", "cannot tell", "not run")

ERROR_RATES = ("WER", "CER", "MER")
"""What rates of errors are called, of words, characters and mixed tokens."""

_SHARE = Decimal("0.2")
_LEAST = Decimal("0.1")
_POINT = Decimal(1)
_POINTS_OF_SCORES = Decimal(3)
_TWO_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Figures:
    """A published figure and what was measured in its place, in the same unit.

    Attributes:
        published: as printed.
        margin: the difference that would matter.
        measured: unrounded; None if there is no figure.
        interval: of the measured figure; None if none can be given.
        level: of the interval.
        samples: that the measured figure rests on.
        clusters: what these come in, where they depend on each other, such as ``40 of speaker``; else empty.
        lack: why there is no figure, or why it is not one of the same data and metric; else empty.
    """

    published: Decimal
    margin: Decimal
    measured: Decimal | None = None
    interval: tuple[Decimal, Decimal] | None = None
    level: float = 0.95
    samples: int = 0
    clusters: str = ""
    lack: str = ""

    @property
    def rounding(self) -> Decimal:
        """By how much the printed figure may be off: half of its last digit."""
        return Decimal(5).scaleb(int(self.published.as_tuple().exponent) - 1)

    @property
    def same_digits(self) -> bool:
        """Whether the measured figure would be printed as the published one is."""
        decimals = max(0, -int(self.published.as_tuple().exponent))
        return self.measured is not None and Decimal(rounded(self.measured, decimals)) == self.published

    @property
    def reach(self) -> Decimal:
        """How far the interval reaches to its farther side; 0 where there is none."""
        if self.measured is None or self.interval is None:
            return Decimal(0)
        low, high = self.interval
        return max(self.measured - low, high - self.measured)

    @property
    def p_value(self) -> float | None:
        """How probable a difference like this is by the chance that the interval is about, taken as normal.

        At most ``1 - level`` if and only if the published figure, with its rounding, lies outside the interval; None
        where the two cannot be held against each other.
        """
        if self.measured is None or self.interval is None or self.lack or not self.reach:
            return None
        low, high = self.interval
        side = self.measured - low if self.published < self.measured else high - self.measured
        beyond = max(Decimal(0), abs(self.measured - self.published) - self.rounding)
        if not beyond:
            return 1.0
        if side <= 0:
            return 0.0
        z = float(beyond / side) * NormalDist().inv_cdf((1 + self.level) / 2)
        return math.erfc(z / math.sqrt(2))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said of a published figure.

    Attributes:
        verdict: in two words.
        reason: why.
        p_value: see ``Figures``.
        adjusted_p_value: the same by Holm's procedure.
    """

    verdict: Verdict
    reason: str
    p_value: float | None = None
    adjusted_p_value: float | None = None


def default_margin(published: Decimal, metric: str) -> Decimal:
    """Return the difference that is taken to matter where nobody says.

    Of error rates a fifth of the published one, though no less than 0.1 and no more than 1 point; of BLEU 1 point; of
    accuracies and judges' marks out of 100, which rest on a few hundred questions, 3 points.
    """
    if metric.upper() in ERROR_RATES:
        return min(_POINT, max(_LEAST, abs(published) * _SHARE))
    return _POINT if "BLEU" in metric.upper() else _POINTS_OF_SCORES


def judge(figures: Sequence[Figures]) -> list[Judgement]:
    """Judge figures that are looked at together, each by the rule above."""
    chances = {position: chance for position, each in enumerate(figures) if (chance := each.p_value) is not None}
    adjusted = dict(zip(chances, holm(list(chances.values())), strict=True))
    return [_judgement(each, chances.get(position), adjusted.get(position)) for position, each in enumerate(figures)]


def _judgement(figures: Figures, p_value: float | None, adjusted: float | None) -> Judgement:
    if figures.measured is None:
        return Judgement("not run", figures.lack or "no figure")
    if figures.lack:
        return Judgement("cannot tell", figures.lack)
    if figures.same_digits:
        return Judgement("reproduced", "the same digits", p_value, adjusted)
    if p_value is None or adjusted is None:
        return Judgement("cannot tell", f"no interval can be given with {_samples(figures.samples)}")
    apart = abs(figures.measured - figures.published)
    matters = apart > figures.margin + figures.rounding
    margin = f"the margin of ±{plain(figures.margin)}"
    outside = p_value <= 1 - figures.level
    if matters and adjusted <= 1 - figures.level:
        return Judgement("differs", f"beyond {margin} and the interval", p_value, adjusted)
    if figures.reach <= figures.margin:
        where = "outside" if outside else "inside"
        if not matters:
            return Judgement("reproduced", f"within {margin}, {where} the interval", p_value, adjusted)
        reason = f"beyond {margin}, but of so many figures some lie outside their intervals by chance"
        return Judgement("cannot tell", reason, p_value, adjusted)
    return Judgement("cannot tell", _too_few(figures), p_value, adjusted)


def _too_few(figures: Figures) -> str:
    wanted = math.ceil(figures.samples * (figures.reach / figures.margin) ** 2)
    clusters, more = (
        (f" in clusters, {figures.clusters},", ", in as many more clusters,") if figures.clusters else ("", "")
    )
    return (
        f"{_samples(figures.samples)}{clusters} tell figures apart by ±{rounded(figures.reach, _TWO_DIGITS)}, not by "
        f"±{plain(figures.margin)}; about {wanted:,}{more} would"
    )


def _samples(count: int) -> str:
    return f"{count:,} {'sample' if count == 1 else 'samples'}"


def plain(number: Decimal) -> str:
    """Return a number without an exponent and without zeros at its end."""
    return format(number.normalize(), "f")
