"""The normalisation schemes by which the samples of a task were scored, as its recipe names them."""

from evalkit.results.scoring_schemes import scheme_for, schemes_of_metric
from evalkit.results.task_result import TaskResult
from evalkit.text import Scheme

__all__ = ["scheme_for", "schemes_of"]


def schemes_of(result: TaskResult) -> tuple[Scheme, ...]:
    """Return the schemes of a task's headline; see ``schemes_of_metric``."""
    return schemes_of_metric(result.metric)
