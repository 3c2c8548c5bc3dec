"""The option by which somebody lets a command make classes of a package of theirs."""

import argparse


def add_allow(parser: argparse.ArgumentParser) -> None:
    """Add ``--allow PACKAGE``, which may be repeated, to a command that makes a run's task classes."""
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="make task classes of this package of yours too; may be repeated",
    )
