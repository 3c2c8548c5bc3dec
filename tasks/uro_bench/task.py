"""What all subsets of URO-Bench have in common: speaking with a model, and writing down what it said.

The protocol is that of Yan et al., "URO-Bench: A Comprehensive Benchmark for End-to-End Spoken Dialogue Models"
(arXiv 2502.17810), as its code has it (github.com/Ruiqi-Yan/URO-Bench, commit 9e74bc0). A model is spoken to and
answers in speech; a recogniser writes the answers down, in the original whisper-large-v3 without a language hint for
English subsets and paraformer-zh for Chinese ones; then they are scored by the rule of the subset.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack, get_args

from evalkit.audio import Audio
from evalkit.chain import Score
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import check_choice
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.task import CommonSettings, DatasetTask
from evalkit.types import Failure, Response, Sample
from tasks.steps import AnswerMode, Conversation, Step, bare_recording, transcript
from tasks.uro_bench.marks import read_opinion_score
from tasks.uro_bench.rates import SCHEME, error_rate_of_pair
from tasks.uro_bench.subsets import VERSIONS, get_subset

NO_RECORDING = " "
"""What the original writes down for an answer that was not spoken."""

_NOT_COUNTED = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Round:
    """What the model said in one round of a conversation.

    Attributes:
        text: the answer in writing, by which it is scored.
        own_words: what the model says it spoke; empty where it wrote.
        speech: the answer itself, or None where it was written, or nothing was said.
        opinion_score: how natural it sounds, 1 to 5, if a predictor was asked.
        failure: why there is no opinion score although one was asked for, or None.
    """

    text: str
    own_words: str = ""
    speech: Audio | None = None
    opinion_score: float | None = None
    failure: Failure | None = None


class SpokenConversations(DatasetTask):
    """Speak with a model, for one round or several, and score what it says.

    The model hears its earlier rounds as they were: the user's recordings, and its own answers as text and speech.

    Args:
        subset: which one of ``subsets.csv`` it is.
        language: ``en`` or ``zh``, by which answers are transcribed and counted.
        version: of the data, ``v1`` or ``v2``.
        answer_mode: ``speech`` for spoken answers, which the transcriber writes down; ``text`` for written ones.
        rate_naturalness: whether a model in the role ``mos_predictor``, UTMOS in the original, rates each spoken
            answer; its reply is a number.
        **common: see ``DatasetTask``. The data set yields samples as ``UroBenchSubset`` does, the kind of question is
            ``conversation``, and ``expected_samples`` are those of the newest version of the data, as listings say;
            the sizes of other versions are known.

    Raises:
        ConfigurationError: the subset, the version or the mode is unknown, or they do not go together.
    """

    details = ("answer", "judgement")
    modes: ClassVar[frozenset[str]]
    judges_sound: ClassVar[bool] = False
    assessor: ClassVar[str | None] = None  # the role of the model that marks or classifies the answers, if one does
    _nothing: ClassVar[Sequence[float]]  # the headline's statistics of a sample that was not answered

    def __init__(
        self,
        *,
        subset: str,
        language: str,
        version: str = VERSIONS[-1],
        answer_mode: AnswerMode = "speech",
        rate_naturalness: bool = False,
        **common: Unpack[CommonSettings],
    ) -> None:
        name = common["name"]
        self._subset = get_subset(subset)
        size = self._subset.size(version)
        if self._subset.mode not in self.modes:
            modes = ", ".join(sorted(self.modes))
            raise ConfigurationError(
                f"task {name}: {subset} is of mode {self._subset.mode}, but {type(self).__name__} scores {modes}"
            )
        if self._subset.language != language:
            raise ConfigurationError(f"task {name}: language is '{language}', but {subset} is scored in another one")
        check_choice(f"task {name}: answer_mode", answer_mode, get_args(AnswerMode))
        if answer_mode == "text" and (self.judges_sound or rate_naturalness):
            raise ConfigurationError(f"task {name}: it is the sound that is judged; answer_mode must be speech")
        if version != VERSIONS[-1] or not common.get("expected_samples"):
            common["expected_samples"] = size
        super().__init__(**common)
        self._language = language
        self._answer_mode: AnswerMode = answer_mode
        self._rates_naturalness = rate_naturalness
        self._prompt = self._prompts.of("conversation")
        self._transcriber = self._prompts.of("asr", "transcriber")
        parts = {"transcriber": answer_mode == "speech", self.assessor: True, "mos_predictor": rate_naturalness}
        self.roles = ("model", *(role for role, needed in parts.items() if role is not None and needed))
        self._recipe = {"mode": self._subset.mode, "data": version, "answer": answer_mode}
        self._scores = self._score_metrics()
        self.metrics: Mapping[str, Metric] = {**self._scores, **self._further_metrics()}

    @abstractmethod
    def _score_metrics(self) -> Mapping[str, Metric]:
        """Return the headline metric, and others of the same statistics."""

    @abstractmethod
    def _lack(self, sample: Sample) -> str | None:
        """Return what a sample would need to be asked or scored and does not have; None if it has all."""

    def samples(self) -> Iterator[Sample]:
        """Yield the questions or conversations, in the order of the data set.

        Raises:
            DataError: a sample lacks what this subset is about.
        """
        for sample in self._dataset:
            if lack := self._lack(sample):
                raise DataError(
                    f"{self._dataset.source}: sample {sample.id} {lack}, unlike those of {self._subset.name}"
                )
            yield sample

    def unanswered(self, sample: Sample) -> Score:  # noqa: ARG002 - all are worth the same
        """Score a conversation that broke off like silence."""
        return self._scored(self._nothing)

    def describe(self) -> Mapping[str, Any]:
        """Return what the subset holds, its source, licence and access, and where it is read from."""
        subset = self._subset
        return {
            "subset": f"{subset.name}: {subset.about} ({subset.track}, {subset.language}, mode {subset.mode})",
            "versions": ", ".join(f"{version}: {size}" for version, size in subset.sizes.items()),
            **self._facts,
            "read from": self._dataset.source,
        }

    def _rounds(self, sample: Sample) -> Step[tuple[Round, ...]]:
        """Have all rounds answered, each heard with those before it, and write the answers down."""
        conversation = Conversation(self._prompt, language=sample.language, output=self._answer_mode)
        rounds: list[Round] = []
        for recording in sample.audio:
            said = yield from conversation.say(recording)
            rounds.append((yield from self._written_down(sample, said)))
        return tuple(rounds)

    def _written_down(self, sample: Sample, said: Response) -> Step[Round]:
        if self._answer_mode == "text":
            return Round(said.text)
        if said.speech is None:
            return Round(NO_RECORDING, said.text)
        # English subsets give no hint, as models may answer in any language.
        hint = sample.language if sample.language == "zh" else None
        heard = (yield from transcript(said.speech, self._transcriber, hint)).strip()
        if not self._rates_naturalness:
            return Round(heard, said.text, said.speech)
        reply = yield from bare_recording("mos_predictor", said.speech)
        rating = read_opinion_score(reply)
        failure = None
        if rating is None:
            failure = Failure("unreadable_reply", f"the MOS predictor's reply cannot be read: {reply!r}")
        return Round(heard, said.text, said.speech, rating, failure)

    def _scored(
        self,
        statistics: Sequence[float],
        rounds: Sequence[Round] = (),
        *,
        judgement: str = "",
        failure: Failure | None = None,
        other_statistics: Mapping[str, Sequence[float]] | None = None,
    ) -> Score:
        """Return the score with these statistics of the headline metric, and what is known beside it."""
        ratings = [each.opinion_score for each in rounds if each.opinion_score is not None]
        by_key = {
            **dict.fromkeys(self._scores, statistics),
            "asr_error_rate": self._own_error_rate(rounds),
            "mos": (sum(ratings), len(ratings)),
            **(other_statistics or {}),
        }
        return Score(
            {key: by_key.get(key, _NOT_COUNTED) for key in self.metrics},
            {"answer": "\n".join(each.text for each in rounds), "judgement": judgement},
            failure or next((each.failure for each in rounds if each.failure), None),
        )

    def _own_error_rate(self, rounds: Sequence[Round]) -> tuple[float, float]:
        """Return how far speech is from the model's own words, the mean over rounds; not counted if it gave none."""
        if not any(each.own_words.strip() for each in rounds):
            return _NOT_COUNTED
        rates = [error_rate_of_pair(each.own_words, each.text, self._language) for each in rounds]
        return sum(rates) / len(rates), 1

    def _further_metrics(self) -> Mapping[str, Metric]:
        """Return figures beside the score; the original does not compare words where they are of many languages."""
        metrics = {}
        if self._answer_mode == "speech" and self._subset.mode != "ml":
            metrics["asr_error_rate"] = mean_metric(
                "ASR-CER" if self._language == "zh" else "ASR-WER",
                statistics=("rate", "samples"),
                recipe={"averaging": "sample", "normaliser": SCHEME, "truth": "own words"},
                higher_is_better=False,
            )
        if self._rates_naturalness:
            metrics["mos"] = mean_metric(
                "MOS",
                statistics=("rating", "recordings"),
                recipe={"averaging": "recording", "scale": "1-5"},
                unit="",
                scale=1,
            )
        return metrics
