"""``python -m evalkit.cli``: the command line without its installed script."""

import sys

from evalkit.cli.main import program

sys.exit(program())
