"""``evalkit judge``: put a run's answers to another judge, and say how far the two agree."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.allow import add_allow
from evalkit.cli.catalogue import Folders
from evalkit.cli.main import EXIT_FOUND_FAULT
from evalkit.cli.output import check_file, write_file, write_json
from evalkit.cli.run_argument import single_run_argument
from evalkit.cli.summary import summary
from evalkit.errors import StoreError
from evalkit.printable import printable
from evalkit.results.judges import JudgesCompared, compare_judges
from evalkit.results.usage import usage_lines
from evalkit.run.judging import JudgedAgain, judge_again
from evalkit.run.stored import read_stored_config, stored_statistics


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Ask the other judge, print what it makes of the answers, and return 1 if samples failed."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.samples < 0:
        parser.error("--samples must be at least 0")
    for file in filter(None, (options.markdown, options.json)):
        check_file(file)
    judged = judge_again(options.run, options.words, folders, options.allow)
    results = judged.evaluation.results
    print(printable(summary(results), lines=True))
    if lines := usage_lines(judged.evaluation.usage, judged.evaluation.busy):
        print("Judges, over all sessions", *lines, sep="\n")
    comparisons = _comparisons(judged)
    for each in comparisons:
        print("", printable(each.to_markdown(options.samples), lines=True), sep="\n")
    if options.markdown:
        write_file(options.markdown, "\n\n".join(each.to_markdown() for each in comparisons) + "\n")
    if options.json:
        write_json(options.json, [each.to_json() for each in comparisons])
    print(f"\nRun folder: {results.folder}\nThe same command continues it, and asks nothing twice")
    return EXIT_FOUND_FAULT if results.failed_samples else 0


def _comparisons(judged: JudgedAgain) -> list[JudgesCompared]:
    """Compare the judges of each role, by the intervals that the run's own configuration asks for."""
    results = judged.evaluation.results
    if results.folder is None:
        raise StoreError(f"{results.name}: has no folder")
    settings = stored_statistics(read_stored_config(results.folder), results.folder)
    return [compare_judges(judged.before, results, role, settings) for role in judged.roles]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evalkit judge",
        description="Put the stored answers of a run to another judge. The model under test and the transcriber are "
        "not asked and not loaded: what they answered is copied into a run of its own, RUN-judge-NAME beside RUN, "
        "which can be scored, reported and compared like any other. Prints how far the two judges agree. "
        "Exits 1 if replies failed or could not be read.",
        epilog="example: evalkit judge runs/step_audio_2-uro_bench model@judge=openai_chat judge.model=NAME",
    )
    parser.add_argument("run", type=single_run_argument, metavar="RUN", help="run folder that has the answers")
    parser.add_argument(
        "words",
        nargs="+",
        metavar="KEY=VALUE",
        help="model@judge=NAME and settings of that model (judge.KEY=VALUE), as of `evalkit run`; any role but the "
        "model's can be filled anew. Also name=, runs=, fresh=, limit=, max_failures=, budget.*, cache.*, "
        "statistics.* and executor.*",
    )
    parser.add_argument(
        "--samples", type=int, default=5, metavar="N", help="print so many disagreements (default: %(default)s)"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the agreement as Markdown, all samples")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the agreement as JSON, all samples")
    add_allow(parser)
    return parser
