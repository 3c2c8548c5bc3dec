"""Spoken questions about a voice, answered in speech, and a judge that compares the answer with the reference.

The protocol is that of the Step-Audio 2 report (arXiv 2507.16632, section 4.2): the question is part of the recording;
the model answers in speech; a speech recogniser writes the answer down; a language model says whether it means the same
as the reference answer, by a rule for each of the eleven dimensions. Accuracy is the share of answers that it accepts.
The report names neither the recogniser nor the judge.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from evalkit.audio import Audio
from evalkit.chain import Score
from evalkit.datasets import Dataset
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import hint
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.prompts import Prompt
from evalkit.task import DatasetTask
from evalkit.types import Call, Request, Response, Sample
from tasks.judging import Judging, Verdict
from tasks.paralinguistic.dimensions import DIMENSIONS, load_judge_prompts, read_reply

_JUDGE_OPTIONS = ("system", "replies", "generation", "attempts")


class ParalinguisticQuestions(DatasetTask):
    """Ask about gender, age, timbre, … of a voice, in that recording itself, and have the answers judged.

    An answer in which nothing is said is wrong without a judge, and counted by a metric of its own. A judge's reply
    other than yes or no is asked for again; if none can be read, the sample counts as failed, and as wrong.

    Args:
        name: key of the task in configs and run folders.
        title: what people call the benchmark.
        dataset: yields samples with one recording, one reference answer and a group ``dimension``.
        language: spoken in the recordings and the answers.
        answer_mode: ``speech`` for spoken answers, which the transcriber writes down; ``text`` for written ones.
        judge: how the judge is asked: ``system`` message, ``generation`` settings, ``replies`` to each question (a
            sample then scores the share of yes), and ``attempts`` at a readable reply.
        prompts: how the models want to be asked; ``paralinguistic`` and ``transcriber`` are used here.
        table: where published tables show the benchmark.
        expected_samples: how many questions the complete benchmark has.
        facts: source, licence, access and the like, for people.

    Raises:
        ConfigurationError: ``answer_mode`` or an option of the judge cannot be.
    """

    details = ("answer", "verdict")

    def __init__(
        self,
        name: str,
        title: str,
        dataset: Dataset,
        language: str = "zh",
        answer_mode: Literal["speech", "text"] = "speech",
        judge: Mapping[str, Any] | None = None,
        prompts: Mapping[str, Any] | None = None,
        table: Mapping[str, str] | None = None,
        expected_samples: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        if answer_mode not in ("speech", "text"):
            raise ConfigurationError(f"task {name}: answer_mode is '{answer_mode}'; it must be speech or text")
        super().__init__(name, title, dataset, table=table, expected_samples=expected_samples, facts=facts)
        self.roles = ("model", "transcriber", "judge") if answer_mode == "speech" else ("model", "judge")
        self._language = language
        self._answer_mode = answer_mode
        self._judging = _judging(name, judge or {})
        self._judge_prompts = load_judge_prompts()
        self._prompt = Prompt.from_profile(prompts or {}, "paralinguistic")
        self._transcriber_prompt = Prompt.from_profile(prompts or {}, "transcriber")
        self.metrics = self._metrics()

    def samples(self) -> Iterator[Sample]:
        """The questions, in the order of the data set, each with the published name of its dimension.

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

    def next_call(self, sample: Sample, responses: Sequence[Response]) -> Call | None:
        """The recording, to the model; its spoken answer, to the transcriber; the words of it, to the judge."""
        if not responses:
            return Call("model", self._request(self._prompt, sample.audio, sample, self._answer_mode))
        speech = responses[0].speech if self._answer_mode == "speech" else None
        if speech is not None and len(responses) == 1:
            return Call("transcriber", self._request(self._transcriber_prompt, (speech,), sample))
        answer, judged = self._answer(responses)
        if not answer.strip():
            return None
        question = self._judge_prompts.question(sample.groups["dimension"], sample.references[0], answer)
        return self._judging.next_call(question, judged, task=self.name, sample_id=sample.id)

    def score(self, sample: Sample, responses: Sequence[Response]) -> Score:  # noqa: ARG002 - the judge knew it
        """The share of the judge's replies that accept the answer; without an answer, nothing is accepted."""
        answer, judged = self._answer(responses) if responses else ("", ())
        unanswered = bool(responses) and not answer.strip()
        verdict = self._judging.verdict(judged) if answer.strip() else Verdict()
        statistics = {
            "accuracy": (verdict.mean, 1),
            "no_answer": (int(unanswered), 1),
            "judge_disagreement": (int(verdict.disagree), int(bool(verdict.marks))),
        }
        return Score(
            {key: statistics[key] for key in self.metrics},
            {"answer": answer, "verdict": "no answer" if unanswered else _in_words(verdict)},
            failure=verdict.failure,
        )

    def _request(
        self, prompt: Prompt, audio: Sequence[Audio], sample: Sample, output: Literal["text", "speech"] = "text"
    ) -> Request:
        return prompt.request(audio, language=self._language, output=output, task=self.name, sample_id=sample.id)

    def _answer(self, responses: Sequence[Response]) -> tuple[str, Sequence[Response]]:
        """The model's answer in writing, empty if it said nothing, and what the judge has replied."""
        if self._answer_mode == "text":
            return responses[0].text, responses[1:]
        return (responses[1].text, responses[2:]) if len(responses) > 1 else ("", ())

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
        return metrics


def _judging(task: str, options: Mapping[str, Any]) -> Judging:
    """The way to ask a judge that a configuration describes."""
    for option in options:
        if option not in _JUDGE_OPTIONS:
            raise ConfigurationError(
                f"task {task}: judge has no option {option!r}{hint(option, _JUDGE_OPTIONS)} "
                f"(there are {', '.join(_JUDGE_OPTIONS)})"
            )
    for option in ("replies", "attempts"):
        if options.get(option, 1) < 1:
            raise ConfigurationError(f"task {task}: judge.{option} is {options[option]}; it must be at least 1")
    return Judging(read_reply, **options)


def _in_words(verdict: Verdict) -> str:
    if not verdict.marks:
        return ""
    if verdict.disagree:
        return f"yes {verdict.marks.count(1)} of {len(verdict.marks)}"
    return "yes" if verdict.mean == 1 else "no"
