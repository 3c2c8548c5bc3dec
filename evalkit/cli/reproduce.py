"""``evalkit reproduce``: a model's published figures against what is measured, with a verdict on each."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cli.catalogue import Folders, read_options
from evalkit.cli.estimate import Estimate, estimate
from evalkit.cli.estimate_output import estimate_text
from evalkit.cli.main import EXIT_ERROR, EXIT_FOUND_FAULT
from evalkit.cli.output import check_folder, replace_file
from evalkit.cli.plan import add_probe_option
from evalkit.cli.report import usual_output
from evalkit.cli.run_argument import run_argument
from evalkit.errors import ConfigurationError
from evalkit.place import TablePlace
from evalkit.printable import printable
from evalkit.results.metrics_file import RunResult
from evalkit.results.repeated import read_results
from evalkit.results.usage import usage_lines
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be reproduced.

    Attributes:
        options: of the command line.
        figures: of a table of the user's own; None for those that evalkit knows.
        tasks: that there are.
        folders: of further configurations.
    """

    options: argparse.Namespace
    figures: "Sequence[PublishedFigure] | None"
    tasks: "Sequence[KnownTask]"
    folders: Folders


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Run what is missing, print and write the verdicts, and return the exit status that they make."""
    from reports.published import read_published

    options = _parser().parse_intermixed_args(arguments)
    figures = read_published(options.published_table) if options.published_table else None
    asked = _Asked(options, figures, _known_tasks(folders), folders)
    return _judge_runs(asked) if options.runs else _run_and_judge(asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evalkit reproduce",
        usage="evalkit reproduce MODEL [suite=NAME|task=NAME] [override ...] [--within X] [--dry-run] [--probe N]\n"
        "       evalkit reproduce [MODEL] --from RUN [RUN ...] [--published NAME] [--within X]",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="MODEL override", help="a model, and words as of `evalkit run`")
    parser.add_argument(
        "--from",
        dest="runs",
        nargs="+",
        type=run_argument,
        metavar="RUN",
        help="judge these finished runs, or repeated ones",
    )
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
        margin = Decimal("nan")
    if not margin.is_finite() or margin <= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
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


def _judge_runs(asked: _Asked) -> int:
    """Judge runs that are finished."""
    options = asked.options
    runs = [read_results(folder) for folder in options.runs]
    titles = list(dict.fromkeys(run.model for run in runs))
    if len(titles) > 1:
        raise ConfigurationError(f"--from: runs of several models ({', '.join(titles)}); give those of one")
    model, words = _model_of(options.words)
    return _judged(asked, _published_name(asked, model, words, titles[0]), runs, options.runs)


def _run_and_judge(asked: _Asked) -> int:
    """Run what is published of a model, and judge it."""
    from reports.reproduction.rows import published_figures
    from reports.reproduction.tasks import tasks_of

    model, words = _model_of(asked.options.words)
    if not model:
        raise ConfigurationError("name a model, as `evalkit reproduce MODEL`, or finished runs with --from")
    name = _published_name(asked, model, words)
    published = published_figures(name, asked.figures)
    wanted = dict.fromkeys(task.name for figure in published for task in tasks_of(figure, asked.tasks))
    composition = compose_run(_run_words(model, words, list(wanted)), asked.folders)
    with in_our_words():
        plan = plan_from_config(composition.config, composition.choices)
        if (shard := plan.selection.shard) is not None:
            raise ConfigurationError(
                f"shard={shard}: a share has no figures to judge; `evalkit run` all shards, `evalkit merge` them, and "
                "give the run to `evalkit reproduce --from`"
            )
        found = estimate(plan, composition.config, asked.options.probe)
        print(printable(estimate_text(found), lines=True))
        print(f"Published of {printable(name)}: {len(published):,} figures", flush=True)
        if asked.options.dry_run:
            return 0 if found.can_begin else EXIT_ERROR
        if not found.can_begin:
            return _judged(asked, name, [_nothing(plan, found)])
        evaluation = evaluate(plan)
    if lines := usage_lines(evaluation.usage, evaluation.busy):
        print("Models, over all sessions of this run", *lines, sep="\n")
    return _judged(asked, name, [evaluation.results], [plan.folder])


def _model_of(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the model, which is given as a bare name or as ``model=NAME``, and the other words."""
    bare = [word for word in words if "=" not in word and not word.startswith("~")]
    if len(bare) > 1:
        raise ConfigurationError(f"name one model, not {', '.join(bare)}; other words are of the form SETTING=VALUE")
    given = [word.partition("=")[2] for word in words if word.startswith("model=")]
    others = [word for word in words if word not in bare and not word.startswith("model=")]
    return next(iter([*bare, *given]), ""), others


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


def _published_name(asked: _Asked, model: str, words: Sequence[str], title: str = "") -> str:
    """Return what published tables call a model.

    Args:
        asked: which may say so.
        model: whose configuration may say so; empty if it is not known.
        words: of the command line, which may change its settings.
        title: of the model, where its configuration is not at hand.
    """
    from reports.published import load_published

    figures = load_published() if asked.figures is None else asked.figures
    known = dict.fromkeys(figure.model for figure in figures)
    if asked.options.published:
        return str(asked.options.published)
    if len(known) == 1:
        return next(iter(known))
    names = [title]
    if model:
        own = [word for word in words if word.lstrip("+").startswith("model.")]
        config = compose_run([f"model={model}", *own], asked.folders).config.model
        names = [str(config.get("published") or ""), title, str(config.get("title") or model)]
    for name in names:
        if name in known:
            return name
    shown = f"there are: {', '.join(known)}" if asked.figures is not None else "`evalkit list published` shows them"
    raise ConfigurationError(f"nothing says what published tables call '{names[-1]}': give --published NAME ({shown})")


def _nothing(plan: Plan, found: Estimate) -> RunResult:
    """Return the result of a run of which no task could be carried out."""
    reasons = {task.name: task.reason for task in found.tasks}
    return RunResult(plan.name, plan.model_name, plan.models["model"].title, __version__, {}, left_out=reasons)


def _judged(asked: _Asked, name: str, runs: Sequence[RunResult], folders: Sequence[Path] = ()) -> int:
    """Print the verdicts, write them if there are folders of runs, and return the exit status that they make."""
    from reports.reproduction.render import render_markdown
    from reports.reproduction.rows import published_figures, reproduction

    figures = published_figures(name, asked.figures)
    judged = reproduction(runs, figures, asked.tasks, asked.options.within)
    print(printable(render_markdown(judged), lines=True))
    if folders:
        output = asked.options.output or usual_output(folders)
        count = _write(asked, judged, name, folders, output)
        print(f"{count} files written to {output}; open {output / 'index.html'} and {output / 'reproduction.md'}")
    counts = judged.counts
    if counts["differs"]:
        return EXIT_FOUND_FAULT
    if not counts["reproduced"]:
        print("evalkit: no published figure could be judged; the lines above say why", file=sys.stderr)
        return EXIT_ERROR
    return 0


def _write(asked: _Asked, judged: "Reproduction", name: str, folders: Sequence[Path], output: Path) -> int:
    """Write the verdicts beside the report of the runs, and return how many files there are."""
    from reports.reproduction.render import render_csv, render_json, render_markdown
    from reports.write import write_report

    check_folder(output)
    report = write_report(folders, published=[name], output_folder=output, figures=asked.figures)
    texts = {"md": render_markdown(judged), "csv": render_csv(judged), "json": render_json(judged)}
    for extension, text in texts.items():
        replace_file(output / f"reproduction.{extension}", printable(text, lines=True))
    return len(report.files) + len(texts)
