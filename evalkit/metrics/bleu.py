"""Corpus BLEU, as sacreBLEU computes it, from statistics that are kept for each sample.

Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL 2002; Post, "A call for clarity
in reporting BLEU scores", WMT 2018. Tokenizers, counts, brevity penalty and smoothing (``exp``) are sacreBLEU's own. Of
each sample ten numbers are kept, and BLEU is a function of their sum, so that intervals, groups and paired tests work
as for any metric. The mean of sentence scores, which some tools print as BLEU, is another figure and not made here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evalkit.metrics.bleu_schemes import BleuScheme, get_bleu_scheme
from evalkit.metrics.functions import corpus_bleu
from evalkit.metrics.intervals import Interval
from evalkit.metrics.metric import Metric
from evalkit.metrics.resampling import bootstrap
from evalkit.metrics.texts import check_texts

_ORDERS = (1, 2, 3, 4)
STATISTICS = (
    *(f"matches_{order}" for order in _ORDERS),
    *(f"ngrams_{order}" for order in _ORDERS),
    "hypothesis_length",
    "reference_length",
)
"""Clipped n-gram matches, n-grams of the hypothesis, and both lengths in tokens."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bleu:
    """A corpus BLEU and what it was computed from.

    Attributes:
        statistics: integers of shape (samples, 10), in the order of ``STATISTICS``.
        scheme: how texts were prepared and tokenized.
    """

    statistics: npt.NDArray[np.int64]
    scheme: BleuScheme

    @property
    def score(self) -> float:
        """BLEU of the whole corpus, from 0 to 100."""
        return corpus_bleu(self.statistics.sum(axis=0))

    @property
    def signature(self) -> str:
        """The signature of sacreBLEU; where texts were normalised before, it does not say so, and ``scheme`` does."""
        return self.scheme.signature

    def __repr__(self) -> str:
        return f"Bleu(score={self.score:.2f}, signature={self.signature!r}, scheme={self.scheme.label!r})"

    def confidence_interval(self, level: float = 0.95, seed: int = 0) -> Interval:
        """Return the bootstrap interval over the samples, from 0 to 100 as the score is."""
        return bootstrap(self.statistics, corpus_bleu, level=level, seed=seed)


def bleu(
    references: Sequence[str],
    hypotheses: Sequence[str],
    target_language: str,
    scheme: str = "raw",
    tokenizer: str | None = None,
) -> Bleu:
    """Score translations against one reference each.

    An empty reference or hypothesis is scored like any other; no pair is left out.

    Args:
        references: the expected translations.
        hypotheses: the translations to score, in the same order.
        target_language: code of the language translated into, by which sacreBLEU chooses its tokenizer.
        scheme: what is done to both texts before; see ``get_bleu_scheme``.
        tokenizer: another of sacreBLEU's tokenizers.

    Raises:
        DataError: the two lists differ in length or hold anything but texts.
        ConfigurationError: there is no such language, scheme or tokenizer.

    >>> round(bleu(["The cat sat on the mat."], ["The cat sat on a mat."], "en").score, 2)
    48.89
    """
    check_texts("bleu", references, hypotheses)
    chosen = get_bleu_scheme(target_language, scheme, tokenizer)
    counts = [
        count_ngrams(chosen.normalize(reference), chosen.normalize(hypothesis), chosen)
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]
    return Bleu(np.array(counts, dtype=np.int64).reshape(-1, len(STATISTICS)), chosen)


def count_ngrams(reference: str, hypothesis: str, scheme: BleuScheme) -> tuple[int, ...]:
    """Count the statistics of one pair of normalised texts, in the order of ``STATISTICS``."""
    counted = scheme.scorer.corpus_score([hypothesis], [[reference]])
    return (*counted.counts, *counted.totals, counted.sys_len, counted.ref_len)


def bleu_metric(scheme: BleuScheme, name: str = "BLEU", recipe: Mapping[str, str] | None = None) -> Metric:
    """Return the metric of a scheme, whose recipe is sacreBLEU's signature and the scheme.

    Args:
        scheme: how texts are prepared and tokenized.
        name: as tables print it.
        recipe: what else the figure's comparability depends on, such as who transcribed speech.
    """
    signature = dict(field.split(":", 1) for field in scheme.signature.split("|"))
    return Metric(
        name=name,
        statistics=STATISTICS,
        function="corpus_bleu",
        higher_is_better=True,
        recipe={**signature, "normaliser": scheme.label, **(recipe or {})},
        unit="",
        scale=1,
    )
