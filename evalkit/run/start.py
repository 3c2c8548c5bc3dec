"""``evalkit.evaluate``: what the command ``evalkit run`` does, from Python."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from evalkit.errors import ConfigurationError
from evalkit.results.metrics_file import RunResult
from evalkit.results.repeated import join_runs
from evalkit.rooms import taken_room
from evalkit.run.composition import compose_run
from evalkit.run.explanation import in_our_words
from evalkit.run.overrides import quoted
from evalkit.run.repeats import evaluations


def evaluate(
    model: str,
    *,
    suite: str | None = None,
    task: str | Iterable[str] | None = None,
    overrides: Sequence[str] = (),
    config_dirs: Sequence[str | Path] = (),
) -> RunResult:
    """Evaluate a model and return the results; what was answered in an earlier run of the same name is kept.

    ``evaluate("echo", suite="demo", overrides=["limit=1"])`` is ``evalkit run model=echo suite=demo limit=1``.

    Args:
        model: name of a model configuration, such as ``whisper_tiny_en``.
        suite: name of a suite.
        task: name of a task, or several; beside a suite or instead of one.
        overrides: further words of ``evalkit run``, such as ``limit=10`` or ``model@judge=gpt_4o_mini``. Of
            ``repeats=3`` the runs are returned joined: means, with intervals that hold the choice of runs too.
        config_dirs: folders with further configurations, as ``--config-dir`` names them.

    Raises:
        EvalkitError: the run cannot be made as asked, or something stopped it; the message says what to do.
    """
    if taken := taken_room():
        room, place = taken
        raise ConfigurationError(
            f"the package '{room}' of this program ({place}) hides evalkit's own of that name: give it another name, "
            "or use the command `evalkit run`, which finds its own"
        )
    words = [f"model={_choice(model)}"]
    if suite is not None:
        words.append(f"suite={_choice(suite)}")
    if task is not None:
        tasks = [task] if isinstance(task, str) else list(task)
        words.append(f"task=[{','.join(_choice(name) for name in tasks)}]" if len(tasks) != 1 else f"task={tasks[0]}")
    composition = compose_run([*words, *overrides], config_dirs)
    with in_our_words():
        done = [each.results for each in evaluations(composition.config, composition.choices)]
    return done[0] if len(done) == 1 else join_runs(done, str(done[0].name).rpartition("-")[0])


def _choice(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else quoted(name)
