"""How long the commands take that a user waits for without having asked for work, and a run beside its work.

Each is a process of its own, several times; printed is the least of what it took. Processor seconds can be compared on
a machine that others use as well. The run asks no model: all that it takes is evalkit's.
"""

import sys
import tempfile

from tests.performance.plain_loop import speech
from tests.performance.processes import compile_checkout, least, measured

RUNS = 5
COMMANDS = (
    ("--help",),
    ("complete", "evalkit run model=whisper"),
    ("list", "models"),
    ("list", "tasks"),
    ("list", "suites"),
    ("list", "published"),
    ("show", "task=librispeech_clean", "model=whisper_tiny_en"),
    ("show", "suite=asr"),
)


def main() -> None:
    """Time each command, beside an interpreter that does nothing."""
    compile_checkout()
    print(f"processor s  wall s  peak MB  command\n{taken([sys.executable, '-c', 'pass'])}  an empty program")
    with tempfile.TemporaryDirectory() as folder:
        data = f"tasks.librispeech_other.dataset.path={speech()}"
        words = ("task=librispeech_other", data, "model=echo", "limit=1")
        run = ("run", *words, f"runs={folder}", "name=run", "fresh=true")
        stored = (("status", f"{folder}/run"), ("report", "--terminal", f"{folder}/run"))
        for command in (*COMMANDS, ("plan", *words), run, *stored):
            shown = " ".join(word for word in command if folder not in word and not word.startswith("tasks."))
            program = "tests.performance.plain_loop" if command is run else "evalkit.cli"  # the one keeps pandas away
            print(f"{taken([sys.executable, '-m', program, *command])}  evalkit {shown}")


def taken(command: list[str]) -> str:
    """Return what a command took, as the columns of a line."""
    took = least([measured(command) for _ in range(RUNS)])
    return f"{took.processor:11.2f} {took.wall:7.2f} {took.megabytes:8.0f}"


if __name__ == "__main__":
    main()
