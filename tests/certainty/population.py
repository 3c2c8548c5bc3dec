"""Simulated test sets on which the truth is known: two systems, speakers that differ and react to them differently.

How hard a sample is, is a sum of normal effects: of its speaker, of itself, and of either system on both. What is
observed of it, words and errors or matching n-grams or a mark, is drawn by that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.functions import MetricFunction, corpus_bleu, corpus_error_rate, ratio

Array = NDArray[np.float64]

_SAMPLES_FOR_TRUTH = 600_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How the samples of a test set come.

    Attributes:
        name: as the table prints it.
        sizes: samples of each speaker; all 1 for independent samples.
        speaker: standard deviation of the effect of a speaker on how hard a sample is.
        reaction: that of the effect of a speaker on one system and not on the other.
    """

    name: str
    sizes: tuple[int, ...]
    speaker: float = 0.0
    reaction: float = 0.0

    @property
    def clustered(self) -> bool:
        """Whether speakers have several samples."""
        return max(self.sizes) > 1

    @property
    def title(self) -> str:
        """The name, and whether speakers react to the systems differently."""
        return f"{self.name}, reacting differently" if self.reaction else self.name


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric, and how its statistics are drawn.

    Attributes:
        name: as the table prints it.
        function: the harness's own.
        values: the same of many sums at once, for the simulation to be fast.
        draw: from how hard samples are, in any shape, to their statistics in one dimension more; of two generators,
            one for what the same utterances have for all systems and one for each system's luck.
    """

    name: str
    function: MetricFunction
    values: Callable[[Array], Array]
    draw: Callable[[np.random.Generator, np.random.Generator, Array], Array]


def independent(count: int) -> Shape:
    """Return the shape of samples that have nothing to do with each other."""
    return Shape(f"{count:,} samples", (1,) * count)


def speakers(count: int, each: int, reaction: float = 0.4) -> Shape:
    """Return the shape of speakers with as many samples each."""
    return Shape(f"{count} speakers × {each}", (each,) * count, speaker=0.8, reaction=reaction)


def uneven(count: int) -> Shape:
    """Return the shape of speakers of whom some have many times the samples of others."""
    sizes = np.random.default_rng(3).lognormal(2.5, 0.7, count).astype(int) + 1
    return Shape(f"{count} speakers, {sizes.min()} to {sizes.max()} each", tuple(sizes.tolist()), 0.8, 0.4)


def draw_pairs(
    generator: np.random.Generator, figure: Figure, shape: Shape, pairs: int, effect: float = 0.0, singly: bool = False
) -> tuple[Array, Array]:
    """Return the statistics of two systems on as many simulated test sets, each pairs × units × k.

    Args:
        generator: of all that is random.
        figure: the metric.
        shape: of the test set; the units are its speakers, whose samples are added up.
        pairs: how many test sets.
        effect: by how much harder all samples are for the second system.
        singly: leave the samples of a speaker apart, as if they were independent.
    """
    speaker = np.repeat(np.arange(len(shape.sizes)), shape.sizes)
    hard = generator.normal(0, shape.speaker, (pairs, len(shape.sizes)))[:, speaker]
    hard = hard + generator.normal(0, 0.7, hard.shape)
    common = generator.integers(0, 2**63)  # the same utterances for both: as long, and asked of alike
    systems = []
    for effect_of_system in (0.0, effect):
        own = generator.normal(0, shape.reaction, (pairs, len(shape.sizes)))[:, speaker]
        own = own + generator.normal(0, 0.7, hard.shape) + effect_of_system
        rows = figure.draw(np.random.default_rng(common), generator, hard + own)
        if shape.clustered and not singly:
            rows = np.add.reduceat(rows, np.concatenate([[0], np.cumsum(shape.sizes)[:-1]]), axis=1)
        systems.append(rows)
    return systems[0], systems[1]


@cache
def truth(figure: Figure, speaker: float, reaction: float, effect: float = 0.0) -> float:
    """Return the second system's value over all samples that there could be; it does not depend on the shape."""
    shape = Shape("", (1,) * (_SAMPLES_FOR_TRUTH // 20), speaker, reaction)
    generator = np.random.default_rng(1)
    totals = [draw_pairs(generator, figure, shape, 1, effect)[1].sum(axis=(0, 1)) for _ in range(20)]
    return float(figure.values(np.sum(totals, axis=0)))


def _probability(logit: Array) -> Array:
    return 1 / (1 + np.exp(-logit))


def _errors(common: np.random.Generator, own: np.random.Generator, hard: Array) -> Array:
    words = common.integers(3, 35, hard.shape)
    substituted = own.binomial(words, _probability(hard - 3))
    inserted = own.poisson(0.01 * words)
    return np.stack([substituted, np.zeros_like(words), inserted, words], axis=-1).astype(float)


def _answers(common: np.random.Generator, own: np.random.Generator, hard: Array) -> Array:
    right = own.random(hard.shape) < _probability(1 - hard)
    return np.stack([right, np.ones(hard.shape)], axis=-1).astype(float)


def _calls(common: np.random.Generator, own: np.random.Generator, hard: Array) -> Array:
    """Of samples of which half ask for a tool: those answered with the right one, and those answered with any."""
    asked = common.random(hard.shape) < 0.5
    does_right = own.random(hard.shape) < _probability(1.5 - hard)
    return np.stack([asked & does_right, asked == does_right], axis=-1).astype(float)


def _marks(common: np.random.Generator, own: np.random.Generator, hard: Array) -> Array:
    marks = np.rint(3.8 - 0.7 * hard + own.normal(0, 0.5, hard.shape))
    return np.stack([np.clip(marks, 1, 5), np.ones(hard.shape)], axis=-1)


def _ngrams(common: np.random.Generator, own: np.random.Generator, hard: Array) -> Array:
    words = common.integers(3, 35, hard.shape)
    said = np.maximum(1, words + own.integers(-2, 3, hard.shape))
    totals = [np.maximum(said - order, 0) for order in range(4)]
    right = _probability(0.3 - 0.6 * hard)
    matches = [own.binomial(total, right ** (1 + 0.55 * order)) for order, total in enumerate(totals)]
    return np.stack([*matches, *totals, said, words], axis=-1).astype(float)


def _ratios(sums: Array) -> Array:
    return sums[..., 0] / sums[..., 1]


def _error_rates(sums: Array) -> Array:
    return sums[..., :3].sum(axis=-1) / sums[..., 3]


def _bleus(sums: Array) -> Array:
    """BLEU where every order has a match; of the few resamples without one it is a little off."""
    precisions = np.log(np.maximum(sums[..., :4], 0.5) / sums[..., 4:8]).mean(axis=-1)
    return 100 * np.exp(precisions + np.minimum(0, 1 - sums[..., 9] / sums[..., 8]))


FIGURES = (
    Figure("error rate", corpus_error_rate, _error_rates, _errors),
    Figure("BLEU", corpus_bleu, _bleus, _ngrams),
    Figure("accuracy", ratio, _ratios, _answers),
    Figure("precision", ratio, _ratios, _calls),
    Figure("marks 1-5", ratio, _ratios, _marks),
)
