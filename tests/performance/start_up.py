"""How long the commands take that a user waits for without having asked for work: the median of several runs."""

import statistics
import subprocess
import sys
import time

RUNS = 7
COMMANDS = (
    ("--help",),
    ("list", "models"),
    ("list", "tasks"),
    ("list", "suites"),
    ("list", "published"),
    ("show", "task=librispeech_clean", "model=whisper_tiny_en"),
    ("show", "suite=asr"),
)


def main() -> None:
    """Time each command, beside an interpreter that does nothing."""
    print("seconds  of which evalkit  command")
    empty = median([sys.executable, "-c", "pass"])
    for command in COMMANDS:
        seconds = median([sys.executable, "-m", "evalkit.cli", *command])
        print(f"{seconds:7.3f} {seconds - empty:17.3f}  evalkit {' '.join(command)}")


def median(command: list[str]) -> float:
    """Median wall seconds of a command."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()
