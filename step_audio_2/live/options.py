"""What talks on a terminal share before a model is loaded: their options, and how they end; nothing heavy is here."""

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

_FAILED = 1
_INTERRUPTED = 130


def parser_of(module: str, description: str) -> argparse.ArgumentParser:
    """Make the parser of a module that holds a talk, with the options that do not depend on the model.

    Args:
        module: that is run, as ``python -m`` is given it.
        description: its docstring: what it does, a blank line, and how it is called.
    """
    summary, _, usage = description.partition("\n\n")
    parser = argparse.ArgumentParser(f"python -m {module}", description=summary, epilog=usage)
    parser.add_argument("--system", help="another system message")
    parser.add_argument("--write", action="store_true", help="answer in writing")
    parser.add_argument("--output", type=Path, default=Path("answers"), help="the folder for the spoken answers")
    parser.add_argument(
        "--seed", type=int, help="of what sampled answers draw; 0, or that of the conversation replayed"
    )
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep the conversation in a folder")
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="put the turns of a kept conversation once more")
    parser.add_argument("--documents", type=Path, help="search this folder of texts")
    parser.add_argument("--searxng", metavar="URL", help="search the web by this instance of SearXNG")
    parser.add_argument("--weather", type=Path, metavar="TABLE", help="a JSON table of the weather, not Open-Meteo")
    parser.add_argument("--voices", type=Path, metavar="LIBRARY", help="a folder of voices to change to")
    parser.add_argument("--mcp", action="append", default=[], metavar="COMMAND", help="a server of tools to start")
    return parser


def run(
    parser: argparse.ArgumentParser,
    talk: Callable[[argparse.Namespace, ExitStack], None],
    *errors: type[Exception],
) -> int:
    """Hold the talk that a command line wants, and say in one line what is wrong.

    Args:
        parser: of its options.
        talk: given the options, and what closes its resources at the end.
        *errors: further ones whose message is for people.

    Returns:
        The exit status: 0, 1 (an error) or 130 (interrupted).
    """
    options = parser.parse_intermixed_args()
    known: tuple[type[Exception], ...] = (ValueError, ImportError, RuntimeError, OSError, *errors)
    try:
        with ExitStack() as resources:
            talk(options, resources)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return _INTERRUPTED
    except known as error:
        print(f"error: {error}", file=sys.stderr)
        return _FAILED
    return 0
