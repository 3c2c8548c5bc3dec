"""Asked for another voice, does the model speak in it from then on?"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Unpack

from evalkit.audio import Audio
from evalkit.chain import Chain, Score
from evalkit.errors import ConfigurationError
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.types import Failure, Sample
from tasks.steps import LoopRound, bare_recording
from tasks.tool_loop.loop import LoopSettings, ToolLoop, arguments_of, names_of, told, uses_of

Embedding = tuple[float, ...]


class VoiceChange(ToolLoop):
    """Speak, change the voice when asked to, and speak again.

    A model in the role ``speaker_encoder`` replies to a recording with a vector of numbers as JSON, by which the voices
    of two recordings are compared (cosine similarity). The voice has changed if what the model says last is more like
    the voice that was asked for than like its own before. Whether the encoder can tell voices apart at all is measured
    beside: a second recording of the voice that was asked for must be more like the first than the model's own voice
    before is. Where that is not so for nearly all samples, the other figures mean nothing.

    A call is right if the voice is asked for by one of the words that stand for it. A model that does not speak has not
    changed its voice, and nothing is compared.

    Args:
        **settings: see ``ToolLoop``; the samples are those of the kind ``voices``.

    Raises:
        ConfigurationError: the model is not to speak.
    """

    roles = ("model", "tools", "speaker_encoder")
    compared = ("voice_changed", "similarity_rise", "call_accuracy")
    details = ("calls", "similarities")

    def __init__(self, **settings: Unpack[LoopSettings]) -> None:
        super().__init__(**settings)
        if self._answer_mode != "speech":
            raise ConfigurationError(f"task {self.name}: it is the sound that is compared; answer_mode must be speech")
        self.metrics: Mapping[str, Metric] = {
            "voice_changed": mean_metric("Voice changed", statistics=("changed", "samples"), recipe=self._recipe),
            "target_similarity": _similarity("Similarity to the voice asked for", self._recipe),
            "similarity_rise": _similarity("Rise of that similarity by the change", self._recipe),
            "call_accuracy": mean_metric("Right calls", statistics=("right_calls", "samples"), recipe=self._recipe),
            "encoder_check": mean_metric(
                "Encoder tells the voices apart", statistics=("apart", "compared"), recipe=self._recipe
            ),
        }

    def chain(self, sample: Sample) -> Chain:
        """Have the conversation, then compare voices."""
        turns = yield from self._turns(sample)
        before, after = _speech(turns[0]), _speech(turns[-1])
        if before is None or after is None:
            return self._score(sample, turns)
        target, control = sample.audio[len(turns) :]
        embeddings: list[Embedding] = []
        for recording in (after, before, target, control):
            reply = yield from bare_recording("speaker_encoder", recording)
            embedding = read_embedding(reply)
            if embedding is None or (embeddings and len(embedding) != len(embeddings[0])):
                message = f"the speaker encoder's reply is no vector like the others: {reply[:100]!r}"
                return self._score(sample, turns, failure=Failure("unreadable_reply", message))
            embeddings.append(embedding)
        return self._score(sample, turns, embeddings)

    def unanswered(self, sample: Sample) -> Score:
        """Score no answer as no change."""
        return self._score(sample, ())

    def _score(
        self,
        sample: Sample,
        turns: Sequence[Sequence[LoopRound]],
        embeddings: Sequence[Embedding] = (),
        failure: Failure | None = None,
    ) -> Score:
        uses = uses_of(turns[-1]) if turns else []
        asked = [arguments_of(use.call) for use in uses if use.call.name in names_of(sample.metadata["tool"])]
        right_call = any(word in query for query in asked for word in sample.metadata["evidence"])
        statistics = dict.fromkeys(self.metrics, (0.0, 0.0))
        statistics |= {"voice_changed": (0.0, 1.0), "call_accuracy": (float(right_call), 1.0)}
        similarities = ""
        if embeddings:
            after, before, target, control = embeddings
            to_target, to_before = cosine(after, target), cosine(after, before)
            earlier, of_control = cosine(before, target), cosine(control, target)
            statistics |= {
                "voice_changed": (float(to_target > to_before), 1.0),
                "target_similarity": (to_target, 1.0),
                "similarity_rise": (to_target - earlier, 1.0),
                "encoder_check": (float(of_control > earlier), 1.0),
            }
            similarities = (
                f"to the voice asked for {to_target:.3f}, before the change {earlier:.3f}; to the voice before "
                f"{to_before:.3f}; of two recordings of the voice asked for {of_control:.3f}"
            )
        return Score(statistics, {"calls": told(uses)["calls"], "similarities": similarities}, failure=failure)


def read_embedding(reply: str) -> Embedding | None:
    """Return the vector that a speaker encoder replies with, or None if it is not one of finite numbers, not all 0."""
    try:
        values = json.loads(reply)
        is_vector = isinstance(values, list) and all(type(value) in (int, float) for value in values)
        vector = tuple(map(float, values)) if is_vector else ()
    except (ValueError, OverflowError, RecursionError):
        return None
    return vector if any(vector) and all(map(math.isfinite, vector)) else None


def cosine(one: Embedding, other: Embedding) -> float:
    """Return the cosine of the angle between two vectors, neither of which is 0.

    >>> cosine((3.0, 4.0), (4.0, 3.0))
    0.96
    """
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other))


def _speech(rounds: Sequence[LoopRound]) -> Audio | None:
    """Return what was said last in a turn."""
    return next((each.answer.speech for each in reversed(rounds) if each.answer.speech is not None), None)


def _similarity(name: str, recipe: Mapping[str, str]) -> Metric:
    return mean_metric(name, statistics=("similarity", "compared"), recipe=recipe, unit="", scale=1, decimals=3)
