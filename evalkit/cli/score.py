"""``evalkit score``: score a run's stored answers again. No model is loaded, no audio and no data set is read."""

import argparse
from collections.abc import Sequence

from evalkit.cli.allow import add_allow
from evalkit.cli.run_argument import run_argument
from evalkit.cli.summary import summary
from evalkit.errors import ConfigurationError
from evalkit.results.repeated import join_runs, repeated_folders
from evalkit.run.rescore import rescore


def command(arguments: Sequence[str]) -> int:
    """Re-score a run, or repeated runs, in place and print the results."""
    parser = argparse.ArgumentParser(
        prog="evalkit score",
        description="Score a run's stored answers again and rewrite its metrics.json. A run folder is data: of what "
        "its config.yaml names, nothing but the tasks of evalkit is loaded, and of yours what you allow.",
        epilog="example: evalkit score runs/whisper_tiny_en-demo schemes=[whisper,qwen2_audio]",
    )
    parser.add_argument("run", type=run_argument, help="run folder, or folder of repeated runs")
    parser.add_argument(
        "overrides",
        nargs="*",
        help="changed settings of the run's config.yaml, as KEY=VALUE; name= and model.title= rename the run and its "
        "model in the results",
    )
    add_allow(parser)
    options = parser.parse_args(arguments)
    folders = repeated_folders(options.run)
    if folders and any(override.startswith("name=") for override in options.overrides):
        raise ConfigurationError(f"name=: {options.run} holds repeated runs, each with a name of its own")
    runs = [rescore(folder, options.overrides, options.allow) for folder in folders or [options.run]]
    print(summary(join_runs(runs, options.run.resolve().name) if folders else runs[0]))
    return 0
