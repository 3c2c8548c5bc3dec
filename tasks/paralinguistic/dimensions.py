"""The eleven dimensions that the benchmark asks about."""

from collections.abc import Mapping

DIMENSIONS: Mapping[str, str] = {
    "gender": "Gender",
    "age": "Age",
    "voice_tone": "Timbre",
    "scene": "Scenario",
    "event": "Event",
    "emotions": "Emotion",
    "pitch": "Pitch",
    "rhythm": "Rhythm",
    "speed": "Speed",
    "voice_styles": "Style",
    "vocalsound": "Vocal",
}
"""For each folder (or split) of the data set its column in published tables, in their order."""

FOLDERS: Mapping[str, str] = {column: folder for folder, column in DIMENSIONS.items()}
"""For each column of published tables its folder, by which the judge's prompts are named."""
