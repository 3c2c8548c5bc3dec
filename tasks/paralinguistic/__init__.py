"""StepEval-Audio-Paralinguistic: spoken questions about how something is said, answered in speech."""

from tasks.paralinguistic.dimensions import DIMENSIONS
from tasks.paralinguistic.folders import DimensionFolders, open_questions
from tasks.paralinguistic.task import ParalinguisticQuestions

__all__ = ["DIMENSIONS", "DimensionFolders", "ParalinguisticQuestions", "open_questions"]
