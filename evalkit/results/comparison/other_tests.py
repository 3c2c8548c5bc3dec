"""Tests that others know, beside our own: MAPSSWE of speech recognition, McNemar's exact test of accuracies."""

import numpy as np

from evalkit.results.compared import OtherTest
from evalkit.results.comparison.answers import Answers
from evalkit.results.comparison.changes import right_answers
from evalkit.results.comparison.pairing import Pairs
from evalkit.results.comparison.settings import OtherTestName
from evalkit.results.task_result import MetricResult


def other_test(name: OtherTestName, pairs: Pairs, metric: MetricResult) -> OtherTest:
    """Make one of the tests, or say why it does not apply.

    Args:
        name: of the test.
        pairs: the shared samples.
        metric: as the base run has it.
    """
    if len(pairs.base.runs) > 1 or len(pairs.new.runs) > 1:
        return OtherTest(name, None, "is for single runs, not for the mean of several")
    return _TESTS[name](pairs, metric)


def _mapsswe(pairs: Pairs, metric: MetricResult) -> OtherTest:
    if metric.function != "corpus_error_rate" or metric.recipe.get("unit") != "word":
        return OtherTest("mapsswe", None, "is for word error rates")
    answers = Answers(pairs, metric)
    if not answers.schemes:
        return OtherTest("mapsswe", None, "the scheme of the figure is not known, so that texts cannot be aligned")
    from evalkit.metrics.mapsswe import mapsswe

    texts = list(answers.units(np.arange(len(pairs))))
    result = mapsswe([each.reference for each in texts], [each.base for each in texts], [each.new for each in texts])
    return OtherTest("mapsswe", result.p_value, f"over {result.segments:,} segments")


def _mcnemar(pairs: Pairs, metric: MetricResult) -> OtherTest:
    base, new = (right_answers(statistics, metric) for statistics in pairs.statistics)
    if metric.function != "ratio" or base is None or new is None:
        return OtherTest("mcnemar", None, "is for accuracies, of samples that are right or wrong")
    from evalkit.metrics.mcnemar import mcnemar_exact

    fixed, broken = int(np.count_nonzero(~base & new)), int(np.count_nonzero(base & ~new))
    return OtherTest("mcnemar", mcnemar_exact(fixed, broken), f"{fixed:,} fixed, {broken:,} broken")


_TESTS = {"mapsswe": _mapsswe, "mcnemar": _mcnemar}
