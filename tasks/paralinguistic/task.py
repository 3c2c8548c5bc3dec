"""Spoken questions about a voice, answered in speech, and a judge that compares the answer with the reference.

The protocol is that of the Step-Audio 2 report (arXiv 2507.16632, section 4.2): the question is part of the recording;
the model answers in speech; a speech recogniser writes the answer down; a language model says whether it means the same
as the reference answer, by a rule for each of the eleven dimensions. Accuracy is the share of answers that it accepts.
The report names neither the recogniser nor the judge.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypedDict, Unpack, get_args

from evalkit.chain import CallFailed, Chain, Score
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import check_choice, hint
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.task import CommonSettings, DatasetTask
from evalkit.types import Sample
from tasks.judging import Judgement, Judging, load_judge_prompts, spread_metric
from tasks.paralinguistic.dimensions import DIMENSIONS, FOLDERS
from tasks.steps import AnswerMode, answer
from tasks.verdicts import read_verdict

_JUDGE_OPTIONS = ("system", "replies", "generation", "attempts")


class JudgeSettings(TypedDict, total=False):
    """How a judge is asked, and how often.

    Attributes:
        system: system prompt; empty for none.
        generation: decoding settings, such as ``temperature``.
        replies: how many to each question; a sample scores the share of yes.
        attempts: how often to ask before giving up on unreadable replies.
    """

    system: str
    generation: Mapping[str, Any]
    replies: int
    attempts: int


class ParalinguisticQuestions(DatasetTask):
    """Ask about gender, age, timbre, … of a voice, in that recording itself, and have the answers judged.

    An answer in which nothing is said is wrong without a judge, and counted by a metric of its own. A judge's reply
    that is not clearly yes or no is asked for again; if none can be read, the sample counts as failed, and as wrong.

    Args:
        language: spoken in the recordings and the answers, for samples that do not say theirs.
        answer_mode: ``speech`` for spoken answers, which the transcriber writes down; ``text`` for written ones.
        judge: how the judge is asked: ``system`` message, ``generation`` settings, ``replies`` to each question (a
            sample then scores the share of yes), and ``attempts`` at a readable reply.
        **common: see ``DatasetTask``; the data set yields samples with one recording, one reference answer and a group
            ``dimension``, and the kind of question is ``paralinguistic``.

    Raises:
        ConfigurationError: ``answer_mode`` or an option of the judge cannot be.
    """

    details = ("answer", "verdict")

    def __init__(
        self,
        *,
        language: str = "zh",
        answer_mode: AnswerMode = "speech",
        judge: JudgeSettings | None = None,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(**common)
        check_choice(f"task {self.name}: answer_mode", answer_mode, get_args(AnswerMode))
        self.roles = ("model", "transcriber", "judge") if answer_mode == "speech" else ("model", "judge")
        self._language = language
        self._answer_mode: AnswerMode = answer_mode
        self._judging = _judging(self.name, judge or {})
        self._judge_prompts = load_judge_prompts("paralinguistic")
        self._prompt = self._prompts.of("paralinguistic")
        self._transcriber = self._prompts.of("asr", "transcriber")
        self.metrics = self._metrics()

    def samples(self) -> Iterator[Sample]:
        """Yield the questions, in the order of the data set, each with the published name of its dimension.

        Raises:
            DataError: a sample's dimension is not one of the benchmark's.
        """
        for sample in self._dataset:
            dimension = sample.groups.get("dimension", "")
            if dimension not in DIMENSIONS:
                raise DataError(
                    f"{self._dataset.source}: sample {sample.id} has the dimension {dimension!r}"
                    f"{hint(dimension, DIMENSIONS)} (there are {', '.join(DIMENSIONS)})"
                )
            yield replace(sample, groups={**sample.groups, "dimension": DIMENSIONS[dimension]})

    def chain(self, sample: Sample) -> Chain:
        """Put the recording to the model, its spoken answer to the transcriber, the words of it to the judge."""
        language = sample.language or self._language
        request = self._prompt.request(sample.audio, language=language, output=self._answer_mode)
        words = (yield from answer(request, self._transcriber, language)).words
        if not words.strip():
            return self._score(words, Judgement(), "no answer", unanswered=True)
        reference = sample.references[0]
        fields = {"text1": reference, "text2": words}
        question = self._judge_prompts.question(FOLDERS[sample.groups["dimension"]], fields)
        try:
            judgement = yield from self._judging.judge(question, references=(reference,), answers=(words,))
        except CallFailed as failed:
            judgement = Judgement(failure=failed.failure)
        return self._score(words, judgement, _in_words(judgement))

    def unanswered(self, sample: Sample) -> Score:  # noqa: ARG002 - all are worth the same
        """Score a failed call as wrong, but not as one to which the model had no answer."""
        return self._score("", Judgement(), "")

    def _score(self, words: str, judgement: Judgement, verdict: str, *, unanswered: bool = False) -> Score:
        """Score the share of the judge's replies that accept the answer."""
        statistics = {
            "accuracy": (judgement.mean, 1),
            "no_answer": (int(unanswered), 1),
            "judge_disagreement": (int(judgement.disagree), int(bool(judgement.marks))),
            "judge_spread": judgement.spread,
        }
        return Score(
            {key: statistics[key] for key in self.metrics},
            {"answer": words, "verdict": verdict},
            failure=judgement.failure,
        )

    def _metrics(self) -> dict[str, Metric]:
        judging = self._judging
        recipe = {
            "answer": self._answer_mode,
            "judge_prompt": self._judge_prompts.version,
            "judge_system": hashlib.sha256(judging.system.encode()).hexdigest()[:8] if judging.system else "none",
            "judge_generation": ",".join(f"{key}={value}" for key, value in sorted(judging.generation.items())),
            "judge_replies": str(judging.replies),
        }
        metrics = {
            "accuracy": mean_metric("Accuracy", recipe=recipe),
            "no_answer": mean_metric(
                "No answer",
                statistics=("unanswered", "samples"),
                recipe={"answer": self._answer_mode},
                higher_is_better=False,
            ),
        }
        if judging.replies > 1:
            metrics["judge_disagreement"] = mean_metric(
                "Judge disagreement", statistics=("disagreeing", "judged"), recipe=recipe, higher_is_better=False
            )
            metrics["judge_spread"] = spread_metric(recipe)
        return metrics


def _judging(task: str, options: JudgeSettings) -> Judging:
    """Return the way to ask a judge that a configuration describes."""
    for option in options:
        if option not in _JUDGE_OPTIONS:
            raise ConfigurationError(
                f"task {task}: judge has no option {option!r}{hint(option, _JUDGE_OPTIONS)} "
                f"(there are {', '.join(_JUDGE_OPTIONS)})"
            )
    for option in ("replies", "attempts"):
        value = options.get(option, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigurationError(f"task {task}: judge.{option} is {value!r}; it must be a whole number from 1 up")
    return Judging(read_verdict, ("no", "yes"), **options)


def _in_words(judgement: Judgement) -> str:
    if not judgement.marks:
        return ""
    if judgement.disagree:
        return f"yes {judgement.marks.count(1)} of {len(judgement.marks)}"
    return "yes" if judgement.mean == 1 else "no"
