"""The ``evalkit`` command: finds the subcommand, and turns every error into one line and an exit status."""

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module

from evalkit.cli.ending import end_whatever_goes_on
from evalkit.errors import ConfigurationError, EvalkitError, StopRequested
from evalkit.hints import hint
from evalkit.printable import printable
from evalkit.rooms import find_rooms_at_home
from evalkit.version import __version__

EXIT_FOUND_FAULT = 1  # failed samples, a significant regression, or data that differs from what is known
EXIT_ERROR = 2
EXIT_RUN_AGAIN = 75  # a scheduler wanted the machine back; EX_TEMPFAIL of sysexits.h: to be tried again
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141  # as of a program that the reader of its output has left

COMMANDS = {
    "run": "evaluate a model: evalkit run model=NAME suite=NAME (anything after `run` is Hydra's grammar)",
    "plan": "what a run will take before it is begun: samples, hours of audio, calls, tokens, money, time",
    "reproduce": "a model's published figures against what is measured, with a verdict on each",
    "list": "what there is: models, tasks, suites, published results, runs",
    "status": "how runs are going, from another terminal or machine: done, rate, time left, failures, cost",
    "audit": "is a run whole: one answer for each call, every recording, figures that recompute; exits 1 if not",
    "show": "the exact request, data set and metric of a task, nothing is run; or one sample of a run",
    "merge": "make one run of the shards that `evalkit run shard=K/N` left, or name those that are missing",
    "score": "score a run's stored answers again, with other schemes if you like; no inference",
    "sensitivity": "a run's stored answers under every scheme of normalisation, with the intervals of the differences",
    "repeats": "several runs of one model, with other seeds: the mean, and the spread of runs beside that of samples",
    "judge": "put a run's stored answers to another judge: how far the two agree; no other model is loaded",
    "report": "tables, radar chart and every sample of runs, beside published results",
    "view": "the report of runs in the browser, kept up to date while they go on",
    "plot": "one plot of runs as PNG, SVG or PDF: radar, forest, error types, running estimate and others",
    "leaderboard": "the newest run of each model in a folder, ranked, with learning curves, as a page and CSV",
    "log": "the figures of a run in Weights & Biases or MLflow, by their own clients",
    "compare": "are runs better or worse than a baseline, with paired tests; a gate for releases by its exit status",
    "diff": "why the figures of two runs differ, the likeliest cause first; exits 1 if something differs that matters",
    "wer": "the error rate between two text files, with its interval; no audio, no model",
    "export": "a run's references and answers as files for SCTK's sclite",
    "data": "data prepare, data verify: fetch or index a data set; check its counts, hours and recordings",
    "chat": "talk with a model in the browser: speech in and out, tools, voices; evalkit chat model=NAME",
    "doctor": "what is installed, which models and tasks can run here, and why not",
    "completion": "print the script that completes words at the TAB key, for bash, zsh or fish",
}
_HIDDEN = ("complete",)
# The commands that compose configurations, and are told of further folders of them.
_COMPOSING = ("run", "plan", "reproduce", "list", "show", "judge", "data", "doctor", "chat", "complete")


@dataclass(slots=True)
class _Invocation:
    """The words of a command line, without the options that all commands share."""

    words: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    debug: bool = False


