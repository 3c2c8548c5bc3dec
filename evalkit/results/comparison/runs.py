"""One run against another, task by task and average by average, or several against one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.results.compared import ComparedMetric, Comparison, Correction
from evalkit.results.comparison.pair import RunPair
from evalkit.results.comparison.settings import AUTO, NONE, ComparisonSettings, OtherTestName
from evalkit.results.comparison.verdicts import with_verdicts
from evalkit.results.metrics_file import RunResult
from evalkit.results.repeated import read_results


def compare_runs(
    base: RunResult | str | Path,
    new: RunResult | str | Path,
    *more: RunResult | str | Path,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    cluster: str = AUTO,
    minimum: float | None = None,
    correction: Correction = "holm",
    tests: Sequence[OtherTestName] = (),
    only: Sequence[str] = (),
    samples: int = 10,
) -> Comparison:
    """Compare runs with a baseline.

    Args:
        base: the baseline, or its folder; as of every run, also a folder of repeated runs, whose mean is compared.
        new: what is to be judged against it, or its folder.
        *more: further runs to judge against it. The p-values of all runs are corrected together.
        level: confidence level of the intervals and of the verdicts.
        resamples: of each bootstrap and each randomisation test.
        seed: of both.
        cluster: what is drawn and exchanged: ``auto``, what the runs' own intervals were drawn of; ``none``, single
            samples; or a field of the samples such as ``speaker``, in the tasks whose samples have it.
        minimum: the difference that matters, in the unit that is printed: figures whose interval lies within plus and
            minus it are equivalent. None: any difference matters.
        correction: of the p-values over all figures: ``holm``, after which any false alarm among them is improbable, or
            ``bh`` (Benjamini and Hochberg), after which few of the alarms are false.
        tests: tests of others, whose p-values are given beside our own: ``mapsswe`` for word error rates, ``mcnemar``
            for accuracies.
        only: names of tasks and averages, to look at no others.
        samples: how many of the samples that changed are listed either way.

    Raises:
        StoreError: a folder is not that of a run, or is damaged.
        ConfigurationError: a setting is out of range or unknown, or names what no run has.
    """
    settings = ComparisonSettings(
        level, resamples, seed, cluster, minimum, correction, tuple(tests), tuple(only), samples
    )
    first, *others = [run if isinstance(run, RunResult) else read_results(run) for run in (base, new, *more)]
    judged = _told_apart(others)
    _check_names(settings.only, [first, *judged])
    rows = [row for run in judged for row in RunPair(first, run, settings).rows()]
    _check_field(settings.cluster, rows, [first, *judged])
    return Comparison(
        base=first.name,
        runs=[run.name for run in judged],
        level=level,
        metrics=with_verdicts(rows, 1 - level, correction, minimum),
        minimum=minimum,
        correction=correction,
        remarks=list(_remarks([first, *judged])),
    )


def _remarks(runs: Sequence[RunResult]) -> Iterator[str]:
    for run in runs:
        if run.unfinished:
            yield f"{run.name} is not finished: without {', '.join(run.unfinished)}"
    for run in runs:
        if run.repetitions:
            yield (
                f"{run.name} is the mean of {len(run.repetitions)} runs: intervals and p-values hold the choice of "
                "runs too, by Student's t; answers are shown of the first, and other tests are not made"
            )


def _told_apart(runs: Sequence[RunResult]) -> list[RunResult]:
    """Return the runs under different names: those of one name with their folders, or else by number."""
    names = [run.name for run in runs]
    told = [
        replace(run, name=f"{run.name} ({run.folder or number})") if names.count(run.name) > 1 else run
        for number, run in enumerate(runs, start=1)
    ]
    if len({run.name for run in told}) < len(told):
        raise ConfigurationError(f"a run is named twice ({', '.join(names)}); name each once")
    return told


def _check_names(only: Sequence[str], runs: Sequence[RunResult]) -> None:
    known = dict.fromkeys(name for run in runs for name in (*run.tasks, *run.aggregates))
    for name in only:
        if name not in known:
            raise ConfigurationError(f"no run has '{name}'{hint(name, known)} (there are {', '.join(known) or 'none'})")


def _check_field(cluster: str, rows: Sequence[ComparedMetric], runs: Sequence[RunResult]) -> None:
    """Refuse a field by which no samples of any task could be drawn."""
    if cluster in (AUTO, NONE) or any(row.resampled == cluster for row in rows) or not any(row.shared for row in rows):
        return
    tasks = [task for run in runs for task in run.tasks.values()]
    known = dict.fromkeys(name for task in tasks for name in (task.resampled, *task.groups))
    raise ConfigurationError(
        f"no sample has a field '{cluster}' to be drawn by{hint(cluster, known)} (there are {', '.join(known)}; "
        f"{AUTO} takes what each task was drawn by, {NONE} draws single samples)"
    )
