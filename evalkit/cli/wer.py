"""``evalkit wer``: the error rate between two text files. No audio, no model and no run."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.text_files import read_texts
from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.error_rate import ALIGNMENTS, error_rate, error_rate_metric

_SHOWN_IDS = 3
_DESCRIPTION = """\
Compare what was recognised with what was said: the error rate over all texts, with its interval.

A file's ending says what it is: .trn, the words and then the id in parentheses; .ctm, a word with its recording and
time on each line, all words of a recording being a text; .tsv and .csv, a table with a heading that names the columns
id and text; .jsonl, an object with an id and a text on each line. Any other file holds one text
a line, the same line of both files together; with --ids each line begins with an id, as in Kaldi's text files. Texts
with ids belong together by these, in whatever order.
"""


def command(arguments: Sequence[str]) -> int:
    """Print the error rate."""
    parser = argparse.ArgumentParser(
        prog="evalkit wer", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reference", type=Path, metavar="REF", help="what was said")
    parser.add_argument("hypothesis", type=Path, metavar="HYP", help="what was recognised")
    parser.add_argument("--language", default="en", help="whose rules to apply, such as en, zh (default: %(default)s)")
    parser.add_argument("--scheme", default="default", help="normalisation scheme (default: %(default)s)")
    parser.add_argument(
        "--alignment",
        choices=tuple(ALIGNMENTS),
        default="levenshtein",
        help="in which errors are counted; sclite's takes a substitution for 4 and a gap for 3 (default: %(default)s)",
    )
    parser.add_argument("--ids", action="store_true", help="lines of text begin with an id")
    parser.add_argument("--level", type=float, default=0.95, help="of the interval (default: %(default)s)")
    options = parser.parse_args(arguments)
    if not 0 < options.level < 1:
        parser.error("--level must lie between 0 and 1")
    references = read_texts(options.reference, ids=options.ids)
    hypotheses = read_texts(options.hypothesis, ids=options.ids)
    _check_pairs(options.reference, references, options.hypothesis, hypotheses)
    texts = list(references.values()), [hypotheses[key] for key in references]
    rate = error_rate(*texts, options.language, options.scheme, options.alignment)
    metric = error_rate_metric(rate.scheme, rate.alignment)
    if not rate.reference_length:
        raise DataError(f"{options.reference}: no {rate.scheme.unit} is left to measure against")
    low, high = rate.confidence_interval(options.level)
    aligned = f", alignment {rate.alignment}" if "alignment" in metric.recipe else ""
    how = f"normaliser {metric.recipe['normaliser']}, unit {metric.recipe['unit']}{aligned}"
    print(
        f"{metric.name} {100 * rate.value:.2f} % [{100 * low:.2f}, {100 * high:.2f}]\n"
        f"{rate.substitutions:,} substitutions, {rate.deletions:,} deletions, {rate.insertions:,} insertions, "
        f"{rate.reference_length:,} reference units in {len(references):,} texts\n"
        f"{how}, {100 * options.level:g} % interval from the bootstrap over texts"
    )
    return 0


def _check_pairs(
    reference_path: Path, references: dict[str, str], hypothesis_path: Path, hypotheses: dict[str, str]
) -> None:
    """Refuse two files that do not hold the same texts.

    Raises:
        ConfigurationError: one holds texts, by number of line or by id, that the other lacks.
    """
    for path, lacking, other in (
        (hypothesis_path, references.keys() - hypotheses.keys(), reference_path),
        (reference_path, hypotheses.keys() - references.keys(), hypothesis_path),
    ):
        if lacking:
            shown = ", ".join(sorted(lacking)[:_SHOWN_IDS]) + (", …" if len(lacking) > _SHOWN_IDS else "")
            raise ConfigurationError(f"{path}: lacks {len(lacking):,} of the texts of {other} ({shown})")
