"""Published sessions held by the loop: the model says what is recorded; each word, call and result has its place."""

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from step_audio_2.assistant import Assistant
from step_audio_2.live.conversation import Conversation
from step_audio_2.live.dialogue import Event
from step_audio_2.live.recorded import Recorded, held_again
from step_audio_2.live.saved import About, SavedConversation
from step_audio_2.live.tools import Tool
from step_audio_2.tool_calls import ContentDelta, ToolCall, parse_tool_calls
from tests.step_audio_2.live.steering import Script, ended

pytestmark = pytest.mark.slow  # thousands of tokens, one by one


@dataclass(frozen=True)
class Session:
    """What a user said, what the model answered to it, call by call, and what all calls came to."""

    turns: list[tuple[str, list[str]]]
    results: list[str]

    @classmethod
    def read(cls, line: str) -> "Session":
        session = cls([], [])
        for turn in json.loads(line):
            if turn["from"] == "Human":
                session.turns.append((turn["text"], []))
            else:
                (session.turns[-1][1] if turn["from"] == "Assistant" else session.results).append(turn["text"])
        if "<tool_call>" in session.turns[-1][1][-1]:  # with which the data end
            session.turns[-1][1].append("好。")
            session.results.append("没有结果。")
        return session

    def script(self, tokenizer: Any) -> Script:
        return Script(*(ended(tokenizer.encode(answer)) for _, answers in self.turns for answer in answers))

    def conversation(self, assistant: Assistant, script: Script) -> Conversation:
        results = deque(self.results)
        names = ("timbre_rag", "web_search", "calculate")
        tools = [Tool(name, "…", lambda **_: results.popleft(), {"additionalProperties": True}) for name in names]
        return Conversation(assistant, "小跃", tools, settings=script.settings)

    def rendered(self) -> str:
        """All messages, as the reference has them."""
        results = iter(self.results)
        text = ""
        for said, answers in self.turns:
            text += f"<|BOT|>human\n{said}<|EOT|>"
            for answer in answers:
                text += f"<|BOT|>assistant\n{answer}<|EOT|>"
                if "<tool_call>" in answer:
                    text += f"<|BOT|>input\n{next(results)}<|EOT|>"
        return text


@pytest.mark.parametrize(
    "file", ["timbre_positive", "timbre_negative", "web_search_positive", "get_date_time_negative"]
)
def test_real_sessions_are_held_kept_and_held_again_word_by_word(
    file: str, assistant: Assistant, tokenizer: Any, shared_data: Path, tmp_path: Path
) -> None:
    lines = (shared_data / "stepeval_toolcall" / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        session = Session.read(line)
        script, folder = session.script(tokenizer), tmp_path / str(number)
        dialogue = Recorded(session.conversation(assistant, script), folder, About())
        for said, _ in session.turns:
            list(dialogue.answer(said))
        read = tokenizer.decode(script.prompts[-1])
        last = session.turns[-1][1][-1]
        assert (read + last + "<|EOT|>").endswith(session.rendered())
        saved = SavedConversation.load(folder)
        assert _kept(saved) == [
            (said, [parse_tool_calls(answer) for answer in answers]) for said, answers in session.turns
        ]
        again = session.script(tokenizer)
        for turn, events in held_again(saved, session.conversation(assistant, again)):
            assert _words(events) == turn.words
        assert again.prompts == script.prompts


def _kept(saved: SavedConversation) -> list[tuple[str, list[Any]]]:
    """Users' turns with the words and calls of each answer."""
    turns = []
    for turn in saved.turns:
        texts = [
            answer.words + "".join(ToolCall(call.name, call.arguments).text for call in answer.calls)
            for answer in turn.answers
        ]
        turns.append((turn.user[0].text, [parse_tool_calls(text) for text in texts]))
    return turns


def _words(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ContentDelta))
