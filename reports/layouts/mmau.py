"""MMAU (v05.15.25 test-mini): accuracy over all questions and over those about sound, speech and music."""

from reports.layouts.parts import parts_layout

MMAU = parts_layout(
    "mmau",
    "Audio understanding and reasoning (MMAU)",
    ("Accuracy in per cent; higher is better. Avg.: over all questions.",),
    group="task",
    labels={"sound": "Sound", "speech": "Speech", "music": "Music"},
)
