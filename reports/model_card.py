"""A model card's front matter with the figures of runs, in the Hub's ``model-index`` form, and the tables below it.

The form is that of https://huggingface.co/docs/hub/model-cards#evaluation-results.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import TaskResult
from reports.render.markdown import render_markdown
from reports.tables.model import Table

FILE_NAME = "model_card.md"
# The Hub's names of tasks by what is measured; whatever else is asked of a speech model is answered in text.
_RECOGNITION, _TRANSLATION, _OTHER = "automatic-speech-recognition", "translation", "audio-text-to-text"
_TASKS = {"WER": _RECOGNITION, "CER": _RECOGNITION, "MER": _RECOGNITION, "BLEU": _TRANSLATION, "ASR-BLEU": _TRANSLATION}


def render_model_card(runs: Sequence[RunResult], tables: Sequence[Table]) -> str:
    """Return a model card of Markdown: front matter with every measured headline, and the tables of the report."""
    index = [{"name": run.model, "results": list(_results(run))} for run in runs]
    front = {"model-index": [each for each in index if each["results"]]}
    matter = yaml.safe_dump(front, allow_unicode=True, sort_keys=False, width=1_000)
    body = "\n".join(render_markdown(table) for table in tables)
    return f"---\n{matter}---\n\n## Evaluation\n\n{body}"


def _results(run: RunResult) -> Iterator[dict[str, Any]]:
    for task in run.tasks.values():
        if task.not_applicable is None and task.metric.value is not None:
            kind = _TASKS.get(task.metric.name, _OTHER)
            yield {
                "task": {"type": kind, "name": kind.replace("-", " ").capitalize()},
                "dataset": {"name": task.title, "type": task.name},
                "metrics": [_metric(run, task)],
            }


def _metric(run: RunResult, task: TaskResult) -> dict[str, Any]:
    metric = task.metric
    details: dict[str, Any] = {"recipe": task.recipe_line(task.headline), "samples": task.samples.counted}
    if metric.interval is not None:
        details |= {"interval": list(metric.interval), "level": metric.level}
    if task.partial:
        details["partial"] = True
    return {
        "type": metric.name.lower().replace(" ", "_"),
        "value": metric.value,
        "name": f"{metric.name}{f' ({metric.unit})' if metric.unit else ''}, evalkit {run.evalkit}",
        "args": details,
    }
