"""Subsets whose answers a judge marks: by what was said, over one round or several, or by how it sounds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from evalkit.chain import Chain
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.types import Call, Message, Response, Sample
from tasks.judging import Judging, replies_of
from tasks.uro_bench.chain import Answer
from tasks.uro_bench.judge_prompts import filled, load_judge_prompts
from tasks.uro_bench.marks import BEST_MARK, read_mark, read_yes, says_nothing
from tasks.uro_bench.task import SpokenConversations

_REPLIES = 3
_ROUNDS_OF_SPEAKER_AWARE = 3
_GENERATION: Mapping[str, float] = {"temperature": 0.5, "top_p": 0.95, "max_new_tokens": 1024}

# The group of a sample that takes the place of a field, for each mode that has one.
_FIELD_GROUPS = {"gs": ("style", "style"), "ue": ("emotion", "emotion"), "ml": ("language", "requirement")}


class JudgedAnswers(SpokenConversations):
    """One question, one answer, marked 1 to 5 or as right or wrong by a judge that reads it.

    The judge is asked for three replies at once; the sample's mark is their mean. A reply that is no number would stop
    the original: here the judge is asked again, and if that does not help, the sample fails and is worth 0. An answer
    in which nothing was heard is worth 0 unasked.
    """

    modes = frozenset({"open", "semi-open", "qa", "gs", "ue", "sf", "ml"})
    assessor = "judge"
    _nothing: ClassVar[Sequence[float]] = (0.0, 1.0)

    @property
    def _judging(self) -> Judging:
        read = read_yes if self._subset.mode == "qa" else read_mark
        return Judging(read, load_judge_prompts().system, _REPLIES, _GENERATION)

    def chain(self, sample: Sample) -> Chain:
        """Speak with the model, then mark what it said."""
        answers = yield from self._answers(sample)
        if not self._to_be_judged(answers):
            return self._scored(self._nothing, answers, judgement="nothing was said")
        judged: list[Response] = []
        while call := self._judge_call(sample, answers, judged):
            judged.append((yield call))
        verdict = self._judging.verdict(judged)
        return self._scored(
            (verdict.mean, 1.0),
            answers,
            judgement=" ".join(replies_of(judged[-1])),
            failure=verdict.failure,
            further={"judge_disagreement": (float(verdict.disagree), float(bool(verdict.marks)))},
        )

    def _judge_call(self, sample: Sample, answers: Sequence[Answer], judged: Sequence[Response]) -> Call | None:
        question = filled(load_judge_prompts().by_name[self._prompt_name(sample)], self._fields(sample, answers))
        return self._judging.next_call(question, judged, task=self.name, sample_id=sample.id)

    def _to_be_judged(self, answers: Sequence[Answer]) -> bool:
        return not says_nothing(answers[0].text)

    def _prompt_name(self, sample: Sample) -> str:  # noqa: ARG002 - conversations have one by their length
        return self._subset.mode

    def _fields(self, sample: Sample, answers: Sequence[Answer]) -> Mapping[str, str]:
        fields = {
            "question": sample.metadata["questions"][0],
            "answer": answers[0].text,
            "reference": sample.references[0],
        }
        if self._subset.mode in _FIELD_GROUPS:
            field, group = _FIELD_GROUPS[self._subset.mode]
            fields[field] = sample.groups[group]
        return fields

    def _lack(self, sample: Sample) -> str | None:
        if len(sample.audio) != 1:
            return f"has {len(sample.audio)} rounds"
        _, group = _FIELD_GROUPS.get(self._subset.mode, ("", ""))
        return f"has no {group}" if group and group not in sample.groups else None

    def _score_metrics(self) -> Mapping[str, Metric]:
        recipe = {"averaging": "sample", **self._recipe, **self._judge_recipe()}
        if self._subset.mode == "qa":
            return {"score": mean_metric("Score", statistics=("yes", "samples"), recipe=recipe, unit="")}
        # The best mark is worth 100.
        score = mean_metric("Score", statistics=("mark", "samples"), recipe=recipe, unit="", scale=100 / BEST_MARK)
        return {"score": score}

    def _further_metrics(self) -> Mapping[str, Metric]:
        if self._judging.replies == 1:
            return super()._further_metrics()
        disagreement = mean_metric(
            "Judge disagreement",
            statistics=("differing", "judged"),
            recipe={"averaging": "sample", **self._recipe, **self._judge_recipe()},
            higher_is_better=False,
        )
        return {"judge_disagreement": disagreement, **super()._further_metrics()}

    def _judge_recipe(self) -> Mapping[str, str]:
        return {"judge_prompt": load_judge_prompts().version, "judge_replies": str(self._judging.replies)}


class JudgedDialogues(JudgedAnswers):
    """A conversation of several rounds, marked 1 to 5 as a whole; silence is judged like any other answer."""

    modes = frozenset({"multi", "sa"})

    def _to_be_judged(self, answers: Sequence[Answer]) -> bool:
        return bool(answers)

    def _prompt_name(self, sample: Sample) -> str:
        return "sa" if self._subset.mode == "sa" else f"multi{len(sample.audio)}"

    def _fields(self, sample: Sample, answers: Sequence[Answer]) -> Mapping[str, str]:
        rounds = zip(sample.metadata["questions"], answers, sample.references, strict=True)
        fields: dict[str, str] = {}
        for number, (question, answer, reference) in enumerate(rounds, start=1):
            fields[f"question{number}"] = question
            fields[f"answer{number}"] = answer.text
            fields[f"reference{number}"] = reference
        return fields

    def _lack(self, sample: Sample) -> str | None:
        rounds = len(sample.audio)
        possible = (
            rounds == 3 if self._subset.mode == "sa" else self._prompt_name(sample) in load_judge_prompts().by_name
        )
        return None if possible else f"has {rounds} rounds, for which the benchmark has no question to the judge"


class JudgedSpeech(JudgedAnswers):
    """Singing, reciting and tongue twisters, marked 1 to 5 by a judge that hears them, in the role ``audio_judge``.

    The judge replies once. A reply that is no number is worth 0, as in the original, and makes the sample fail.
    """

    modes = frozenset({"srt"})
    assessor = "audio_judge"
    judges_sound = True

    @property
    def _judging(self) -> Judging:
        return Judging(read_mark, attempts=1)

    def _judge_call(self, sample: Sample, answers: Sequence[Answer], judged: Sequence[Response]) -> Call | None:
        call = super()._judge_call(sample, answers, judged)
        if call is None:
            return None
        (question,) = call.request.messages
        heard = tuple(part for part in (*question.content, answers[0].speech) if part is not None)
        return Call("audio_judge", replace(call.request, messages=(Message(question.role, heard),)))

    def _to_be_judged(self, answers: Sequence[Answer]) -> bool:
        return answers[0].speech is not None
