"""After a tool's result, is the spoken answer right, and does it rest on the result?"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from evalkit.chain import CallFailed, Chain, Score
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.types import Sample
from tasks.judging import Judgement, Judging, load_judge_prompts
from tasks.steps import LoopRound, Step, transcript
from tasks.tool_loop.loop import LoopSettings, ToolLoop, names_of, told, uses_of
from tasks.tool_loop.timing import first_sound, whole_answer
from tasks.verdicts import read_verdict

_NOT_COUNTED = (0.0, 0.0)


class GroundedAnswers(ToolLoop):
    """Answer questions that only a tool knows the answer to, and some that want no tool.

    A call is right if it is of the tool that the question needs, and its result holds the evidence: how a search is
    worded is the model's affair. Where no tool is needed, any call is wrong. An answer is right if the judge accepts
    it, and grounded if it is right and came after a right call; questions without a tool are not judged. An empty
    answer is wrong without asking the judge. A judge that cannot be read fails the sample.

    Args:
        judge_generation: decoding settings of the judge.
        timing: whether to count, over all samples, the seconds until the first sound where the model's answers say when
            it began, and until the whole answer. Two runs then differ in these figures, and in nothing else.
        **settings: see ``ToolLoop``.
    """

    compared = ("grounded", "answer_accuracy", "call_accuracy")
    details = ("calls", "results", "answer", "verdict")

    def __init__(
        self,
        *,
        judge_generation: Mapping[str, Any] | None = None,
        timing: bool = False,
        **settings: Unpack[LoopSettings],
    ) -> None:
        super().__init__(**settings)
        spoken = self._answer_mode == "speech"
        self.roles = ("model", "tools", "transcriber", "judge") if spoken else ("model", "tools", "judge")
        self._transcriber = self._prompts.of("asr", "transcriber")
        self._judge_prompts = load_judge_prompts("tool_loop")
        self._judging = Judging(read_verdict, ("no", "yes"), generation=dict(judge_generation or {}))
        judged = {**self._recipe, "judge_prompt": self._judge_prompts.version}
        self.metrics: Mapping[str, Metric] = {
            "grounded": mean_metric("Grounded answers", statistics=("grounded", "questions"), recipe=judged),
            "answer_accuracy": mean_metric("Right answers", statistics=("right", "questions"), recipe=judged),
            "call_accuracy": mean_metric("Right calls", statistics=("right_calls", "samples"), recipe=self._recipe),
            "rounds": mean_metric(
                "Rounds",
                statistics=("rounds", "answered"),
                recipe=self._recipe,
                unit="",
                scale=1,
                higher_is_better=False,
            ),
            **(_timing_metrics(self._recipe) if timing else {}),
        }

    def chain(self, sample: Sample) -> Chain:
        """Put the question to the model and its calls to the tools, then the answer to transcriber and judge."""
        [rounds] = yield from self._turns(sample)
        if not sample.metadata["tool"]:
            return self._score(sample, rounds)
        words = yield from self._words(sample, rounds)
        if not words.strip():
            return self._score(sample, rounds)
        fields = {
            "question": sample.metadata["turns"][-1],
            "results": told(uses_of(rounds))["results"] or "(no tool was called)",
            "reference": sample.references[0],
            "answer": words,
        }
        question = self._judge_prompts.question("right_and_grounded", fields)
        try:
            judgement = yield from self._judging.judge(question, references=sample.references, answers=(words,))
        except CallFailed as failed:
            judgement = Judgement(failure=failed.failure)
        return self._score(sample, rounds, words, judgement)

    def unanswered(self, sample: Sample) -> Score:
        """Score no answer as a wrong one without a call."""
        return self._score(sample, ())

    def _words(self, sample: Sample, rounds: Sequence[LoopRound]) -> Step[str]:
        answer = rounds[-1].answer
        if self._answer_mode == "text":
            return answer.text
        if answer.speech is None:
            return ""
        return (yield from transcript(answer.speech, self._transcriber, sample.language))

    def _score(
        self,
        sample: Sample,
        rounds: Sequence[LoopRound],
        words: str = "",
        judgement: Judgement | None = None,
    ) -> Score:
        uses = uses_of(rounds)
        tool, evidence = sample.metadata["tool"], sample.metadata["evidence"]
        has_evidence = any(
            use.call.name in names_of(tool) and any(text in use.result.text for text in evidence) for use in uses
        )
        needed = int(bool(tool))
        right_call = has_evidence if needed else bool(rounds) and not any(each.answer.tool_calls for each in rounds)
        verdict = judgement or Judgement()
        sound, whole = (first_sound(rounds), whole_answer(rounds)) if rounds else (None, None)
        statistics = {
            "grounded": (verdict.mean * has_evidence, needed),
            "answer_accuracy": (verdict.mean, needed),
            "call_accuracy": (int(right_call), 1),
            "rounds": (len(rounds), int(bool(rounds))),
            "first_sound": _NOT_COUNTED if sound is None else (sound, 1.0),
            "whole_answer": _NOT_COUNTED if whole is None else (whole, 1.0),
        }
        return Score(
            {key: statistics[key] for key in self.metrics},
            {
                **told(uses),
                "answer": words,
                "verdict": "" if judgement is None or judgement.failure else "yes" if judgement.mean else "no",
            },
            failure=verdict.failure,
        )


def _timing_metrics(recipe: Mapping[str, str]) -> dict[str, Metric]:
    names = {"first_sound": "Time to first sound", "whole_answer": "Time to whole answer"}
    return {key: _fewer_is_better(name, ("seconds", "timed"), recipe, "s") for key, name in names.items()}


def _fewer_is_better(name: str, statistics: tuple[str, str], recipe: Mapping[str, str], unit: str) -> Metric:
    return mean_metric(name, statistics=statistics, recipe=recipe, unit=unit, scale=1, higher_is_better=False)
