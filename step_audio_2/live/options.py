"""The options of a talk on a terminal that do not depend on the model; to be shown at once, nothing heavy is here."""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that do not depend on the model."""
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