def program() -> int:
    """Run the command line of this process, and return its exit status; threads that go on do not hold up its end."""
    status = main()
    end_whatever_goes_on(status)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 (failures or a regression found), 2 (error)."""
    _mend_streams()
    find_rooms_at_home()
    invocation = _Invocation(debug="--debug" in (sys.argv[1:] if arguments is None else arguments))
    if invocation.debug:
        _show_tracebacks()
    try:
        _read(sys.argv[1:] if arguments is None else arguments, invocation)
        status = _dispatch(invocation)
        _flush()
        return status
    except StopRequested as request:
        print(f"evalkit: stopped by {request}; what was answered is kept, the same command continues", file=sys.stderr)
        return EXIT_RUN_AGAIN
    except KeyboardInterrupt:
        print("evalkit: interrupted; what was answered is kept, the same command continues", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _abandon_output()
        return EXIT_BROKEN_PIPE
    except EvalkitError as error:
        return _stopped_with_traceback() if invocation.debug else _stopped(str(error))
    except Exception as error:
        if invocation.debug:
            return _stopped_with_traceback()
        return _stopped(f"{_described(error)} (--debug shows the traceback)")


def _read(arguments: Sequence[str], invocation: _Invocation) -> None:
    words = iter(arguments)
    for word in words:
        option, sign, value = word.partition("=")
        if word == "--debug":
            continue
        if option in ("--config-dir", "-cd"):
            folder = value if sign else next(words, None)
            if not folder:
                raise ConfigurationError("--config-dir wants a folder")
            invocation.folders.append(folder)
        else:
            invocation.words.append(word)


def _dispatch(invocation: _Invocation) -> int:
    words = invocation.words
    try:
        return _dispatch_words(words, invocation.folders)
    except SystemExit as leaving:  # as argparse leaves after its help or its complaint
        return leaving.code if isinstance(leaving.code, int) else EXIT_ERROR


def _dispatch_words(words: list[str], folders: list[str]) -> int:
    if words and words[0] in (*COMMANDS, *_HIDDEN):
        if words[0] == "run":
            from evalkit.arenas import share_arenas

            share_arenas()  # before libraries begin threads
        module = import_module(f"evalkit.cli.{words[0]}")
        if words[0] in _COMPOSING:
            if folders and words[0] not in _HIDDEN:
                _say_what_is_hidden(folders)
            return int(module.command(words[1:], folders))
        return int(module.command(words[1:]))
    # Printed here and not by argparse, which says nothing of output that cannot be written.
    if not words or words[0] in ("-h", "--help"):
        print(_parser().format_help(), end="")
        return 0
    if words[0] == "--version":
        print(f"evalkit {__version__}")
        return 0
    if not words[0].startswith("-"):
        raise ConfigurationError(f"no command '{words[0]}'{hint(words[0], COMMANDS)} (there are {', '.join(COMMANDS)})")
    _parser().parse_args(words)
    return 0


def _say_what_is_hidden(folders: list[str]) -> None:
    from evalkit.run.search_path import hidden_files

    for file in hidden_files(folders):
        print(
            f"evalkit: {printable(str(file))} is not used: a configuration of this name is found before it; "
            "give it another name",
            file=sys.stderr,
        )


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS)) + 2
    lines = "\n".join(f"  {name:<{width}}{text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="evalkit",
        description="An evaluation harness for speech language models.",
        epilog=f"commands:\n{lines}\n\n`evalkit COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="evalkit [--version] [--debug] [--config-dir FOLDER] COMMAND ...",
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("--debug", action="store_true", help="show the traceback of each error, a model's too")
    parser.add_argument("--config-dir", metavar="FOLDER", help="find models, tasks and suites of yours there too")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


def _stopped(message: str) -> int:
    try:
        sys.stdout.flush()
    except OSError:
        _abandon_output()
    print(f"evalkit: {printable(message)}", file=sys.stderr)
    return EXIT_ERROR


def _stopped_with_traceback() -> int:
    print(printable(traceback.format_exc(), lines=True), end="", file=sys.stderr)
    return EXIT_ERROR


class _Tracebacks(logging.Handler):
    """Prints what is logged for people who debug: the traceback of a model that failed on one sample."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record that only they are to see."""
        if record.levelno == logging.DEBUG:
            print(printable(self.format(record), lines=True), file=sys.stderr)


def _show_tracebacks() -> None:
    log = logging.getLogger("evalkit")
    log.setLevel(logging.DEBUG)
    log.addHandler(_Tracebacks())


def _mend_streams() -> None:
    """Have output go nowhere where it was closed, and no character be one that cannot be written."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _described(error: Exception) -> str:
    """Describe in one line an error that nobody foresaw."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else f"cannot read or write: {error.strerror}"
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return f"unforeseen {type(error).__name__}: {error}"


def _flush() -> None:
    """Write what is still to be written to the standard output now, while its failure can be told."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _abandon_output()
        raise EvalkitError(f"cannot write to the standard output ({error.strerror})") from error


def _abandon_output() -> None:
    """Send what is still to be written nowhere, so that the interpreter does not try it again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
