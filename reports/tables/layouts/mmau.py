"""MMAU (v05.15.25 test-mini): accuracy over all questions and over those about sound, speech and music."""

from reports.tables.layouts.parts import PartsLayout

MMAU = PartsLayout(
    name="mmau",
    published="mmau",
    title="Audio understanding and reasoning (MMAU)",
    notes=("Accuracy in per cent; higher is better. Avg.: over all questions.",),
    group="task",
    labels={"sound": "Sound", "speech": "Speech", "music": "Music"},
)
