"""Run mutmut over a random sample of mutants: all of them take hours, and a few hundred tell as much of the tests.

    python scripts/sample_mutants.py 300 evalkit/metrics evalkit/results

Prints the survivors and the share that the tests killed. The sample depends on its size and on the sources alone.
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MUTANTS = ROOT / "mutants"
_KILLED = (1, 3)  # pytest's exit codes for a failed test and for an error of its own
_NO_TESTS = (5, 33)  # where no test comes by
_AT_ONCE = 200  # names on one command line


def sample(folders: list[str], size: int, seed: int) -> list[str]:
    """Return names of mutants of the sources in these folders, drawn at random."""
    names = sorted(name for folder in folders for name in _exit_codes(folder))
    return sorted(random.Random(seed).sample(names, min(size, len(names))))


def _exit_codes(folder: str) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for path in (MUTANTS / folder).rglob("*.meta"):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def _mutmut(*arguments: str) -> None:
    # A run that finds nothing to do, and one with survivors, both end with a status other than 0.
    subprocess.run([sys.executable, "-m", "mutmut", "run", *arguments], cwd=ROOT, check=False)


def main() -> int:
    """Run the command line; return 1 if a mutant survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", type=int, help="how many mutants")
    parser.add_argument("folders", nargs="+", help="whose sources to mutate")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    _mutmut("no_such_mutant")  # makes the mutants, and finds out which tests come by which function
    names = sample(options.folders, options.size, options.seed)
    for start in range(0, len(names), _AT_ONCE):
        _mutmut(*names[start : start + _AT_ONCE])
    results = {name: code for folder in options.folders for name, code in _exit_codes(folder).items()}
    outcomes = {name: results[name] for name in names}
    survivors = [name for name, code in outcomes.items() if code in (0, *_NO_TESTS)]
    killed = sum(code in _KILLED for code in outcomes.values())
    others = len(names) - killed - len(survivors)
    print(*survivors, sep="\n")
    print(f"{killed} of {len(names)} mutants were killed, {len(survivors)} survived, {others} ended otherwise.")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
