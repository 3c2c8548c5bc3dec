"""A metric: a vector of statistics per sample, and the name of a function of their sum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.metrics.functions import get_metric_function

Statistics = npt.NDArray[np.float64]

_WIDE = Context(prec=400)  # of which the digits of any float and all its decimals are less


@dataclass(frozen=True, slots=True)
class Metric:
    """How a value is computed and what it is called.

    Attributes:
        name: as tables print it, such as ``WER``.
        statistics: names of the per-sample sufficient statistics, in the order of the vector.
        function: name of the registered function (``evalkit.metrics.functions``) that makes the value of the sums.
        higher_is_better: the direction of improvement.
        recipe: what the value's comparability depends on (unit, normaliser and version, averaging), in the order in
            which it is printed.
        unit: what is printed behind the value, such as ``%``; empty for points.
        scale: by what the function's result is multiplied to be in that unit.
        decimals: with how many the value is printed.

    Raises:
        ConfigurationError: there is no function of that name.
    """

    name: str
    statistics: tuple[str, ...]
    function: str
    higher_is_better: bool
    recipe: Mapping[str, str]
    unit: str = "%"
    scale: float = 100
    decimals: int = 2

    def __post_init__(self) -> None:
        get_metric_function(self.function)

    @property
    def full_recipe(self) -> dict[str, str]:
        """The recipe with the metric's name in front; a recipe that names the metric more exactly keeps its name."""
        return {"metric": self.name, **self.recipe}

    def value(self, totals: npt.NDArray[Any]) -> float:
        """Apply the function to a vector of sums of length ``len(statistics)``; the result is not yet scaled."""
        return get_metric_function(self.function)(totals)


def in_unit(value: float, scale: float) -> float:
    """Bring a function's result into the unit that is printed: 33/800 times 100 is exactly 4.125."""
    # By the shortest decimals that name the two floats, as a product of floats may fall short of a tie.
    return float(_exact(value) * _exact(scale))


def mean_in_unit(values: Sequence[float]) -> float:
    """Return the mean of values in the unit that is printed, as exact as ``in_unit`` brings them there."""
    return float(sum(map(_exact, values), Decimal(0)) / len(values))


def difference_in_unit(new: float, base: float) -> float:
    """Return new minus base, both in the unit that is printed: 6.125 - 6 is exactly 0.125."""
    return float(_exact(new) - _exact(base))


def rounded(value: float | Decimal, decimals: int = 2) -> str:
    """Round half up, as published tables do, by the shortest decimals that name the number."""
    return str(Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, _WIDE))


def recipe_line(metric: Metric) -> str:
    """Render a metric's recipe, as long as it is not known which models take part and how many samples count.

    >>> recipe_line(Metric("Accuracy", ("correct", "samples"), "ratio", True, {"averaging": "micro"}))
    'metric:Accuracy|averaging:micro'
    """
    return render_recipe(metric.full_recipe)


def render_recipe(recipe: Mapping[str, Any]) -> str:
    r"""Render a recipe as one line, in the manner of sacreBLEU's signatures; ``|`` and ``:`` in values are escaped.

    >>> render_recipe({"metric": "WER", "judge": "A|B: C"})
    'metric:WER|judge:A\\|B\\: C'
    """
    return "|".join(f"{name}:{_escaped(value)}" for name, value in recipe.items())


def _exact(value: float) -> Decimal:
    return Decimal(str(float(value)))


def _escaped(value: Any) -> str:
    text = " ".join(str(value).split())
    for character in "\\|:":
        text = text.replace(character, f"\\{character}")
    return text
