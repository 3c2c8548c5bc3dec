"""``evalkit reproduce``: a model's published figures against what is measured, with a verdict on each."""

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.catalogue import Folders, read_options
from evalkit.cli.estimate import Estimate, estimate
from evalkit.cli.estimate_output import estimate_text
from evalkit.cli.main import EXIT_ERROR, EXIT_FOUND_FAULT
from evalkit.cli.output import check_folder, write_file
from evalkit.cli.plan import add_probe_option
from evalkit.cli.report import usual_output
from evalkit.errors import ConfigurationError
from evalkit.place import TablePlace
from evalkit.printable import printable
from evalkit.results.metrics_file import RunResult, read_run
from evalkit.run.composition import compose_run
from evalkit.run.evaluate import evaluate
from evalkit.run.explanation import in_our_words
from evalkit.run.plan import Plan, plan_from_config
from evalkit.version import __version__

if TYPE_CHECKING:
    from reports.published import PublishedFigure
    from reports.reproduction.rows import Reproduction
    from reports.reproduction.tasks import KnownTask

_DESCRIPTION = """\
Run a model on the test sets for which figures of it are published, and say of each figure whether it is reproduced:
reproduced, differs, cannot tell, or not run, and why. With --from, finished runs are judged and nothing is run.

Exits 0 if figures are reproduced and none differs, 1 if one differs, 2 if none could be judged or on an error."""
_DEFAULTS = {"missing_data": "skip", "missing_roles": "skip"}


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Run what is missing, print and write the verdicts, and return the exit status that they make."""
    from reports.published import read_published

    options = _parser().parse_intermixed_args(arguments)
    figures = read_published(options.published_table) if options.published_table else None
    tasks = _known_tasks(folders)
    if options.runs:
        return _judge_runs(options, figures, tasks, folders)
    return _run_and_judge(options, figures, tasks, folders)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evalkit reproduce",
        usage="evalkit reproduce MODEL [suite=NAME|task=NAME] [override ...] [--within X] [--dry-run] [--probe N]\n"
        "       evalkit reproduce [MODEL] --from RUN [RUN ...] [--published NAME] [--within X]",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="MODEL override", help="a model, and words as of `evalkit run`")
    parser.add_argument("--from", dest="runs", nargs="+", type=Path, metavar="RUN", help="judge these finished runs")
    parser.add_argument("--published", metavar="NAME", help="what published tables call it, as MODEL or MODEL@RELEASE")
    parser.add_argument("--published-table", type=Path, metavar="FILE", help="a CSV of figures of your own to judge by")
    parser.add_argument(
        "--within", type=_margin, metavar="X", help="the difference that matters, in each figure's unit"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="where to write; default: report/ in the run folder"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what it would take, and stop")
    add_probe_option(parser)
    return parser


def _margin(text: str) -> Decimal:
    try:
        margin = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not margin.is_finite() or margin <= 0:
        raise ValueError(text)
    return margin


def _known_tasks(folders: Folders) -> "list[KnownTask]":
    from reports.reproduction.tasks import KnownTask

    return [
        KnownTask(
            option.name,
            str(option.content.get("title", option.name)),
            TablePlace.from_mapping(f"task {option.name}: place", option.content.get("place")),
        )
        for option in read_options("task", folders)
    ]


def _judge_runs(
    options: argparse.Namespace,
    figures: "Sequence[PublishedFigure] | None",
    tasks: "Sequence[KnownTask]",
    folders: Folders,
) -> int:
    """Judge runs that are finished."""
    runs = [read_run(folder) for folder in options.runs]
    titles = list(dict.fromkeys(run.model for run in runs))
    if len(titles) > 1:
        raise ConfigurationError(f"--from: runs of several models ({', '.join(titles)}); give those of one")
    model, words = _model_of(options.words)
    name = options.published or _only_model(figures)
    if not name:
        name = _published_name(_said(model, words, folders)[0] if model else "", titles[0], figures)
    return _judged(options, options.runs, runs, name, figures, tasks)


def _run_and_judge(
    options: argparse.Namespace,
    figures: "Sequence[PublishedFigure] | None",
    tasks: "Sequence[KnownTask]",
    folders: Folders,
) -> int:
    """Run what is published of a model, and judge it."""
    from reports.reproduction.rows import published_figures
    from reports.reproduction.tasks import tasks_of

    model, words = _model_of(options.words)
    if not model:
        raise ConfigurationError("name a model, as `evalkit reproduce MODEL`, or finished runs with --from")
    name = options.published or _only_model(figures) or _published_name(*_said(model, words, folders), figures)
    wanted = dict.fromkeys(task.name for figure in published_figures(name, figures) for task in tasks_of(figure, tasks))
    composition = compose_run(_run_words(model, words, list(wanted)), folders)
    with in_our_words():
        plan = plan_from_config(composition.config, composition.choices)
        found = estimate(plan, composition.config, options.probe)
        print(printable(estimate_text(found), lines=True), flush=True)
        if options.dry_run:
            return 0 if found.can_begin else EXIT_ERROR
        if not found.can_begin:
            return _judged(options, [], [_nothing(plan, found)], name, figures, tasks)
        run = evaluate(plan).results
    return _judged(options, [plan.folder], [run], name, figures, tasks)


def _model_of(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the model, which is given as a bare name or as ``model=NAME``, and the other words."""
    bare = [word for word in words if "=" not in word and not word.startswith("~")]
    if len(bare) > 1:
        raise ConfigurationError(f"name one model, not {', '.join(bare)}; other words are of the form SETTING=VALUE")
    given = [word.partition("=")[2] for word in words if word.startswith("model=")]
    others = [word for word in words if word not in bare and not word.startswith("model=")]
    return next(iter([*bare, *given]), ""), others


