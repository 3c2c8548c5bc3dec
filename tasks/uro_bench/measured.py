"""Subsets that are scored without a judge: repeating what was said, and speaking with an emotion."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from evalkit.chain import Chain
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.types import Failure, Sample
from tasks.steps import bare_recording
from tasks.uro_bench.marks import (
    emotion_score,
    read_probability,
    repetition,
)
from tasks.uro_bench.rates import SCHEME, error_rate_of_pair
from tasks.uro_bench.task import SpokenConversations


class Repetition(SpokenConversations):
    """Repeat the user's words: the share of answers that do, times one minus their mean error rate.

    An answer repeats if its error rate is at most 0.5. The rate takes the answer for the truth, as the original does.
    """

    modes = frozenset({"wer"})
    _nothing: ClassVar[Sequence[float]] = (0.0, 0.0, 1.0)

    def chain(self, sample: Sample) -> Chain:
        """Speak with the model, then measure what it said."""
        rounds = yield from self._rounds(sample)
        rate = error_rate_of_pair(rounds[0].text, sample.references[0], self._language)
        return self._scored(repetition(rate), rounds, judgement=f"error rate {rate:.4f}")

    def _lack(self, sample: Sample) -> str | None:
        return None if len(sample.audio) == 1 else f"has {len(sample.audio)} rounds"

    def _score_metrics(self) -> Mapping[str, Metric]:
        statistics = ("repeated", "rate", "samples")
        recipe = {"averaging": "sample", **self._recipe, "normaliser": SCHEME, "truth": "answer"}
        rate = "CER" if self._language == "zh" else "WER"
        return {
            "score": Metric("Score", statistics, "repetition_score", True, recipe, unit=""),
            "repeated": Metric("Repeated", statistics, "repetition_share", True, recipe),
            "error_rate": Metric(f"{rate} of repetitions", statistics, "repetition_error_rate", False, recipe),
        }


class EmotionGeneration(SpokenConversations):
    """Say a sentence with an emotion: how probable the emotion is to a classifier, times one minus the error rate.

    The classifier has the role ``emotion_classifier``, emotion2vec_plus_large in the original; its reply is a JSON
    object of probabilities by label. If it cannot be read, the sample fails and is worth 0. The error rate takes the
    answer for the truth, as the original does, and counts as 1 at most.
    """

    modes = frozenset({"ge"})
    assessor = "emotion_classifier"
    judges_sound = True
    _nothing: ClassVar[Sequence[float]] = (0.0, 1.0)

    def chain(self, sample: Sample) -> Chain:
        """Speak with the model, then measure what it said."""
        rounds = yield from self._rounds(sample)
        speech, emotion = rounds[0].speech, sample.groups["emotion"]
        if speech is None:
            return self._scored(self._nothing, rounds, judgement="nothing was said")
        reply = yield from bare_recording("emotion_classifier", speech)
        probability = read_probability(reply, emotion)
        if probability is None:
            message = f"the emotion classifier's reply gives no probability of {emotion!r}: {reply!r}"
            failure = Failure("unreadable_reply", message)
            return self._scored(self._nothing, rounds, failure=failure)
        rate = error_rate_of_pair(rounds[0].text, sample.references[0], self._language)
        judgement = f"{emotion} {probability:.4f}, error rate {rate:.4f}"
        return self._scored((emotion_score(probability, rate), 1.0), rounds, judgement=judgement)

    def _lack(self, sample: Sample) -> str | None:
        if len(sample.audio) != 1:
            return f"has {len(sample.audio)} rounds"
        return None if "emotion" in sample.groups else "has no emotion"

    def _score_metrics(self) -> Mapping[str, Metric]:
        recipe = {"averaging": "sample", **self._recipe, "normaliser": SCHEME, "truth": "answer"}
        return {"score": mean_metric("Score", statistics=("score", "samples"), recipe=recipe, unit="")}
