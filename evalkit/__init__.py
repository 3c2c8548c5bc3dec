"""evalkit: an evaluation harness for speech language models.

The public functions are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from evalkit.version import __version__

if TYPE_CHECKING:
    from evalkit.metrics.bleu import Bleu, bleu
    from evalkit.metrics.error_rate import ErrorRate, error_rate
    from evalkit.metrics.resampling import bootstrap, paired_test
    from evalkit.results.compared import Comparison
    from evalkit.results.comparison import compare_runs
    from evalkit.results.metrics_file import RunResult, read_run
    from evalkit.results.repeated import read_results
    from evalkit.run.difference.causes import RunDifference
    from evalkit.run.difference.diff import diff_runs
    from evalkit.run.judging import judge_again
    from evalkit.run.sensitivity import sensitivity
    from evalkit.run.start import evaluate
    from evalkit.text import normalizer

_EXPORTS = {
    "normalizer": "evalkit.text",
    "error_rate": "evalkit.metrics.error_rate",
    "ErrorRate": "evalkit.metrics.error_rate",
    "bleu": "evalkit.metrics.bleu",
    "Bleu": "evalkit.metrics.bleu",
    "bootstrap": "evalkit.metrics.resampling",
    "paired_test": "evalkit.metrics.resampling",
    "evaluate": "evalkit.run.start",
    "read_run": "evalkit.results.metrics_file",
    "RunResult": "evalkit.results.metrics_file",
    "compare_runs": "evalkit.results.comparison",
    "Comparison": "evalkit.results.compared",
    "diff_runs": "evalkit.run.difference.diff",
    "RunDifference": "evalkit.run.difference.causes",
    "read_results": "evalkit.results.repeated",
    "judge_again": "evalkit.run.judging",
    "sensitivity": "evalkit.run.sensitivity",
}

__all__ = [
    "Bleu",
    "Comparison",
    "ErrorRate",
    "RunDifference",
    "RunResult",
    "__version__",
    "bleu",
    "bootstrap",
    "compare_runs",
    "diff_runs",
    "error_rate",
    "evaluate",
    "judge_again",
    "normalizer",
    "paired_test",
    "read_results",
    "read_run",
    "sensitivity",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
