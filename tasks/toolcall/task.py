"""Tool calling: does the last turn of a spoken conversation lead to the right function call?

The protocol is that of the Step-Audio 2 report (arXiv 2507.16632, section 4.5) and of the benchmark's card. For each
tool there are conversations whose last turn needs it (positives) and as many whose last turn needs none or another one
(negatives). Trigger recall is the share of positives in which any tool is called; trigger precision is the share of
positives among all conversations that trigger; type accuracy is the share of triggered positives in which the right
tool is called; parameter accuracy is the share of those calls whose parameters a judge accepts.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evalkit.audio import Audio
from evalkit.chain import Score
from evalkit.datasets import Dataset
from evalkit.errors import ConfigurationError
from evalkit.metrics.mean import mean_metric
from evalkit.prompts import Prompt
from evalkit.task import DatasetTask
from evalkit.types import Call, Response, Sample, ToolCall
from tasks.judging import Judging, Verdict
from tasks.toolcall.calls import Calls, parse_calls
from tasks.toolcall.parameters import PROMPT_NAME, question, read_verdict
from tasks.toolcall.sessions import history_message
from tasks.toolcall.tools import load_tools

# Where no data set is at hand to take the shape of a conversation from.
_ONE_TURN = ({"role": "user", "text": "TEXT", "audio": 0},)


class ToolCalling(DatasetTask):
    """Have the last turn of each conversation answered, with the tools at hand, and see what is called.

    The conversation before it is given as it was recorded: the user's turns spoken, the assistant's in writing.

    Args:
        name: key of the task in configs and run folders.
        title: what people call the test set.
        dataset: yields samples as ``Sessions`` does.
        prompts: how the model under test wants to be asked, by kind of question; ``toolcall`` is used here.
        input_mode: whether the user's turns are given as ``audio`` or, to a model that reads, as ``text``.
        answer_mode: whether the model is to answer in ``text`` or in ``speech``; calls are text in both.
        false_positive: which call is a false alarm in a negative conversation, whose last turn may well need another
            tool: only one of the ``target_tool``, or one of ``any_tool``. The authors do not say; their published
            counts are possible under both.
        judge_generation: decoding settings of the judge of parameters.
        table: where published tables show the test set.
        expected_samples: how many conversations the complete test set has.
        facts: source, licence, access and the like, for people.

    Raises:
        ConfigurationError: a mode or reading is unknown.
    """

    roles = ("model", "judge")
    compared = ("trigger_precision", "trigger_recall", "type_accuracy", "parameter_accuracy")
    details = ("calls", "malformed_calls", "parameters_accepted")

    def __init__(
        self,
        name: str,
        title: str,
        dataset: Dataset,
        prompts: Mapping[str, Any] | None = None,
        input_mode: Literal["audio", "text"] = "audio",
        answer_mode: Literal["text", "speech"] = "text",
        false_positive: Literal["target_tool", "any_tool"] = "target_tool",
        judge_generation: Mapping[str, Any] | None = None,
        table: Mapping[str, str] | None = None,
        expected_samples: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        for option, value, known in (
            ("input_mode", input_mode, ("audio", "text")),
            ("answer_mode", answer_mode, ("text", "speech")),
            ("false_positive", false_positive, ("target_tool", "any_tool")),
        ):
            if value not in known:
                raise ConfigurationError(f"task {name}: {option} is '{value}'; it must be {' or '.join(known)}")
        super().__init__(name, title, dataset, table=table, expected_samples=expected_samples, facts=facts)
        self._prompt = Prompt.from_profile(prompts or {}, "toolcall")
        self._input_mode = input_mode
        self._answer_mode = answer_mode
        self._any_tool_is_false_alarm = false_positive == "any_tool"
        self._judging = Judging(read_verdict, generation=dict(judge_generation or {}))
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
                "Parameter accuracy", statistics=("accepted", "judged"), recipe={**asked, "judge_prompt": PROMPT_NAME}
            ),
        }

    def next_call(self, sample: Sample, responses: Sequence[Response]) -> Call | None:
        """The conversation, for the model to answer; then its call's parameters, for the judge to accept or not."""
        turns = sample.metadata.get("turns", _ONE_TURN)
        if not responses:
            return self._question_to_model(sample, turns)
        call = _call_to_judge(sample, parse_calls(responses[0]))
        if call is None:
            return None
        tool = load_tools()[sample.metadata["tool"]]
        return self._judging.next_call(question(turns, tool, call), responses[1:], task=self.name, sample_id=sample.id)

    def score(self, sample: Sample, responses: Sequence[Response]) -> Score:
        """Count what was triggered, of the right type, judged and accepted; no answer counts as no call."""
        calls = parse_calls(responses[0]) if responses else Calls()
        positive = int(sample.metadata["positive"])
        right = int(load_tools()[sample.metadata["tool"]].first_call(calls.valid) is not None)
        triggered = int(bool(calls.valid)) if positive or self._any_tool_is_false_alarm else right
        judged = int(_call_to_judge(sample, calls) is not None)
        verdict = self._judging.verdict(responses[1:]) if judged else Verdict()
        return Score(
            {
                "trigger_precision": (positive * triggered, triggered),
                "trigger_recall": (positive * triggered, positive),
                "type_accuracy": (positive * right, positive * triggered),
                "parameter_accuracy": (verdict.mean, judged),
            },
            {
                "calls": "\n".join(f"{call.name} {call.arguments}" for call in calls.valid),
                "malformed_calls": "\n".join(calls.malformed),
                "parameters_accepted": ("yes" if verdict.mean == 1 else "no") if verdict.marks else "",
            },
            failure=verdict.failure,
        )

    def describe(self) -> Mapping[str, Any]:
        """Source, licence and access of the test set, where it is read from, and who wrote the judge's prompt."""
        return {
            **self._facts,
            "read from": self._dataset.source,
            "judge prompt": f"{PROMPT_NAME}, our own: the authors' could not be recovered",
        }

    def _question_to_model(self, sample: Sample, turns: Sequence[Mapping[str, Any]]) -> Call:
        *earlier, last = turns
        return Call(
            "model",
            self._prompt.request(
                (self._content(sample, last),),
                language=sample.language,
                history=[
                    history_message(turns, position, self._content(sample, turn))
                    for position, turn in enumerate(earlier)
                ],
                tools=[tool.schema for tool in load_tools().values()],
                output=self._answer_mode,
                task=self.name,
                sample_id=sample.id,
            ),
        )

    def _content(self, sample: Sample, turn: Mapping[str, Any]) -> Audio | str:
        """A turn as the model gets it: its recording, where it has one that is wanted, else its words."""
        spoken = self._input_mode == "audio" and "audio" in turn
        return sample.audio[int(turn["audio"])] if spoken else str(turn["text"])


def _call_to_judge(sample: Sample, calls: Calls) -> ToolCall | None:
    """The call whose parameters are judged: of the right tool, where it was needed and has parameters."""
    tool = load_tools()[sample.metadata["tool"]]
    return tool.first_call(calls.valid) if sample.metadata["positive"] and tool.has_parameters else None
