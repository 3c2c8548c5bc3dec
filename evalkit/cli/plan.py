"""``evalkit plan``: what a run would take, before it is begun: samples, hours, calls, tokens, money, time."""

import argparse
import json
from collections.abc import Sequence

from evalkit.cli.catalogue import Folders
from evalkit.cli.estimate import estimate
from evalkit.cli.estimate_output import estimate_json, estimate_text
from evalkit.printable import printable
from evalkit.progress import say
from evalkit.run.composition import compose_run
from evalkit.run.explanation import in_our_words
from evalkit.run.plan import plan_from_config


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Print what the run that the words compose would take; 0 if any of it could be carried out, else 2."""
    parser = argparse.ArgumentParser(
        prog="evalkit plan",
        usage="evalkit plan model=NAME suite=NAME|task=NAME [override ...] [--probe N] [--json] [--config-dir FOLDER]",
        description="What `evalkit run` with the same words would take: samples and hours of audio, calls to each "
        "role, tokens, money and time, what is missing for it, and what is answered already. Nothing is run, unless "
        "--probe says so. Exits 2 if no task could be carried out.",
    )
    parser.add_argument("words", nargs="*", metavar="override", help="as of `evalkit run`")
    add_probe_option(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse_intermixed_args(arguments)
    composition = compose_run(options.words, folders)
    with in_our_words():
        plan = plan_from_config(composition.config, composition.choices)
        found = estimate(plan, composition.config, options.probe)
    for line in plan.notices:
        say(line)
    text = json.dumps(estimate_json(found), indent=2, ensure_ascii=False) if options.json else estimate_text(found)
    print(printable(text, lines=True))
    return 0 if found.can_begin else 2


def add_probe_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that has a few samples asked for real."""
    parser.add_argument(
        "--probe",
        type=_samples,
        default=0,
        metavar="N",
        help="ask N samples of every task at hand for real, in a folder that is thrown away, to learn the time",
    )


def _samples(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number of at least 1")
    return int(text)
