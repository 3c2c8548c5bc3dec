"""StepEval-Audio-Paralinguistic: accuracy over all questions and over those of each of the eleven dimensions."""

from reports.layouts.parts import parts_layout

PARALINGUISTIC = parts_layout(
    "paralinguistic",
    "Paralinguistic information understanding (StepEval-Audio-Paralinguistic)",
    (
        "Accuracy in per cent, as a judge accepts the answers; higher is better. "
        "Avg.: over all questions, of which every dimension has as many.",
    ),
    group="dimension",
    across="Dimension",
)
