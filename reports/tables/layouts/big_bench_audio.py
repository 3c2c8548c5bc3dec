"""Big Bench Audio: one column."""

from reports.tables.layouts.parts import PartsLayout

BIG_BENCH_AUDIO = PartsLayout(
    name="big_bench_audio",
    published="big_bench_audio",
    title="Big Bench Audio",
    notes=("Accuracy in per cent, as a judge accepts the answers; higher is better.",),
    whole="Big Bench Audio",
    headings={"Big Bench Audio": "Accuracy"},
    across="Metric",
)
