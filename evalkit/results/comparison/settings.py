"""How runs are to be compared."""

from dataclasses import dataclass
from typing import Literal, get_args

from evalkit.errors import ConfigurationError
from evalkit.hints import check_choice
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.compared import Correction

OtherTestName = Literal["mapsswe", "mcnemar"]

AUTO, NONE = "auto", "none"
"""What may be drawn beside a field of the samples: as the runs' own intervals, or single samples."""


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """How runs are to be compared; see ``compare_runs`` for the attributes.

    Raises:
        ConfigurationError: one of them is out of range or unknown.
    """

    level: float = 0.95
    resamples: int = 10_000
    seed: int = 0
    cluster: str = AUTO
    minimum: float | None = None
    correction: Correction = "holm"
    tests: tuple[OtherTestName, ...] = ()
    only: tuple[str, ...] = ()
    samples: int = 10

    def __post_init__(self) -> None:
        BootstrapSettings(self.level, self.resamples, self.seed)
        if self.seed < 0:
            raise ConfigurationError(f"seed is {self.seed}; it must be at least 0")
        if self.samples < 0:
            raise ConfigurationError(f"samples is {self.samples}; it must be at least 0")
        if self.minimum is not None and not 0 < self.minimum < float("inf"):
            raise ConfigurationError(f"minimum is {self.minimum}; it must be a number above 0, such as 0.3")
        check_choice("correction", self.correction, get_args(Correction))
        for name in self.tests:
            check_choice("test", name, get_args(OtherTestName))
