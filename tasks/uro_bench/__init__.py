"""URO-Bench: forty subsets that try a spoken dialogue model's understanding, reasoning and oral conversation."""

from tasks.uro_bench.data import UroBenchSubset
from tasks.uro_bench.judged import JudgedAnswers, JudgedDialogues, JudgedSpeech
from tasks.uro_bench.measured import EmotionGeneration, Repetition

__all__ = [
    "EmotionGeneration",
    "JudgedAnswers",
    "JudgedDialogues",
    "JudgedSpeech",
    "Repetition",
    "UroBenchSubset",
]
