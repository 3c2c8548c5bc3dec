"""Subsets whose answers a judge marks: by what was said, over one round or several, or by how it sounds."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

from evalkit.audio import Audio
from evalkit.chain import Chain
from evalkit.hints import check_choice
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.types import Sample
from tasks.judging import Judging, load_judge_prompts, spread_metric
from tasks.uro_bench import marks
from tasks.uro_bench.marks import BEST_MARK, says_nothing
from tasks.uro_bench.task import Round, SpokenConversations
from tasks.verdicts import read_mark, read_verdict

Reading = Literal["original", "tolerant"]

_REPLIES = 3
_GENERATION: Mapping[str, float] = {"temperature": 0.5, "top_p": 0.95, "max_new_tokens": 1024}
_MARKS = tuple(str(mark) for mark in range(1, BEST_MARK + 1))

# The group of a sample that takes the place of a field, for each mode that has one.
_FIELD_GROUPS = {"gs": ("style", "style"), "ue": ("emotion", "emotion"), "ml": ("language", "requirement")}


class JudgedAnswers(SpokenConversations):
    """One question, one answer, marked 1 to 5 or as right or wrong by a judge that reads it.

    The judge is asked for three replies at once; the sample's mark is their mean. A reply that is no number would stop
    the original: here the judge is asked again, and if that does not help, the sample fails and is worth 0. An answer
    in which nothing was heard is worth 0 unasked.

    Args:
        judge_reading: ``original`` reads the judge as the benchmark's code does: a mark is a bare integer, and right
            is the bare word ``Yes``, so that "Yes." counts as wrong. ``tolerant`` reads what ``tasks.verdicts`` reads,
            and asks again what is unclear; its figures are not the benchmark's, and their recipe says so.
        **settings: see ``SpokenConversations``.
    """

    modes = frozenset({"open", "semi-open", "qa", "gs", "ue", "sf", "ml"})
    assessor = "judge"
    _nothing: ClassVar[Sequence[float]] = (0.0, 1.0)

    def __init__(self, *, judge_reading: Reading = "original", **settings: Any) -> None:
        check_choice(f"task {settings['name']}: judge_reading", judge_reading, get_args(Reading))
        self._judge_reading: Reading = judge_reading
        self._judge_prompts = load_judge_prompts("uro_bench")
        super().__init__(**settings)

    @property
    def _judging(self) -> Judging:
        verdicts = ("No", "Yes") if self._subset.mode == "qa" else _MARKS
        system = self._judge_prompts.system
        return Judging(self._read, verdicts, system=system, replies=_REPLIES, generation=_GENERATION)

    def _read(self, reply: str) -> float | None:
        if self._subset.mode == "qa":
            return read_verdict(reply) if self._judge_reading == "tolerant" else marks.read_yes(reply)
        return read_mark(reply, 1, BEST_MARK) if self._judge_reading == "tolerant" else marks.read_mark(reply)

    def chain(self, sample: Sample) -> Chain:
        """Speak with the model, then have what it said marked."""
        rounds = yield from self._rounds(sample)
        if not self._to_be_judged(rounds):
            return self._scored(self._nothing, rounds, judgement="nothing was said")
        name, fields = self._prompt_name(sample), self._fields(sample, rounds)
        asked_about = {
            field: text for field, text in fields.items() if f"{{{field}}}" in self._judge_prompts.by_name[name]
        }
        judgement = yield from self._judging.judge(
            self._judge_prompts.question(name, fields),
            *self._heard_by_judge(rounds),
            references=[text for field, text in asked_about.items() if field.startswith("reference")],
            answers=[text for field, text in asked_about.items() if field.startswith("answer")],
        )
        return self._scored(
            (judgement.mean, 1.0),
            rounds,
            judgement=" ".join(judgement.replies),
            failure=judgement.failure,
            other_statistics={
                "judge_disagreement": (float(judgement.disagree), float(bool(judgement.marks))),
                "judge_spread": judgement.spread,
            },
        )

    def _heard_by_judge(self, rounds: Sequence[Round]) -> Sequence[Audio]:  # noqa: ARG002 - this one reads
        """Return the recordings that the judge hears after its question."""
        return ()

    def _to_be_judged(self, rounds: Sequence[Round]) -> bool:
        return not says_nothing(rounds[0].text)

    def _prompt_name(self, sample: Sample) -> str:  # noqa: ARG002 - conversations have one by their length
        return self._subset.mode

    def _fields(self, sample: Sample, rounds: Sequence[Round]) -> Mapping[str, str]:
        fields = {
            "question": sample.metadata["questions"][0],
            "answer": rounds[0].text,
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
        given = "yes" if self._subset.mode == "qa" else "mark"
        return {"score": mean_metric("Score", statistics=(given, "samples"), recipe=recipe, unit="", scale=self._scale)}

    def _further_metrics(self) -> Mapping[str, Metric]:
        if self._judging.replies == 1:
            return super()._further_metrics()
        recipe = {**self._recipe, **self._judge_recipe()}
        disagreement = mean_metric(
            "Judge disagreement",
            statistics=("differing", "judged"),
            recipe={"averaging": "sample", **recipe},
            higher_is_better=False,
        )
        spread = spread_metric(recipe, self._scale)
        return {"judge_disagreement": disagreement, "judge_spread": spread, **super()._further_metrics()}

    @property
    def _scale(self) -> float:
        """What a reply is multiplied by: the best mark is worth 100, as a right answer is."""
        return 100 if self._subset.mode == "qa" else 100 / BEST_MARK

    def _judge_recipe(self) -> Mapping[str, str]:
        recipe = {"judge_prompt": self._judge_prompts.version, "judge_replies": str(self._judging.replies)}
        return recipe if self._judge_reading == "original" else {**recipe, "judge_reading": self._judge_reading}


class JudgedDialogues(JudgedAnswers):
    """A conversation of several rounds, marked 1 to 5 as a whole; silence is judged like any other answer."""

    modes = frozenset({"multi", "sa"})

    def _to_be_judged(self, rounds: Sequence[Round]) -> bool:
        return bool(rounds)

    def _prompt_name(self, sample: Sample) -> str:
        return "sa" if self._subset.mode == "sa" else f"multi{len(sample.audio)}"

    def _fields(self, sample: Sample, rounds: Sequence[Round]) -> Mapping[str, str]:
        fields: dict[str, str] = {}
        turns = zip(sample.metadata["questions"], rounds, sample.references, strict=True)
        for number, (question, said, reference) in enumerate(turns, start=1):
            fields[f"question{number}"] = question
            fields[f"answer{number}"] = said.text
            fields[f"reference{number}"] = reference
        return fields

    def _lack(self, sample: Sample) -> str | None:
        rounds = len(sample.audio)
        of_speaker_aware = self._subset.mode == "sa"
        possible = rounds == 3 if of_speaker_aware else self._prompt_name(sample) in self._judge_prompts.by_name
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
        return Judging(self._read, _MARKS, role="audio_judge", attempts=1)

    def _heard_by_judge(self, rounds: Sequence[Round]) -> Sequence[Audio]:
        speech = rounds[0].speech
        return () if speech is None else (speech,)

    def _to_be_judged(self, rounds: Sequence[Round]) -> bool:
        return rounds[0].speech is not None
