"""What all subsets of URO-Bench have in common: speaking with a model, and writing down what it said.

The protocol is that of Yan et al., "URO-Bench: A Comprehensive Benchmark for End-to-End Spoken Dialogue Models"
(arXiv 2502.17810), as its code has it (github.com/Ruiqi-Yan/URO-Bench, commit 9e74bc0). A model is spoken to and
answers in speech; a recogniser writes the answers down, in the original whisper-large-v3 without a language hint for
English subsets and paraformer-zh for Chinese ones; then they are scored by the rule of the subset.
"""

from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from evalkit.audio import Audio
from evalkit.chain import Score
from evalkit.datasets import Dataset
from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.prompts import Prompt
from evalkit.task import DatasetTask
from evalkit.types import Call, Failure, Message, Request, Response, Sample
from tasks.uro_bench.chain import NO_RECORDING, Answer
from tasks.uro_bench.marks import read_opinion_score
from tasks.uro_bench.rates import SCHEME, error_rate_of_pair
from tasks.uro_bench.subsets import VERSIONS, get_subset

_NOT_COUNTED = (0.0, 0.0)


class SpokenConversations(DatasetTask):
    """Speak with a model, for one round or several, and score what it says.

    The model hears its earlier rounds as they were: the user's recordings, and its own answers as text and speech.

    Args:
        name: key of the task in configs and run folders.
        title: what people call the subset.
        subset: which one of ``subsets.csv`` it is.
        language: ``en`` or ``zh``, by which answers are transcribed and counted.
        dataset: yields samples as ``UroBenchSubset`` does.
        version: of the data, ``v1`` or ``v2``.
        answer_mode: ``speech`` for spoken answers, which the transcriber writes down; ``text`` for written ones.
        rate_naturalness: whether a model in the role ``mos_predictor``, UTMOS in the original, rates each spoken
            answer; its reply is a number.
        prompts: how the models want to be asked; ``conversation`` and ``transcriber`` are used here.
        table: where published tables show the subset.
        expected_samples: how many samples there are in the newest version of the data, as listings say; the sizes of
            other versions are known.
        facts: source, licence, access and the like, for people.

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
        name: str,
        title: str,
        subset: str,
        language: str,
        dataset: Dataset,
        version: str = VERSIONS[-1],
        answer_mode: Literal["speech", "text"] = "speech",
        rate_naturalness: bool = False,
        prompts: Mapping[str, Any] | None = None,
        table: Mapping[str, str] | None = None,
        expected_samples: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self._subset = get_subset(subset)
        size = self._subset.size(version)
        if self._subset.mode not in self.modes:
            modes = ", ".join(sorted(self.modes))
            raise ConfigurationError(
                f"task {name}: {subset} is of mode {self._subset.mode}, but {type(self).__name__} scores {modes}"
            )
        if self._subset.language != language:
            raise ConfigurationError(f"task {name}: language is '{language}', but {subset} is scored in another one")
        if answer_mode not in ("speech", "text"):
            raise ConfigurationError(f"task {name}: answer_mode is '{answer_mode}'; it must be speech or text")
        if answer_mode == "text" and (self.judges_sound or rate_naturalness):
            raise ConfigurationError(f"task {name}: it is the sound that is judged; answer_mode must be speech")
        expected = expected_samples if expected_samples and version == VERSIONS[-1] else size
        super().__init__(name, title, dataset, table=table, expected_samples=expected, facts=facts)
        self._language = language
        self._speaks = answer_mode == "speech"
        self._rates_naturalness = rate_naturalness
        self._prompt = Prompt.from_profile(prompts or {}, "conversation")
        self._transcriber_prompt = Prompt.from_profile(prompts or {}, "transcriber")
        parts = {"transcriber": self._speaks, self.assessor: True, "mos_predictor": rate_naturalness}
        self.roles = ("model", *(role for role, needed in parts.items() if role is not None and needed))
        self._recipe = {"mode": self._subset.mode, "data": version, "answer": answer_mode}
        self._scores = self._score_metrics()
        self.metrics: Mapping[str, Metric] = {**self._scores, **self._further_metrics()}

    @abstractmethod
    def _score_metrics(self) -> Mapping[str, Metric]:
        """The headline metric, and others of the same statistics."""

    @abstractmethod
    def _lack(self, sample: Sample) -> str | None:
        """What a sample would need to be asked or scored and does not have; None if it has all."""

    def samples(self) -> Iterator[Sample]:
        """The questions or conversations, in the order of the data set.

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
        """A conversation that broke off is scored like silence."""
        return self._scored(self._nothing)

    def describe(self) -> Mapping[str, Any]:
        """What the subset holds, its source, licence and access, and where it is read from."""
        subset = self._subset
        return {
            "subset": f"{subset.name}: {subset.about} ({subset.track}, {subset.language}, mode {subset.mode})",
            "versions": ", ".join(f"{version}: {size}" for version, size in subset.sizes.items()),
            **self._facts,
            "read from": self._dataset.source,
        }

    def _answers(self, sample: Sample) -> Generator[Call, Response, tuple[Answer, ...]]:
        """Have all rounds answered, each heard with those before it, and write the answers down."""
        history: list[Message] = []
        answers: list[Answer] = []
        for recording in sample.audio:
            request = self._prompt.request(
                (recording,),
                language=sample.language,
                history=history,
                output="speech" if self._speaks else "text",
                task=self.name,
                sample_id=sample.id,
            )
            said = yield Call("model", request)
            answers.append((yield from self._written_down(sample, said)))
            history = [*(message for message in request.messages if message.role != "system"), said.message]
        return tuple(answers)

    def _written_down(self, sample: Sample, said: Response) -> Generator[Call, Response, Answer]:
        if not self._speaks:
            return Answer(said.text)
        if said.speech is None:
            return Answer(NO_RECORDING, said.text)
        # English subsets give no hint, as models may answer in any language.
        hint = sample.language if sample.language == "zh" else None
        heard = yield Call(
            "transcriber",
            self._transcriber_prompt.request((said.speech,), language=hint, task=self.name, sample_id=sample.id),
        )
        answer = Answer(heard.text.strip(), said.text, said.speech)
        if not self._rates_naturalness:
            return answer
        rated = yield self._hearing("mos_predictor", said.speech, sample)
        rating = read_opinion_score(rated.text)
        failure = None
        if rating is None:
            failure = Failure("unreadable_reply", f"the MOS predictor's reply cannot be read: {rated.text!r}")
        return Answer(answer.text, answer.own_words, answer.speech, rating, failure)

    def _hearing(self, role: str, speech: Audio, sample: Sample) -> Call:
        """What is put to a model that needs no words to know what to do with a recording."""
        return Call(role, Request((Message("user", (speech,)),), task=self.name, sample_id=sample.id))

    def _scored(
        self,
        statistics: Sequence[float],
        answers: Sequence[Answer] = (),
        *,
        judgement: str = "",
        failure: Failure | None = None,
        further: Mapping[str, Sequence[float]] | None = None,
    ) -> Score:
        """The score with these statistics of the headline metric, and what is known beside it."""
        ratings = [answer.opinion_score for answer in answers if answer.opinion_score is not None]
        by_key = {
            **dict.fromkeys(self._scores, statistics),
            "asr_error_rate": self._own_error_rate(answers),
            "mos": (sum(ratings), len(ratings)),
            **(further or {}),
        }
        return Score(
            {key: by_key.get(key, _NOT_COUNTED) for key in self.metrics},
            {"answer": "\n".join(answer.text for answer in answers), "judgement": judgement},
            failure or next((answer.failure for answer in answers if answer.failure), None),
        )

    def _own_error_rate(self, answers: Sequence[Answer]) -> tuple[float, float]:
        """How far speech is from the model's own words, the mean over rounds; not counted if it gave none."""
        if not any(answer.own_words.strip() for answer in answers):
            return _NOT_COUNTED
        rates = [error_rate_of_pair(answer.own_words, answer.text, self._language) for answer in answers]
        return sum(rates) / len(rates), 1

    def _further_metrics(self) -> Mapping[str, Metric]:
        """Figures beside the score; the original does not compare words where they are of many languages."""
        metrics = {}
        if self._speaks and self._subset.mode != "ml":
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
