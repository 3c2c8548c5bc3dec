"""Why two figures cannot be compared by what the results say of them."""

from collections.abc import Collection, Mapping, Sequence

from evalkit.metrics.metric import render_recipe
from evalkit.results.task_result import MetricResult, TaskResult


def obstacle(key: str, base: TaskResult, new: TaskResult) -> str:
    """Say why a metric of a task cannot be compared by what the results say of it; empty if nothing does."""
    if key not in base.metrics or key not in new.metrics:
        return f"only one of the runs was scored by {key}; `evalkit score` can score a run again"
    metrics = base.metrics[key], new.metrics[key]
    if differing := _differing(metrics[0].recipe, metrics[1].recipe, {*base.models, *new.models}):
        lines = [
            render_recipe({name: _titled(name, task, metric) for name in differing if name in metric.recipe})
            for task, metric in zip((base, new), metrics, strict=True)
        ]
        return f"scored differently, {lines[0] or 'nothing'} and {lines[1] or 'nothing'}; {_remedy(differing, base)}"
    computed = [(each.function, each.scale, each.higher_is_better, tuple(each.statistics)) for each in metrics]
    if computed[0] != computed[1]:
        return "computed by another function, scale, direction or statistics; `evalkit score` can score a run again"
    if not metrics[0].statistics:
        return "no statistics of single samples are stored"
    return ""


def _differing(base: Mapping[str, str], new: Mapping[str, str], roles: Collection[str]) -> list[str]:
    """Return the fields in which two recipes differ; a model that one run had no question for sets nothing apart."""
    return [
        name
        for name in dict.fromkeys((*base, *new))
        if base.get(name) != new.get(name) and not (name in roles and (name not in base or name not in new))
    ]


def _titled(name: str, task: TaskResult, metric: MetricResult) -> str:
    model = task.models.get(name)
    return metric.recipe[name] if model is None else f"{model.title}@{model.fingerprint}"


def _remedy(differing: Sequence[str], task: TaskResult) -> str:
    if any(name in task.models for name in differing):
        return "run one of them with the other's models in these roles"
    return "`evalkit score` can score a run again"
