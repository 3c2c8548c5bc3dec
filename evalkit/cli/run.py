"""``evalkit run``: compose a configuration and carry it out; sweeps and looks at the configuration are Hydra's."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from evalkit.cli.catalogue import Folders
from evalkit.cli.main import EXIT_FOUND_FAULT
from evalkit.cli.run_argument import place
from evalkit.cli.summary import summary
from evalkit.errors import ConfigurationError, EvalkitError, StopRequested
from evalkit.hints import hint
from evalkit.inference.interrupts import tell_launcher
from evalkit.printable import printable
from evalkit.results.metrics_file import RunResult
from evalkit.results.repeated import join_runs
from evalkit.results.shards import Shard
from evalkit.results.usage import usage_lines
from evalkit.run.composition import compose_run, configurations, listed_roles
from evalkit.run.evaluate import Evaluation
from evalkit.run.explanation import in_our_words
from evalkit.run.naming import run_name
from evalkit.run.overrides import added_roles, grammatical, quoted, swept_keys
from evalkit.run.repeats import evaluations
from evalkit.run.search_path import CONFIG_MODULE, CONFIG_NAME
from evalkit.run.settings import check_settings

_SWEEP = ("--multirun", "-m")
# What Hydra's own application does for us, with the number of words that belong to each.
_LOOKS = {"--cfg": 1, "-c": 1, "--info": 1, "-i": 1, "--package": 1, "-p": 1, "--resolve": 0, "--hydra-help": 0}
_COMPLETION = {"--shell-completion": 0, "-sc": 0}
# Hydra tells of the first run alone that did not go well.
_OF_ONE = "; the other runs of the sweep may have gone well or not: `evalkit list runs` says which are finished"
_FLAGS = {**dict.fromkeys(_SWEEP, 0), **_LOOKS, **_COMPLETION}


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Run what the arguments compose, and return 1 if samples failed."""
    if {"-h", "--help"} & set(arguments):
        from evalkit.cli.settings_reference import run_help

        print(run_help(), end="")
        return 0
    flags, words = _split(arguments)
    if flags:
        with configurations(folders):
            return _hydra_application(flags, words, sweep=bool(set(_SWEEP) & set(flags)))
    composition = compose_run(words, folders)
    return _run(composition.config, composition.choices)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments into Hydra's own flags, each with its value, and the overrides."""
    flags: list[str] = []
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        flag = word.partition("=")[0]
        if not word.startswith("-"):
            words.append(word)
        elif flag not in _FLAGS:
            raise ConfigurationError(f"no option '{flag}' of evalkit run{hint(flag, _FLAGS)}; `evalkit run --help`")
        elif flag in _COMPLETION:
            flags += [word, *rest]
        else:
            flags += [word, *(next(rest, "") for _ in range(_FLAGS[flag] if flag == word else 0))]
    return flags, words


def _hydra_application(flags: Sequence[str], words: Sequence[str], *, sweep: bool) -> int:
    overrides = added_roles(grammatical(words, sweep=sweep), listed_roles())
    if sweep:
        _, kept = swept_keys(overrides)
        # What every run of the sweep has in common does not tell them apart: it stays out of their names; so do shards,
        # which are of one run.
        told_apart = ["model", "suite", "task", "shard", *kept]
        excluded = ",".join(quoted(key) for key in told_apart)
        overrides.append(f"hydra.job.config.override_dirname.exclude_keys=[{excluded}]")
        overrides.append("hydra.output_subdir=null")  # what Hydra keeps there is not filtered
    try:
        with _words_of_process(["evalkit run", *flags, *overrides]):
            _application()
    except FailedSamplesError as error:
        print(f"evalkit: {error}{_OF_ONE}", file=sys.stderr)
        return EXIT_FOUND_FAULT
    except EvalkitError:
        if sweep:
            print(_OF_ONE.lstrip("; "), file=sys.stderr)
        raise
    return 0


@contextmanager
def _words_of_process(words: list[str]) -> Iterator[None]:
    """Have Hydra's own application read these words, and raise its errors instead of printing them and leaving."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    before, sys.argv = sys.argv, words
    try:
        yield
    finally:
        sys.argv = before


@hydra.main(version_base="1.3", config_path=f"pkg://{CONFIG_MODULE}", config_name=CONFIG_NAME)
def _application(config: DictConfig) -> None:
    """Carry out one configuration of a sweep, perhaps in another process."""
    hydra_config = HydraConfig.get()
    choices = hydra_config.runtime.choices
    with in_our_words():
        check_settings(config)
        if hydra_config.mode == RunMode.MULTIRUN:
            config.name = run_name(config.name, choices, hydra_config.job.override_dirname)
        try:
            status = _run(config, choices)
        except StopRequested:
            tell_launcher()
            raise
    if status:
        # An exception is the one way in which a launcher learns that its job went wrong.
        raise FailedSamplesError("samples failed in a run of the sweep and count as wrong")


class FailedSamplesError(EvalkitError):
    """A run of a sweep is complete, and some of its samples failed."""


def _run(config: DictConfig, choices: Mapping[str, Any]) -> int:
    with in_our_words():
        if config.shard is not None:
            return _run_shard(config, choices)
        done = [_told(evaluation) for evaluation in evaluations(config, choices)]
    if len(done) > 1:
        folder = _folder(done[0]).parent
        print(f"\n{printable(summary(join_runs(done, folder.name)), lines=True)}")
        print(f"\nFolder of the {len(done)} runs: {folder}\nTables and chart: evalkit report {folder}")
    return EXIT_FOUND_FAULT if any(run.failed_samples for run in done) else 0


def _run_shard(config: DictConfig, choices: Mapping[str, Any]) -> int:
    """Carry out one shard of a run; its figures, of a few samples that nobody chose, are not shown."""
    failed = 0
    for evaluation in evaluations(config, choices):
        results = evaluation.results
        failed += results.failed_samples
        run = Shard.run_of(_folder(results))
        counts = ", ".join(f"{name} {task.samples.total:,}" for name, task in results.tasks.items())
        print(f"Shard {config.shard} is done; samples: {counts}")
        print(f"Once all are: evalkit merge {place(run)}", flush=True)
    if failed:
        print(f"evalkit: {failed:,} of them failed; the same command asks again", file=sys.stderr)
    return EXIT_FOUND_FAULT if failed else 0


def _told(evaluation: Evaluation) -> RunResult:
    """Print what came of a run."""
    run, folder = evaluation.results, _folder(evaluation.results)
    print(printable(summary(run), lines=True))
    if lines := usage_lines(evaluation.usage, evaluation.busy):
        print("Models, over all sessions of this run", *lines, sep="\n")
    print(f"\nRun folder: {place(folder)}\nTables and chart: evalkit report {place(folder)}", flush=True)
    if failed := run.failed_samples:
        print(
            f"evalkit: {failed:,} {'samples' if failed > 1 else 'sample'} failed and count{'' if failed > 1 else 's'} "
            f"as wrong; {folder}/*/scores.parquet says why. The same command asks again whatever was not answered",
            file=sys.stderr,
        )
    return run


def _folder(run: RunResult) -> Path:
    assert run.folder is not None  # noqa: S101 - it was just written
    return run.folder
