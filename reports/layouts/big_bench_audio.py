"""Big Bench Audio: one column."""

from reports.layouts.parts import parts_layout

BIG_BENCH_AUDIO = parts_layout(
    "big_bench_audio",
    "Big Bench Audio",
    ("Accuracy in per cent, as a judge accepts the answers; higher is better.",),
    whole="Big Bench Audio",
    headings={"Big Bench Audio": "Accuracy"},
    across="Metric",
)
