"""``evalkit log``: the figures of a run in Weights & Biases or MLflow, by these trackers' own clients."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.run_argument import run_argument
from evalkit.errors import ConfigurationError
from evalkit.printable import printable
from evalkit.results.metrics_file import read_run


def command(arguments: Sequence[str]) -> int:
    """Log a run, and say where it lies."""
    parser = argparse.ArgumentParser(
        prog="evalkit log",
        description="Log the figures of a run, with their intervals and recipes, and its report to a tracker. What the "
        "tracker's client needs (keys, servers, WANDB_MODE=offline) is set as for the client itself.",
        epilog="example: evalkit log runs/A --to mlflow --uri http://localhost:5000 --report runs/A/report",
    )
    parser.add_argument("run", type=run_argument, metavar="RUN", help="run folder")
    parser.add_argument("--to", choices=("wandb", "mlflow"), required=True, help="the tracker")
    parser.add_argument("--project", default="evalkit", help="project, or experiment (default: %(default)s)")
    parser.add_argument("--uri", help="of MLflow's server or store; default: MLFLOW_TRACKING_URI")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="a report to keep with the run")
    options = parser.parse_args(arguments)
    if options.uri is not None and options.to != "mlflow":
        parser.error("--uri is for MLflow; Weights & Biases takes WANDB_BASE_URL")
    if options.report is not None and not options.report.is_dir():
        raise ConfigurationError(f"{options.report}: no such folder; `evalkit report {options.run}` writes one")
    from reports.tracking.values import tracked

    run = tracked(read_run(options.run), options.report)
    if options.to == "wandb":
        from reports.tracking.to_wandb import log_to_wandb

        place = log_to_wandb(run, options.project)
    else:
        from reports.tracking.to_mlflow import log_to_mlflow

        place = log_to_mlflow(run, options.project, options.uri)
    print(f"{len(run.numbers):,} numbers and {len(run.rows):,} figures of {printable(run.name)}: {printable(place)}")
    return 0
