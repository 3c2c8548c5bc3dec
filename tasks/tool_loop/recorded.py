"""A saved conversation up to a tool's result: does the model answer from the result?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack, get_args

from evalkit.audio import Audio
from evalkit.chain import CallFailed, Chain, Score
from evalkit.hints import check_choice
from evalkit.metrics.mean import mean_metric
from evalkit.task import CommonSettings, DatasetTask
from evalkit.types import Message, Request, Sample, ToolCall
from tasks.judging import Judgement, Judging, load_judge_prompts
from tasks.steps import AnswerMode, answer
from tasks.tool_loop.loop import result_content
from tasks.verdicts import read_verdict

# Where no data set is at hand to take the shape of a conversation from.
_ONE_TURN = ({"role": "user", "content": [0]},)


class RecordedConversations(DatasetTask):
    """Have the last answer of a turn given anew, with the calls before it and their results as they were recorded.

    The user's recordings are heard as they are; what the assistant said is remembered in writing. A judge says whether
    the answer is grounded in the results. An empty answer is not, without asking the judge.

    Args:
        answer_mode: whether the model is to answer in ``speech`` or in ``text``.
        judge_generation: decoding settings of the judge.
        **common: see ``DatasetTask``; the data set yields samples as ``SavedConversations`` does. The kinds of question
            are ``toolcall``, whose system message stands back behind a recorded one, and ``search_result``.

    Raises:
        ConfigurationError: the mode is unknown.
    """

    details = ("recorded_answer", "answer", "verdict")

    def __init__(
        self,
        *,
        answer_mode: AnswerMode = "speech",
        judge_generation: Mapping[str, Any] | None = None,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(**common)
        check_choice(f"task {self.name}: answer_mode", answer_mode, get_args(AnswerMode))
        self._answer_mode: AnswerMode = answer_mode
        self.roles = ("model", "transcriber", "judge") if answer_mode == "speech" else ("model", "judge")
        self._prompt = self._prompts.of("toolcall")
        self._search_result = self._prompts.of("search_result")
        self._transcriber = self._prompts.of("asr", "transcriber")
        self._judge_prompts = load_judge_prompts("tool_loop")
        self._judging = Judging(read_verdict, ("no", "yes"), generation=dict(judge_generation or {}))
        recipe = {"answer": answer_mode, "judge_prompt": self._judge_prompts.version}
        self.metrics = {"grounded": mean_metric("Grounded answers", recipe=recipe)}

    def chain(self, sample: Sample) -> Chain:
        """Have the model answer, then the transcriber and the judge."""
        words = (yield from answer(self._request(sample), self._transcriber, sample.language)).words
        if not words.strip():
            return self._score(sample, words)
        fields = {**_told(sample.metadata.get("messages", _ONE_TURN)), "answer": words}
        question = self._judge_prompts.question("grounded", fields)
        try:
            judgement = yield from self._judging.judge(question, references=sample.references, answers=(words,))
        except CallFailed as failed:
            judgement = Judgement(failure=failed.failure)
        return self._score(sample, words, judgement)

    def unanswered(self, sample: Sample) -> Score:
        """Score no answer as one that is not grounded."""
        return self._score(sample, "")

    def _request(self, sample: Sample) -> Request:
        messages = sample.metadata.get("messages", _ONE_TURN)
        asked = _last_of_user(messages)
        said = [self._message(sample, message) for message in messages]
        system = sample.metadata.get("system", "")
        prompt = replace(self._prompt, system=system, languages={}) if system else self._prompt
        request = prompt.request(
            said[asked].content,
            language=sample.language,
            history=said[:asked],
            tools=sample.metadata.get("tools", ()),
            output=self._answer_mode,
        )
        return replace(request, messages=(*request.messages, *said[asked + 1 :]))

    def _message(self, sample: Sample, message: Mapping[str, Any]) -> Message:
        content: tuple[str | Audio, ...] = tuple(
            part if isinstance(part, str) else sample.audio[part] for part in message["content"]
        )
        if message["role"] == "tool":
            text = str(message["content"][0])
            content = result_content(self._search_result, message["tool"], text, sample.language)
        calls = tuple(ToolCall.from_json(call) for call in message.get("calls", ()))
        return Message(message["role"], content, calls, message.get("id", ""))

    def _score(self, sample: Sample, words: str, judgement: Judgement | None = None) -> Score:
        verdict = judgement or Judgement()
        details = {
            "recorded_answer": "\n".join(sample.references),
            "answer": words,
            "verdict": ("yes" if verdict.mean else "no") if verdict.marks else "",
        }
        return Score({"grounded": (verdict.mean, 1.0)}, details, verdict.failure)


def _last_of_user(messages: Sequence[Mapping[str, Any]]) -> int:
    return max(number for number, message in enumerate(messages) if message["role"] == "user")


def _told(messages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return conversation and results as the judge is shown them; a recording is known by its being one."""
    asked = _last_of_user(messages)
    lines = [f"{message['role']}: {_words(message)}" for message in messages[: asked + 1]]
    results = [_words(message) for message in messages[asked + 1 :] if message["role"] == "tool"]
    return {"conversation": "\n".join(lines), "results": "\n".join(results)}


def _words(message: Mapping[str, Any]) -> str:
    return " ".join(part if isinstance(part, str) else "(a recording)" for part in message["content"])
