"""StepEval-Audio-Paralinguistic: accuracy over all questions and over those of each of the eleven dimensions."""

from reports.tables.layouts.parts import PartsLayout

PARALINGUISTIC = PartsLayout(
    name="paralinguistic",
    published="paralinguistic",
    title="Paralinguistic information understanding (StepEval-Audio-Paralinguistic)",
    notes=(
        "Accuracy in per cent, as a judge accepts the answers; higher is better. "
        "Avg.: over all questions, of which every dimension has as many.",
    ),
    group="dimension",
    across="Dimension",
)
