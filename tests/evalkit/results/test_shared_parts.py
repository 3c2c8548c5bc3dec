"""Conversations and tool schemas are stored once, and every request can still be read whole."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from evalkit.audio import Audio
from evalkit.errors import StoreError
from evalkit.results.copying import copy_responses, join_responses
from evalkit.results.recorded_calls import RecordedCalls
from evalkit.results.responses import ResponseStore
from evalkit.results.shared_parts import StoredParts
from evalkit.types import Call, Message, Request, Response, ToolCall

TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "How the weather is. " * 20, "parameters": {"type": "object"}},
}
INSTRUCTION = Message("system", ("Answer in one sentence, and be kind. " * 10,))


def rounds(count: int, topic: str = "stew") -> list[Request]:
    """The requests of a conversation of so many rounds, each longer by two messages than the one before."""
    messages: list[Message] = [INSTRUCTION]
    requests = []
    for number in range(count):
        messages.append(
            Message("user", (f"Question {number} about {topic}, 长 \ud800?", Audio(f"{topic}-{number}.wav")))
        )
        requests.append(Request(tuple(messages), "en", {"max_new_tokens": 9}, (TOOL,), output="speech", attempt=number))
        reply = (f"Answer {number} about {topic}. " * 5,)
        messages.append(Message("assistant", reply, (ToolCall("get_weather", "{}", f"id-{number}"),), tokens="<1><2>"))
        messages.append(Message("tool", ("rain",), tool_call_id=f"id-{number}"))
    return requests


def stored(folder: Path, conversations: dict[str, list[Request]]) -> None:
    with ResponseStore(folder) as store:
        for sample, requests in conversations.items():
            for position, request in enumerate(requests):
                store.append(sample, position, Call("model", request), Response(f"{sample} {position}"))


def read(folder: Path, sample: str, count: int) -> list[object]:
    with RecordedCalls(folder) as calls:
        scored = [{"role": "model", "text": f"{sample} {number}", "failure": None} for number in range(count)]
        return [call.asked for call in calls.of(sample, scored)]


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.jsonl"))


def test_requests_of_a_conversation_are_read_as_they_were_asked(tmp_path: Path) -> None:
    conversations = {"a": rounds(6), "b": rounds(6, "turnips")}
    stored(tmp_path, conversations)
    for sample, requests in conversations.items():
        assert read(tmp_path, sample, 6) == [json.loads(request.content()) for request in requests]
        with ResponseStore(tmp_path) as store:
            for position, request in enumerate(requests):
                assert store.get(sample, position, Call("model", request)) == Response(f"{sample} {position}")


def test_what_a_conversation_takes_grows_with_its_rounds_and_not_with_their_square(tmp_path: Path) -> None:
    for count in (10, 20, 40):
        stored(tmp_path / str(count), {"a": rounds(count)})
    ten, twenty, forty = (size(tmp_path / str(count)) for count in (10, 20, 40))
    assert forty - twenty < 2.1 * (twenty - ten)
    whole = sum(len(request.content()) for request in rounds(40))
    assert forty < whole / 5


def test_what_samples_share_is_there_once(tmp_path: Path) -> None:
    stored(tmp_path, {f"sample-{number}": rounds(1, str(number)) for number in range(50)})
    parts = (tmp_path / "asked" / "model.jsonl").read_text().splitlines()
    assert len(parts) == 2, "the instruction, and the tools"
    assert (tmp_path / "model.jsonl").read_text().count("be kind") == 0


def test_a_short_request_stands_in_its_line(tmp_path: Path) -> None:
    request = Request((Message("system", ("Be kind.",)), Message("user", ("Who are you?",))))
    stored(tmp_path, {"a": [request]})
    record = json.loads((tmp_path / "model.jsonl").read_text())
    assert record["asked"] == json.loads(request.content())
    assert not (tmp_path / "asked").exists()


def test_another_session_goes_on_with_a_conversation(tmp_path: Path) -> None:
    requests = rounds(4)
    stored(tmp_path, {"a": requests[:2]})
    path = tmp_path / "asked" / "model.jsonl"
    path.write_bytes(path.read_bytes() + b'{"part":"torn')
    with ResponseStore(tmp_path) as store:
        for position in (2, 3):
            store.append("a", position, Call("model", requests[position]), Response(f"a {position}"))
    assert read(tmp_path, "a", 4) == [json.loads(request.content()) for request in requests]


def test_copied_and_joined_responses_bring_their_parts_along(tmp_path: Path) -> None:
    stored(tmp_path / "one", {"a": rounds(3)})
    stored(tmp_path / "two", {"b": rounds(3, "fish")})
    join_responses([tmp_path / "one", tmp_path / "two"], tmp_path / "joined")
    copy_responses(tmp_path / "joined", tmp_path / "copied", ["model"])
    for folder in (tmp_path / "joined", tmp_path / "copied"):
        assert read(folder, "a", 3) == [json.loads(request.content()) for request in rounds(3)]
        assert read(folder, "b", 3) == [json.loads(request.content()) for request in rounds(3, "fish")]


def gone(path: Path) -> None:
    path.unlink()


def edited(path: Path) -> None:
    path.write_text(path.read_text().replace("be kind", "be mean"))


@pytest.mark.parametrize("damage", [gone, edited])
def test_parts_that_are_gone_or_edited_are_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    stored(tmp_path, {"a": rounds(2)})
    damage(tmp_path / "asked" / "model.jsonl")
    with pytest.raises(StoreError, match=r"asked/model\.jsonl: lacks what requests refer to as [0-9a-f]{32}"):
        read(tmp_path, "a", 2)


@pytest.mark.parametrize("name", ["", "x", 7, None, "0" * 32, ["a"]])
def test_names_that_are_none_are_refused(tmp_path: Path, name: object) -> None:
    stored(tmp_path, {"a": rounds(2)})
    with (
        closing(StoredParts(tmp_path / "model.jsonl")) as parts,
        pytest.raises(StoreError, match="lacks what requests"),
    ):
        parts.whole({"messages": [], "shared": {"tools": name}})


def test_a_part_of_another_kind_is_refused(tmp_path: Path) -> None:
    stored(tmp_path, {"a": rounds(2)})
    shared = json.loads((tmp_path / "model.jsonl").read_text().splitlines()[0])["asked"]["shared"]
    with (
        closing(StoredParts(tmp_path / "model.jsonl")) as parts,
        pytest.raises(StoreError, match="lacks what requests"),
    ):
        parts.whole({"messages": [], "shared": {"messages": shared["tools"]}})
