"""``evalkit repeats``: several runs of one model as one, with what the choice of runs makes of every figure."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evalkit.cli.output import check_file, write_json
from evalkit.cli.run_argument import run_argument
from evalkit.metrics.metric import rounded
from evalkit.printable import printable
from evalkit.results.markdown import escaped
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.results.repeated import join_runs, repeated_folders
from evalkit.results.task_result import MetricResult, RunSpread
from evalkit.results.wording import figure_text


def command(arguments: Sequence[str]) -> int:
    """Print the figures of repeated runs."""
    parser = argparse.ArgumentParser(
        prog="evalkit repeats",
        description="Join several runs of one model, which differ in the seed alone: the mean of each figure, how far "
        "the runs lie apart, how sure the mean is for the choice of samples, and an interval that holds both. "
        "`evalkit run … repeats=3` makes such runs in one folder, which `evalkit report` and `evalkit compare` take "
        "like a run.",
        epilog="example: evalkit repeats runs/step_audio_2-demo",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        type=run_argument,
        metavar="RUN",
        help="a folder of repeated runs, or the run folders themselves",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON to a file")
    options = parser.parse_args(arguments)
    if options.json:
        check_file(options.json)
    folders = [path for named in options.runs for path in (repeated_folders(named) or [named])]
    joined = join_runs([read_run(folder) for folder in folders], options.runs[0].resolve().name)
    print(printable("\n".join(_lines(joined)), lines=True))
    if options.json:
        write_json(options.json, _to_json(joined))
    return 0


def _figures(run: RunResult) -> Iterator[tuple[str, str, MetricResult]]:
    """Yield every figure with its task's or average's name and title."""
    for task in run.tasks.values():
        yield from ((task.name, task.title, metric) for metric in task.metrics.values())
    yield from ((each.name, each.title, each.metric) for each in run.aggregates.values())


def _lines(run: RunResult) -> Iterator[str]:
    yield f"# {escaped(run.model)}: {', '.join(escaped(each.name) for each in run.repetitions)}"
    yield ""
    yield "| Task | Metric | Mean | SD between runs | SE of samples | SE of both | Each run |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | --- |"
    for _, title, metric in _figures(run):
        name = f"{metric.name} ({metric.unit})" if metric.unit else metric.name
        mean = "undefined" if metric.value is None else figure_text(metric.value, metric.interval, metric.decimals)
        spread = metric.spread or RunSpread((), None, None)
        errors = (spread.deviation, spread.sampling_error, metric.standard_error)
        cells = ["" if each is None else rounded(each, metric.decimals) for each in errors]
        values = ["undefined" if value is None else rounded(value, metric.decimals) for value in spread.values]
        yield f"| {' | '.join([escaped(title), escaped(name), mean, *cells, ', '.join(values)])} |"
    yield ""
    yield "Intervals hold the choice of samples and of runs: other samples would have been as good, and other seeds."


def _to_json(run: RunResult) -> dict[str, Any]:
    return {
        "model": run.model,
        "runs": [each.name for each in run.repetitions],
        "figures": [
            {
                "name": name,
                "title": title,
                "metric": metric.name,
                "unit": metric.unit,
                "value": metric.value,
                "interval": metric.interval,
                "level": metric.level,
                "standard_error": metric.standard_error,
                **({} if metric.spread is None else asdict(metric.spread)),
            }
            for name, title, metric in _figures(run)
        ],
    }
