"""``evalkit show``: what a task would ask and how it would score, without running anything; or a sample of a run."""

import json
from collections.abc import Sequence
from typing import Any

from evalkit.cascade import STAGES
from evalkit.cli.catalogue import Folders
from evalkit.cli.show_sample import show_sample
from evalkit.inference.replay import chain_of
from evalkit.metrics.metric import recipe_line
from evalkit.printable import printable
from evalkit.run.composition import compose_configuration
from evalkit.run.explanation import in_our_words
from evalkit.run.plan import tasks_from_config, titles_from_config
from evalkit.run.rehearsal import STAND_IN, rehearsed
from evalkit.task import Task
from evalkit.types import Request, Sample

_USAGE = """usage: evalkit show task=NAME [model=NAME] [override ...] [--config-dir FOLDER]
       evalkit show RUN/TASK/SAMPLE [--base RUN2]

The first prints the data set, the exact request and the metrics of each task chosen, as `evalkit run` with the same
words would have them. Nothing is run, nothing is downloaded.

The second prints one sample of a run, with --base the same sample of another run before it: references, answers by
role, alignment, replies of judges, tool calls, failures, and what the sample counts."""


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Print every task that the overrides choose, or the sample of a run that is named."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(_USAGE)
        return 0
    if "=" not in arguments[0] and not arguments[0].startswith("-"):
        return show_sample(arguments)
    config = compose_configuration(arguments, folders)
    with in_our_words():
        for task in tasks_from_config(config):
            lines = _lines(task, titles_from_config(config)["model"])
            print("\n".join(printable(line) for line in lines))
    return 0


def _lines(task: Task, model: str) -> list[str]:
    lines = [f"{task.name}: {task.title}", "", "data set"]
    lines += [f"  {name}: {value}" for name, value in task.describe().items() if value is not None]
    lines.append(f"  samples expected: {task.expected_samples or 'not known'}")
    lines += ["", f"roles: {', '.join(task.roles)}"]
    sample, remark = _first_sample(task)
    lines += ["", f"request to {model}{remark}"]
    call = next(chain_of(task, sample), None)
    if call is not None:
        lines += _request_lines(call.role, call.request)
    if task.cascade is not None and call is not None:
        for role, requests in rehearsed(task, sample).requests.items():
            if role in STAGES and role != call.role:
                lines += ["", f"request to its stage {role}, with words that stand in for the answers before it"]
                lines += _request_lines(role, next(iter(requests.values())))
    lines += ["", "metrics"]
    lines += [f"  {key}: {recipe_line(metric)}" for key, metric in task.metrics.items()]
    return [*lines, ""]


def _request_lines(role: str, request: Request) -> list[str]:
    content: Any = {"role": role, **request.to_json()}
    return [f"  {line}" for line in json.dumps(content, indent=2, ensure_ascii=False).splitlines()]


def _first_sample(task: Task) -> tuple[Sample, str]:
    """Return a real sample where the data set lies on this machine, else a stand-in of the same shape."""
    if task.data_at_hand:
        for sample in task.samples():
            return sample, f", sample {sample.id}"
    return STAND_IN, ", shape only: the data set is not on this machine"
