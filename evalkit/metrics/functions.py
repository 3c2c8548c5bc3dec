"""The functions that make a metric's value of summed statistics, each under the name by which stored results call it.

A task registers functions of its own with ``metric_function``; a package that is installed can name them as entry
points of the group ``evalkit.metrics``, so that runs are compared without loading the task.
"""

import math
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.errors import ConfigurationError
from evalkit.hints import hint

Totals = npt.NDArray[Any]
MetricFunction = Callable[[Totals], float]

ENTRY_POINTS = "evalkit.metrics"
_FUNCTIONS: dict[str, MetricFunction] = {}
_RANGES: dict[MetricFunction, tuple[float, float]] = {}


def metric_function(
    name: str, *, range_of_sample: tuple[float, float] | None = None
) -> Callable[[MetricFunction], MetricFunction]:
    """Register the decorated function, from a vector of sums to a value (nan where undefined), under a name.

    Args:
        name: by which stored results call it.
        range_of_sample: the value of a sample with nothing right and of one with nothing wrong, the lower first: how
            far samples that were not drawn might be from those that were, where these all agree. None: not known.

    Raises:
        ConfigurationError: the name belongs to another function.
    """

    def register(function: MetricFunction) -> MetricFunction:
        known = _FUNCTIONS.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (function.__module__, function.__qualname__):
            raise ConfigurationError(f"the metric function {name!r} is {known.__module__}.{known.__qualname__} already")
        _FUNCTIONS[name] = function
        if range_of_sample is not None:
            _RANGES[function] = range_of_sample
        return function

    return register


def get_metric_function(name: str) -> MetricFunction:
    """Return the function of a name, looking among those of installed packages too.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in _FUNCTIONS:
        for entry in entry_points(group=ENTRY_POINTS, name=name):
            _FUNCTIONS[name] = entry.load()
    if name not in _FUNCTIONS:
        raise ConfigurationError(
            f"no metric function {name!r}{hint(name, _FUNCTIONS)}; if it is a task's own, name the package that "
            "registers it with --allow"
        )
    return _FUNCTIONS[name]


def range_of_sample(function: MetricFunction) -> tuple[float, float] | None:
    """Return the range that a function was registered with; None where none is known."""
    return _RANGES.get(function)


@metric_function("ratio")
def ratio(totals: Totals) -> float:
    """Divide the first of two sums by the second; nan where there is nothing to divide by."""
    return float(totals[0] / totals[1]) if totals[1] else math.nan


@metric_function("root_ratio")
def root_ratio(totals: Totals) -> float:
    """Return the root of the quotient of two sums, as of squares by their number; nan where there are none."""
    return math.sqrt(totals[0] / totals[1]) if totals[1] else math.nan


@metric_function("corpus_error_rate", range_of_sample=(0, 1))
def corpus_error_rate(totals: Totals) -> float:
    """Return the error rate of summed substitutions, deletions, insertions and reference length.

    Without any reference unit it is 0 if there is no error and infinite if there is one.
    """
    errors, length = float(totals[:3].sum()), float(totals[3])
    if length == 0:
        return math.inf if errors else 0.0
    return errors / length


@metric_function("corpus_bleu", range_of_sample=(0, 100))
def corpus_bleu(totals: Totals) -> float:
    """Return BLEU of summed statistics (``evalkit.metrics.bleu.STATISTICS``), from 0 to 100."""
    from sacrebleu.metrics.bleu import BLEU

    *counts, hypothesis_length, reference_length = np.rint(totals).astype(int).tolist()
    scored = BLEU.compute_bleu(counts[:4], counts[4:], hypothesis_length, reference_length, smooth_method="exp")
    return float(scored.score)


@metric_function("repetition_score", range_of_sample=(0, 1))
def repetition_score(totals: Totals) -> float:
    """Return the share of repetitions times one minus their mean error rate, of sums (repeated, rate, samples)."""
    repeated, rates, samples = totals
    return float((repeated - rates) / samples) if samples else math.nan


@metric_function("repetition_share", range_of_sample=(0, 1))
def repetition_share(totals: Totals) -> float:
    """Return the share of answers that repeat, of sums (repeated, rate, samples)."""
    repeated, _, samples = totals
    return float(repeated / samples) if samples else math.nan


@metric_function("repetition_error_rate", range_of_sample=(0, 1))
def repetition_error_rate(totals: Totals) -> float:
    """Return the mean error rate of the answers that repeat, of sums (repeated, rate, samples); nan without any."""
    repeated, rates, _ = totals
    return float(rates / repeated) if repeated else math.nan


def register_functions_of(module: str) -> None:
    """Load a module whose code the user trusts, so that the metric functions that it defines are known.

    Raises:
        ConfigurationError: it cannot be loaded.
    """
    try:
        import_module(module)
    except (ImportError, TypeError, ValueError) as error:  # the latter two of what is no name of a module
        raise ConfigurationError(f"the module {module!r} cannot be loaded ({error})") from error
