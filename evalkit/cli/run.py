"""``evalkit run``: a Hydra application around ``evalkit.run``."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from evalkit.cli.configuration import register_resolvers, show_whole_errors
from evalkit.cli.main import EXIT_FOUND_FAULT
from evalkit.cli.names import CONFIG_MODULE, CONFIG_NAME
from evalkit.cli.summary import summary
from evalkit.errors import EvalkitError
from evalkit.results.folder import read_json
from evalkit.results.usage import usage_lines
from evalkit.run.evaluate import carry_out
from evalkit.run.plan import plan_from_config


class FailedSamplesError(EvalkitError):
    """The run is complete, and some of its samples failed."""

    exit_status = EXIT_FOUND_FAULT


# Why the one job of this process stopped. Hydra announces an exception that leaves a job with a line of its own.
_stopped: list[Exception] = []


def command(arguments: Sequence[str]) -> int:
    """Run what the arguments compose; Hydra reads them from ``sys.argv``."""
    register_resolvers()
    show_whole_errors()
    sys.argv = ["evalkit run", *arguments]
    application()
    if _stopped:
        raise _stopped.pop()
    return 0


@hydra.main(version_base="1.3", config_path=f"pkg://{CONFIG_MODULE}", config_name=CONFIG_NAME)
def application(config: DictConfig) -> None:
    """Carry out one composed configuration; with ``--multirun``, called once for each, perhaps in other processes."""
    hydra_config = HydraConfig.get()
    if hydra_config.mode != RunMode.RUN:
        _run(config, hydra_config.runtime.choices)
        return
    try:
        _run(config, hydra_config.runtime.choices)
    except Exception as error:
        _stopped.append(error)


def _run(config: DictConfig, choices: Mapping[str, Any]) -> None:
    register_resolvers()
    plan = plan_from_config(config, choices)
    run = carry_out(plan)
    print(summary(run))
    if lines := usage_lines(read_json(plan.folder / "provenance.json")["usage"]):
        print("Models, over all sessions of this run", *lines, sep="\n")
    print(f"\nRun folder: {plan.folder}\nTables and chart: evalkit report {plan.folder}")
    if failed := run.failed_samples:
        raise FailedSamplesError(
            f"{failed} samples failed and count as wrong; {plan.folder}/*/scores.parquet says why. "
            "The same command asks again whatever was not answered"
        )
