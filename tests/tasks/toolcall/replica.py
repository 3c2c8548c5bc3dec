"""A small copy of the benchmark's layout, and models that answer by rule from what they really hear or read."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.types import Request, Response, ToolCall

RATE = 16_000

# For each file its sessions: what the user says in each turn, and the reference.
SESSIONS: Mapping[str, Sequence[tuple[list[str], str]]] = {
    "timbre_positive": [(["换成北京大爷的口音"], '<tool_call>function\ntimbre_rag\n{"query": "北京大爷"}</tool_call>')],
    "timbre_negative": [(["说快一点"], "好的，我说快一点。")],
    "get_date_time_positive": [
        (["你好", "现在几点了"], "<tool_call>function\nget_date_time\n{}</tool_call>"),
        (["请问几点钟了"], "<tool_call>function\nget_date_time\n{}</tool_call>"),
    ],
    "get_date_time_negative": [
        (["北京天气怎么样"], '<tool_call>function\nget_weather\n{"location": "beijing"}</tool_call>')
    ],
    "get_weather_positive": [
        (["成都天气怎么样"], '<tool_call>function\nget_weather\n{"location": "chengdu"}</tool_call>'),
        (["上海呢，天气好吗"], '<tool_call>function\nget_weather\n{"location": "shanghai"}</tool_call>'),
        (["那边冷不冷"], '<tool_call>function\nget_weather\n{"location": "chengdu"}</tool_call>'),
    ],
    "get_weather_negative": [(["谢谢你"], "不客气。")],
    "web_search_positive": [
        (["你好", "帮我查一下今天上证指数"], '<tool_call>function\nweb_search\n{"query": "上证指数"}</tool_call>')
    ],
    "web_search_negative": [(["讲个笑话吧"], "从前有座山。")],
}


def write_replica(folder: Path, *, unpacked_in: str = "Step-Audio_Toolcall") -> Path:
    """Write the eight files and a tone of its own length for every turn of the user."""
    root = folder / unpacked_in
    (root / "wav").mkdir(parents=True)
    spoken = 0
    for stem, sessions in SESSIONS.items():
        lines = []
        for number, (words, reference) in enumerate(sessions):
            turns: list[dict[str, Any]] = []
            for text in words:
                name = f"wav/{stem}.jsonl-{number}-{len(turns)}.wav"
                spoken += 1
                tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE // 100 * spoken) / RATE)
                soundfile.write(root / name, tone, RATE)
                turns.append({"from": "human", "value": {"type": "wav", "value": name}, "text": text})
                turns.append({"from": "assistant", "text": "我在听。"})
            turns[-1]["text"] = reference
            turns[0]["session_id"] = number
            lines.append(json.dumps(turns, ensure_ascii=False) + "\n")
        (folder / f"{stem}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def spoken_words(replica: Path) -> dict[int, str]:
    """What recordings say, by their length in hundredths of a second."""
    words = {}
    for stem in SESSIONS:
        for line in (replica / f"{stem}.jsonl").read_text(encoding="utf-8").splitlines():
            for turn in json.loads(line)[:-1]:
                file = replica / "Step-Audio_Toolcall" / turn.get("value", {}).get("value", "")
                if file.is_file():
                    words[round(100 * soundfile.info(file).duration)] = turn["text"]
    return words


def reply(words: str) -> Response:
    """Call tools by keywords, in a different syntax for each tool."""
    if "查一下" in words:
        return Response(f'好的。<tool_call>function\nsearch\n{{"query": "{words[5:]}"}}</tool_call>')
    if "几点" in words:
        return Response("", tool_calls=(ToolCall("get_date_time", "", "call-1"),))
    if "天气" in words:
        place = "shanghai" if "上海" in words else words[:2]
        return Response(f'{{"name": "get_weather", "arguments": {{"location": "{place}"}}}}')
    if "口音" in words or "快一点" in words:
        return Response(f'<tool_call>function timbre_rag {{"query": "{words}"}}</tool_call>')
    return Response(f"你说：{words}")


def judgement(question: str) -> str:
    """Accept parameters unless the function asks for English and is given something else."""
    function = _between(question, "function")
    arguments = json.loads(_between(question, "arguments"))
    wrong = "英文" in function and any(not value.isascii() for value in arguments.values())
    return f"The function was read.\n**Verdict: {'no' if wrong else 'yes'}**"


class Caller(ModelAdapter):
    """Replies to what it really hears or reads in the last turn of a replica's conversations."""

    capabilities = Capabilities(sample_rate=RATE, tools=True, batch_size=3)

    def __init__(self, path: str) -> None:
        self._words = spoken_words(Path(path))

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Response:
        said = request.messages[-1].content[0]
        return reply(said if isinstance(said, str) else self._words[round(100 * len(said.waveform(RATE)) / RATE)])

    def fingerprint(self) -> dict[str, Any]:
        return {"model": "caller by rule"}


class PlaceNameJudge(ModelAdapter):
    """Judges by rule; the path is not used."""

    capabilities = Capabilities(sample_rate=None, audio_input=False)

    def __init__(self, path: str) -> None:
        self._path = path

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [Response(judgement(str(request.messages[-1].content[0]))) for request in requests]

    def fingerprint(self) -> dict[str, Any]:
        return {"model": "judge by rule"}


def _between(text: str, tag: str) -> str:
    found = re.search(rf"<{tag}>\n(.*?)\n</{tag}>", text, re.DOTALL)
    assert found is not None
    return found[1]
