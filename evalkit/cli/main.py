"""The ``evalkit`` command: finds the subcommand, and turns every expected error into one line."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import evalkit
from evalkit.errors import EvalkitError

EXIT_FOUND_FAULT = 1  # failed samples, a significant regression, or data that differs from what is known
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

_COMMANDS = {
    "run": "evaluate a model: evalkit run model=NAME suite=NAME (anything after `run` is Hydra's grammar)",
    "list": "what there is: models, tasks, suites, published results",
    "show": "the exact request, data set and metric of a task; nothing is run",
    "score": "score a run's stored answers again, with other schemes if you like; no inference",
    "report": "tables and radar chart of runs, beside published results",
    "compare": "paired tests between two runs; exits 1 on a significant regression",
    "data": "data prepare, data verify: fetch or index a data set; check its counts, hours and recordings",
    "doctor": "what is installed, which models and tasks can run here, and why not",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 (failures or a regression found), 2 (error)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        return _dispatch(words)
    except KeyboardInterrupt:
        print("evalkit: interrupted; what was answered is kept, the same command continues", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except Exception as error:
        if debug:
            raise
        message = _explain(error)
        if message is None:
            raise
        print(f"evalkit: {message}", file=sys.stderr)
        return getattr(error, "exit_status", EXIT_ERROR)


def _dispatch(words: list[str]) -> int:
    if words and words[0] in _COMMANDS:
        command: int = import_module(f"evalkit.cli.{words[0]}").command(words[1:])
        return command
    parser = _parser()
    if not words:
        parser.print_help()
        return 0
    parser.parse_args(words)
    return 0


def _parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:<9}{text}" for name, text in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="evalkit",
        description="An evaluation harness for speech language models.",
        epilog=f"commands:\n{lines}\n\n`evalkit COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="evalkit [--version] [--debug] COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"evalkit {evalkit.__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("command", choices=_COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


def _explain(error: Exception) -> str | None:
    """One line for an expected error, None for one that is a bug and deserves its traceback."""
    if isinstance(error, EvalkitError):
        return str(error)
    if "hydra" not in sys.modules and "omegaconf" not in sys.modules:
        return None
    from evalkit.cli.configuration import explain

    return explain(error)
