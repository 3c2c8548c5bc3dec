"""What the benchmark asks about: its eleven dimensions, and how a judge is asked about each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class JudgePrompts:
    """The questions to a judge.

    Attributes:
        version: names the whole set of them.
        by_column: for each column of published tables its question, with ``{text1}`` for the reference answer and
            ``{text2}`` for the model's.
    """

    version: str
    by_column: Mapping[str, str]

    def question(self, column: str, reference: str, answer: str) -> str:
        """What a judge is asked about one answer; braces inside the two texts mean nothing."""
        return self.by_column[column].format(text1=reference, text2=answer)


def load_judge_prompts() -> JudgePrompts:
    """The benchmark's own prompts, which lie beside this file."""
    import yaml

    content = yaml.safe_load(Path(__file__).with_name("judge_prompts.yaml").read_text(encoding="utf-8"))
    return JudgePrompts(
        content["version"], {column: content["prompts"][folder] for folder, column in DIMENSIONS.items()}
    )


def read_reply(reply: str) -> float | None:
    """1 for yes, 0 for no, None for anything else: the prompts ask for the bare word."""
    return {"yes": 1.0, "no": 0.0}.get(reply.strip().lower())
