"""How the numbers of a comparison read, in Markdown and for CI systems alike."""

from evalkit.results.compared import ComparedMetric
from evalkit.results.wording import signed

CORRECTION_NAMES = {"holm": "Holm", "bh": "Benjamini–Hochberg"}
TEST_NAMES = {"mapsswe": "MAPSSWE", "mcnemar": "McNemar's exact test"}


def p_text(p_value: float | None) -> str:
    """Return a p-value; empty if there is none."""
    return "" if p_value is None else f"{p_value:.4f}"


def drawn_text(row: ComparedMetric) -> str:
    """Say over what a figure was compared: ``2,620 samples``, ``40 speakers (2,620 samples)``."""
    samples = counted(row.shared, "sample")
    if row.shared < max(row.base_samples, row.new_samples):
        samples = f"{row.shared:,} of {row.base_samples:,} and {row.new_samples:,} samples"
    return samples if row.resampled == "sample" else f"{counted(row.drawn, row.resampled)} ({samples})"


def counted(number: int, what: str) -> str:
    """Return a number of things, such as ``40 speakers``."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def verdict_text(row: ComparedMetric, minimum: float | None) -> str:
    """Return the verdict in words: ``equivalent within ±0.3``."""
    if row.verdict != "equivalent" or minimum is None:
        return row.verdict
    return f"equivalent within ±{minimum:g}"


def reason_text(row: ComparedMetric) -> str:
    """Say why there is this verdict, and what would settle it."""
    settled = ""
    if row.needed is not None and row.difference is not None:
        settled = (
            f"about {counted(row.needed, row.resampled)} in all would settle {signed(row.difference, row.decimals)}"
        )
    return "; ".join(filter(None, (row.reason, settled)))


def name_text(row: ComparedMetric) -> str:
    """Return the metric with its unit."""
    return f"{row.metric} ({row.unit})" if row.unit else row.metric