def _said(model: str, words: Sequence[str], folders: Folders) -> tuple[str, str]:
    """Return what a model's configuration says that published tables call it, if it says so, and its title."""
    own = [word for word in words if word.lstrip("+").startswith("model.")]
    config = compose_run([f"model={model}", *own], folders).config.model
    return str(config.get("published") or ""), str(config.get("title") or model)


def _run_words(model: str, words: Sequence[str], tasks: Sequence[str]) -> list[str]:
    """Return the words of ``evalkit run``: the tasks of the published figures, if the user names no others."""
    given = {word.partition("=")[0].lstrip("+") for word in words}
    chosen = list(words)
    if not {"suite", "task"} & given:
        if not tasks:
            raise ConfigurationError("no task measures what is published of this model; name one with task=NAME")
        chosen.append(f"task=[{','.join(tasks)}]")
    defaults = {"name": f"{model}-reproduce", **_DEFAULTS}
    chosen += [f"{key}={value}" for key, value in defaults.items() if key not in given]
    return [f"model={model}", *chosen]


def _only_model(figures: "Sequence[PublishedFigure] | None") -> str:
    """Return the model of a table of somebody's own that is of no other, else nothing."""
    models = {figure.model for figure in figures or ()}
    return models.pop() if len(models) == 1 else ""


def _published_name(said: str, title: str, figures: "Sequence[PublishedFigure] | None") -> str:
    """Return what published tables call a model: as its configuration says, or else as its title."""
    from reports.published import load_published

    known = dict.fromkeys(figure.model for figure in (load_published() if figures is None else figures))
    for name in (said, title):
        if name in known:
            return name
    shown = f"there are: {', '.join(known)}" if figures is not None else "`evalkit list published` shows them"
    raise ConfigurationError(f"nothing says what published tables call '{title}': give --published NAME ({shown})")


def _nothing(plan: Plan, found: Estimate) -> RunResult:
    """Return the result of a run of which no task could be carried out."""
    reasons = {task.name: task.reason for task in found.tasks}
    return RunResult(plan.name, plan.model_name, plan.models["model"].title, __version__, {}, left_out=reasons)


def _judged(
    options: argparse.Namespace,
    run_folders: Sequence[Path],
    runs: Sequence[RunResult],
    name: str,
    figures: "Sequence[PublishedFigure] | None",
    tasks: "Sequence[KnownTask]",
) -> int:
    """Print and write the verdicts, and return the exit status that they make."""
    from reports.reproduction.render import render_markdown
    from reports.reproduction.rows import published_figures, reproduction

    judged = reproduction(runs, published_figures(name, figures), tasks, options.within)
    print(printable(render_markdown(judged), lines=True))
    if run_folders:
        output = options.output or usual_output(run_folders)
        count = _write(judged, run_folders, name, figures, output)
        print(f"{count} files written to {output}; open {output / 'index.html'} and {output / 'reproduction.md'}")
    counts = judged.counts
    if counts["differs"]:
        return EXIT_FOUND_FAULT
    if not counts["reproduced"]:
        print("evalkit: no published figure could be judged; the lines above say why", file=sys.stderr)
        return EXIT_ERROR
    return 0


def _write(
    judged: "Reproduction",
    run_folders: Sequence[Path],
    name: str,
    figures: "Sequence[PublishedFigure] | None",
    output: Path,
) -> int:
    """Write the verdicts beside the report of the runs, and return how many files there are."""
    from reports.reproduction.render import render_csv, render_json, render_markdown
    from reports.write import write_report

    check_folder(output)
    report = write_report(run_folders, published=[name], output_folder=output, figures=figures)
    texts = {"md": render_markdown(judged), "csv": render_csv(judged), "json": render_json(judged)}
    for extension, text in texts.items():
        write_file(output / f"reproduction.{extension}", printable(text, lines=True))
    return len(report.files) + len(texts)
