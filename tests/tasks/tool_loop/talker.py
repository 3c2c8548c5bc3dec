"""An assistant that uses its tools well: what it calls for each question, and what it says from the result."""

import json
from collections.abc import Mapping
from functools import cache

import pytest

from evalkit.types import Request, Response, Sample, ToolCall
from model_adapters.tools import OfflineTools
from tasks.tool_loop import Questions
from tests.conftest import DEMO_SPEECH

FOLDER = DEMO_SPEECH.parent / "tool_loop" / "speech"

CALLS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "facts-en-1": ("search", {"query": "how tall is the Green Heron lighthouse"}),
    "facts-en-2": ("web_search", {"query": "Old Lantern theatre designer"}),
    "facts-en-3": ("search", {"query": "Silver Fern railway closed day"}),
    "facts-en-4": ("search", {"query": "Copper Finch award winner 2019"}),
    "facts-zh-1": ("search", {"query": "松果图书馆闭馆时间"}),
    "facts-zh-2": ("search", {"query": "银杏小火车站数"}),
    "facts-zh-3": ("search", {"query": "蓝鲸剧院座位"}),
    "facts-zh-4": ("search", {"query": "红杉奖 二〇二一年得主"}),
    "weather-en-1": ("get_weather", {"location": "oslo"}),
    "weather-en-2": ("get_weather", {"location": "Nairobi"}),
    "weather-en-3": ("get_weather", {"location": "lisbon"}),
    "weather-zh-1": ("get_weather", {"location": "chongqing"}),
    "weather-zh-2": ("get_weather", {"location": "harbin"}),
    "weather-zh-3": ("get_weather", {"location": "xiamen"}),
    "time-en-1": ("get_date_time", {}),
    "time-en-2": ("get_date_time", {}),
    "time-zh-1": ("get_date_time", {}),
    "time-zh-2": ("get_date_time", {}),
    "arithmetic-en-1": ("calculate", {"expression": "487*36"}),
    "arithmetic-en-2": ("calculate", {"expression": "9315/45"}),
    "arithmetic-zh-1": ("calculate", {"expression": "386 × 74"}),
    "arithmetic-zh-2": ("calculate", {"expression": "12600-3875"}),
    "voices-en-1": ("timbre_rag", {"query": "苏格兰口音的男人"}),
    "voices-en-2": ("timbre_rag", {"query": "老爷爷的声音"}),
    "voices-en-3": ("timbre_rag", {"query": "机器人的声音"}),
    "voices-zh-1": ("timbre_rag", {"query": "苏格兰口音的男人"}),
    "voices-zh-2": ("timbre_rag", {"query": "老爷爷的声音"}),
    "voices-zh-3": ("timbre_rag", {"query": "a robot"}),
}
SAMPLES = {sample.id: sample for sample in Questions(FOLDER)}
BY_WORDS = {sample.metadata["turns"][-1]: sample for sample in SAMPLES.values()}


def call_of(sample: Sample) -> ToolCall | None:
    """What it calls for a question; None where no tool is needed."""
    if sample.id not in CALLS:
        return None
    name, arguments = CALLS[sample.id]
    return ToolCall(name, json.dumps(arguments, ensure_ascii=False), "call-1")


def words_of(sample: Sample) -> str:
    """What it says in the end."""
    return f"I think it is {sample.references[0]}." if sample.references else "Gladly."


@cache
def offline_tools() -> OfflineTools:
    """The tools with the data that comes along."""
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("bm25s", reason="bm25s is not installed")
    return OfflineTools(
        documents=str(FOLDER / "documents"), weather=str(FOLDER / "weather.json"), voices=str(FOLDER / "voices")
    )


def result_of(tools: OfflineTools, request: Request) -> Response:
    """What the tools give back."""
    [response] = tools.generate([request])
    return response
