"""evalkit: an evaluation harness for speech language models.

The public functions are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.metrics.bleu import Bleu, bleu
    from evalkit.metrics.error_rate import ErrorRate, error_rate
    from evalkit.metrics.resampling import bootstrap, paired_test
    from evalkit.run.start import evaluate
    from evalkit.text import normalizer

__version__ = "0.1.0"

_EXPORTS = {
    "normalizer": "evalkit.text",
    "error_rate": "evalkit.metrics.error_rate",
    "ErrorRate": "evalkit.metrics.error_rate",
    "bleu": "evalkit.metrics.bleu",
    "Bleu": "evalkit.metrics.bleu",
    "bootstrap": "evalkit.metrics.resampling",
    "paired_test": "evalkit.metrics.resampling",
    "evaluate": "evalkit.run.start",
}

__all__ = [
    "Bleu",
    "ErrorRate",
    "__version__",
    "bleu",
    "bootstrap",
    "error_rate",
    "evaluate",
    "normalizer",
    "paired_test",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
