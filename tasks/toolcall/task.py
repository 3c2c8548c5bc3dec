"""Tool calling: does the last turn of a spoken conversation lead to the right function call?

The protocol is that of the Step-Audio 2 report (arXiv 2507.16632, section 4.5) and of the benchmark's card. For each
tool there are conversations whose last turn needs it (positives) and as many whose last turn needs none or another one
(negatives). Trigger recall is the share of positives in which any tool is called; trigger precision is the share of
positives among all conversations that trigger; type accuracy is the share of triggered positives in which the right
tool is called; parameter accuracy is the share of those calls whose parameters a judge accepts.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, get_args

from evalkit.audio import Audio
from evalkit.chain import CallFailed, Chain, Score
from evalkit.hints import check_choice
from evalkit.metrics.mean import mean_metric
from evalkit.task import CommonSettings, DatasetTask
from evalkit.tool_syntax import well_formed
from evalkit.types import Sample, ToolCall
from tasks.judging import Judgement, Judging
from tasks.steps import AnswerMode, Conversation
from tasks.toolcall.parameters import prompt_version, question
from tasks.toolcall.sessions import history_message
from tasks.toolcall.tools import load_tools
from tasks.verdicts import read_verdict

InputMode = Literal["audio", "text"]
FalsePositive = Literal["target_tool", "any_tool"]

# Where no data set is at hand to take the shape of a conversation from.
_ONE_TURN = ({"role": "user", "text": "TEXT", "audio": 0},)


class ToolCalling(DatasetTask):
    """Have the last turn of each conversation answered, with the tools at hand, and see what is called.

    The conversation before it is given as it was recorded: the user's turns spoken, the assistant's in writing.

    Args:
        input_mode: whether the user's turns are given as ``audio`` or, to a model that reads, as ``text``.
        answer_mode: whether the model is to answer in ``text`` or in ``speech``; calls are text in both.
        false_positive: which call is a false alarm in a negative conversation, whose last turn may well need another
            tool: only one of the ``target_tool``, or one of ``any_tool``. The authors do not say; their published
            counts are possible under both.
        judge_generation: decoding settings of the judge of parameters.
        **common: see ``DatasetTask``; the data set yields samples as ``Sessions`` does, and the kind of question is
            ``toolcall``.

    Raises:
        ConfigurationError: a mode or reading is unknown.
    """

    roles = ("model", "judge")
    compared = ("trigger_precision", "trigger_recall", "type_accuracy", "parameter_accuracy")
    details = ("calls", "malformed_calls", "parameters_accepted")

    def __init__(
        self,
        *,
        input_mode: InputMode = "audio",
        answer_mode: AnswerMode = "text",
        false_positive: FalsePositive = "target_tool",
        judge_generation: Mapping[str, Any] | None = None,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(**common)
        check_choice(f"task {self.name}: input_mode", input_mode, get_args(InputMode))
        check_choice(f"task {self.name}: answer_mode", answer_mode, get_args(AnswerMode))
        check_choice(f"task {self.name}: false_positive", false_positive, get_args(FalsePositive))
        self._prompt = self._prompts.of("toolcall")
        self._input_mode = input_mode
        self._answer_mode: AnswerMode = answer_mode
        self._any_tool_is_false_alarm = false_positive == "any_tool"
        self._judging = Judging(read_verdict, ("no", "yes"), generation=dict(judge_generation or {}))
        asked = {"input": input_mode, "answer": answer_mode}
        self.metrics = {
            "trigger_precision": mean_metric(
                "Trigger precision",
                statistics=("true_positives", "triggered"),
                recipe={**asked, "false_positive": false_positive},
            ),
            "trigger_recall": mean_metric(
                "Trigger recall", statistics=("true_positives", "positives"), recipe={**asked, "trigger": "any_tool"}
            ),
            "type_accuracy": mean_metric("Type accuracy", statistics=("right_type", "true_positives"), recipe=asked),
            "parameter_accuracy": mean_metric(
                "Parameter accuracy",
                statistics=("accepted", "judged"),
                recipe={**asked, "judge_prompt": prompt_version()},
            ),
        }

    def chain(self, sample: Sample) -> Chain:
        """Have the model answer the conversation, then the judge accept its call's parameters or not."""
        turns = sample.metadata.get("turns", _ONE_TURN)
        *earlier, last = turns
        conversation = Conversation(
            self._prompt,
            language=sample.language,
            output=self._answer_mode,
            history=[
                history_message(turns, position, self._content(sample, turn)) for position, turn in enumerate(earlier)
            ],
            tools=[tool.schema for tool in load_tools().values()],
        )
        response = yield from conversation.say(self._content(sample, last))
        calls = response.tool_calls
        call = _call_to_judge(sample, calls)
        if call is None:
            return self._score(sample, calls)
        tool = load_tools()[sample.metadata["tool"]]
        try:
            judgement = yield from self._judging.judge(question(turns, tool, call))
        except CallFailed as failed:
            judgement = Judgement(failure=failed.failure)
        return self._score(sample, calls, judgement)

    def unanswered(self, sample: Sample) -> Score:
        """Score no answer as no call."""
        return self._score(sample, ())

    def describe(self) -> Mapping[str, Any]:
        """Return facts about the test set, where it is read from, and who wrote the judge's prompt."""
        return {
            **self._facts,
            "read from": self._dataset.source,
            "judge prompt": f"{prompt_version()}, our own: the authors' could not be recovered",
        }

    def _content(self, sample: Sample, turn: Mapping[str, Any]) -> Audio | str:
        """Return a turn as the model gets it: its recording, where it has one that is wanted, else its words."""
        spoken = self._input_mode == "audio" and "audio" in turn
        return sample.audio[int(turn["audio"])] if spoken else str(turn["text"])

    def _score(self, sample: Sample, calls: Sequence[ToolCall], judgement: Judgement | None = None) -> Score:
        """Count what was triggered, of the right type, judged and accepted.

        Args:
            sample: the conversation.
            calls: that the model made.
            judgement: of a call's parameters, or None where there was nothing to judge.
        """
        valid = [call for each in calls if (call := well_formed(each)) is not None]
        malformed = [f"{each.name} {each.arguments}".strip() for each in calls if well_formed(each) is None]
        positive = int(sample.metadata["positive"])
        right = int(load_tools()[sample.metadata["tool"]].first_call(valid) is not None)
        triggered = int(bool(valid)) if positive or self._any_tool_is_false_alarm else right
        judged = int(judgement is not None)
        verdict = judgement or Judgement()
        return Score(
            {
                "trigger_precision": (positive * triggered, triggered),
                "trigger_recall": (positive * triggered, positive),
                "type_accuracy": (positive * right, positive * triggered),
                "parameter_accuracy": (verdict.mean, judged),
            },
            {
                "calls": "\n".join(f"{call.name} {call.arguments}" for call in valid),
                "malformed_calls": "\n".join(malformed),
                "parameters_accepted": ("yes" if verdict.mean == 1 else "no") if verdict.marks else "",
            },
            failure=verdict.failure,
        )


def _call_to_judge(sample: Sample, calls: Sequence[ToolCall]) -> ToolCall | None:
    """Return the call whose parameters are judged: of the right tool, where it was needed and has parameters."""
    tool = load_tools()[sample.metadata["tool"]]
    valid = [call for each in calls if (call := well_formed(each)) is not None]
    return tool.first_call(valid) if sample.metadata["positive"] and tool.has_parameters else None
