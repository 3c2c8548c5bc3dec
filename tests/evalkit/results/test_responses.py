import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.errors import StoreError
from evalkit.results.responses import ResponseStore
from evalkit.types import Call, Failure, Message, Request, Response


def call(text: str = "what is said?", role: str = "model") -> Call:
    return Call(role, Request((Message("user", (text,)),)))


def test_a_response_is_found_again_by_another_session(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        store.append("a", 0, call(), Response("中文 \ud800 \n\t“x”", seconds=0.5))
        assert store.get("a", 0, call()) == Response("中文 \ud800 \n\t“x”", seconds=0.5)
    with ResponseStore(tmp_path) as store:
        assert store.get("a", 0, call()) == Response("中文 \ud800 \n\t“x”", seconds=0.5)


def test_another_sample_place_role_or_question_is_another_call(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        store.append("a", 0, call(), Response("x"))
        assert store.get("b", 0, call()) is None
        assert store.get("a", 1, call()) is None
        assert store.get("a", 0, call("and now?")) is None
        assert store.get("a", 0, call(role="judge")) is None


def test_calls_that_share_the_bits_of_an_identity_do_not_share_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalkit.results.log_index._key", lambda *_: 7)
    with ResponseStore(tmp_path) as store:
        store.append("a", 0, call(), Response("x"))
        assert store.get("a", 0, call()) == Response("x")
        assert store.get("b", 0, call()) is None
        assert store.get("a", 1, call()) is None
        assert store.get("a", 0, call("and now?")) is None


def test_a_failure_is_known_in_its_session_and_asked_again_in_the_next(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        store.append("a", 0, call(), Response(failure=Failure("error", "timed out")))
        assert store.get("a", 0, call()) == Response(failure=Failure("error", "timed out"))
    with ResponseStore(tmp_path) as store:
        assert store.get("a", 0, call()) is None
        store.append("a", 0, call(), Response("x"))
    with ResponseStore(tmp_path, writable=False) as store:
        assert store.get("a", 0, call()) == Response("x")


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda record: json.dumps(record, sort_keys=True),
        lambda record: json.dumps(record, separators=(",", ":")) + " ",
        lambda record: json.dumps({**record, "note": "by hand"}, separators=(",", ":"), ensure_ascii=False),
        lambda record: json.dumps({**record, "asked": {}}, separators=(",", ":"), ensure_ascii=False),
        lambda record: "  " + json.dumps(record) + "\r",
    ],
)
def test_a_line_that_something_else_wrote_is_read_whatever_its_form(
    tmp_path: Path, rewritten: Callable[[Any], str]
) -> None:
    with ResponseStore(tmp_path) as store:
        store.append("a", 0, call("中文"), Response('"}{"'))
    path = tmp_path / "model.jsonl"
    path.write_text(rewritten(json.loads(path.read_text(encoding="utf-8"))) + "\n", encoding="utf-8", newline="")
    with ResponseStore(tmp_path, writable=False) as store:
        assert store.get("a", 0, call("中文")) == Response('"}{"')
        assert store.get("a", 0, call("and now?")) is None


@pytest.mark.parametrize("lost", [1, 7, 40])
def test_a_torn_last_line_is_cut_off_and_the_rest_kept(tmp_path: Path, lost: int) -> None:
    with ResponseStore(tmp_path) as store:
        store.append("a", 0, call(), Response("first"))
        store.append("b", 0, call(), Response("second"))
    path = tmp_path / "model.jsonl"
    path.write_bytes(path.read_bytes()[:-lost])
    with ResponseStore(tmp_path) as store:
        assert store.get("a", 0, call()) == Response("first")
        assert store.get("b", 0, call()) is None
        store.append("b", 0, call(), Response("again"))
    assert [json.loads(line)["response"]["text"] for line in path.read_text().splitlines()] == [
        "first",
        "again",
    ]


def test_a_store_of_one_torn_line_is_empty(tmp_path: Path) -> None:
    (tmp_path / "model.jsonl").write_bytes(b'{"sample":"a","ca')
    with ResponseStore(tmp_path) as store:
        assert store.get("a", 0, call()) is None
    assert (tmp_path / "model.jsonl").read_bytes() == b""


def test_lines_longer_than_a_read_come_back_whole(tmp_path: Path) -> None:
    long = "长" * 100_000
    with ResponseStore(tmp_path) as store:
        store.append("a", 0, call(), Response(long))
        store.append("b", 0, call(), Response("short"))
        assert store.get("a", 0, call()) == Response(long)
        assert store.get("b", 0, call()) == Response("short")


def test_answers_are_found_in_whatever_order_while_others_come(tmp_path: Path) -> None:
    said = {str(number): Response(f"{number} " * (number * 37 % 400)) for number in range(300)}
    with ResponseStore(tmp_path) as store:
        for number, (sample, response) in enumerate(said.items()):
            store.append(sample, 0, call(), response)
            for other in (number, number * 7 % (number + 1), number // 2, max(0, number - 1)):
                assert store.get(str(other), 0, call()) == said[str(other)]
    with ResponseStore(tmp_path, writable=False) as store:
        for sample in [*said, *reversed(said)]:
            assert store.get(sample, 0, call()) == said[sample]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", None),
        ("seconds", "soon"),
        ("seconds", -1),
        ("first_sound", True),
        ("replies", [None]),
        ("replies", None),
        ("tokens", 3),
        ("cached", "no"),
        ("failure", None),
        ("overlong", "long"),
        ("logprobs", ["x"]),
    ],
)
def test_a_field_that_cannot_be_is_refused(field: str, value: object) -> None:
    sound = Response("text", seconds=1.0).to_json()
    with pytest.raises(ValueError, match="not a response"):
        Response.from_json({**sound, field: value})


def test_fields_of_a_later_version_are_left_aside_and_none_of_ours_may_lack() -> None:
    assert Response.from_json({"text": "a", "seconds": None, "mood": "good"}) == Response("a")
    for lacking in ({"text": "a"}, {"seconds": 1.0}):
        with pytest.raises(ValueError, match="not a response"):
            Response.from_json(lacking)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    with ResponseStore(tmp_path) as store:
        store.append("a", 0, call(), Response("first"))
    path = tmp_path / "model.jsonl"
    path.write_bytes(path.read_bytes() + b"{]\n" + path.read_bytes())
    with pytest.raises(StoreError, match=r"model\.jsonl: line 2 is damaged"):
        ResponseStore(tmp_path)


FILL_THE_DISK = """
import resource, sys
from pathlib import Path
from evalkit.audio import Audio
from evalkit.errors import StoreError
from evalkit.results.responses import ResponseStore
from evalkit.types import Call, Message, Request, Response
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
written = 0
with ResponseStore(Path(sys.argv[1])) as store:
    try:
        while True:
            store.append(str(written), 0, Call("model", Request((Message("user", ("?",)),))), Response("x" * 1_000))
            written += 1
    except StoreError as error:
        print(written, error)
"""


def test_when_the_disk_is_full_the_store_says_so_and_keeps_every_whole_answer(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    written, _, message = outcome.stdout.partition(" ")
    assert int(written) > 10
    assert "model.jsonl: cannot be written (File too large); the answers before are kept" in message
    lines = (tmp_path / "model.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["sample"] for line in lines] == [str(number) for number in range(int(written))]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/task: cannot be made"):
        ResponseStore(tmp_path / "file" / "task")


@pytest.mark.parametrize("poison", ["null", "5", '{"text":null,"seconds":1}', '{"text":"x","seconds":null,"usage":7}'])
def test_what_is_no_response_is_asked_again(tmp_path: Path, poison: str) -> None:
    """Older versions kept whatever an adapter returned."""
    with ResponseStore(tmp_path) as store:
        store.append("a", 0, call(), Response("first"))
        store.append("b", 0, call(), Response("second"))
    path = tmp_path / "model.jsonl"
    first, second = path.read_text().splitlines()
    head, _, _ = first.partition('"response":')
    path.write_text(f'{head}"response":{poison}}}\n{second}\n')
    with ResponseStore(tmp_path) as store:
        assert store.get("a", 0, call()) is None
        assert store.usage["model"].answers == 1
        store.append("a", 0, call(), Response("again"))
    with ResponseStore(tmp_path) as store:
        assert store.get("a", 0, call()) == Response("again")
        assert store.get("b", 0, call()) == Response("second")


@pytest.mark.parametrize(
    "line", ["null", "[]", "5", "{}", '{"sample":5,"call":0,"request":"","response":{}}', "[" * 9_000]
)
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "model.jsonl").write_text(line + "\n")
    with pytest.raises(StoreError, match=r"model\.jsonl: line 1 is damaged"):
        ResponseStore(tmp_path)


def test_speech_that_was_said_before_is_never_cut_short_for_its_readers(tmp_path: Path) -> None:
    recording = tmp_path / "said.wav"
    soundfile.write(recording, np.random.default_rng(0).uniform(-0.5, 0.5, 160_000), 16_000)
    with ResponseStore(tmp_path / "task") as store:
        said = store.append("a", 0, call(), Response(speech=Audio("said", recording))).speech
        assert said is not None
        assert said.path is not None
        with said.path.open("rb") as reader:
            store.append("b", 0, call(), Response(speech=Audio("said", recording)))
            assert reader.read() == said.path.read_bytes()
        inode = said.path.stat().st_ino
        store.append("c", 0, call(), Response(speech=Audio("said", recording)))
        assert said.path.stat().st_ino != inode, "it was written in place"
    assert len(list((tmp_path / "task" / "speech").rglob("*.flac*"))) == 1


def test_speech_that_is_gone_or_was_replaced_is_asked_again(tmp_path: Path) -> None:
    recording = tmp_path / "said.wav"
    soundfile.write(recording, np.random.default_rng(0).uniform(-0.5, 0.5, 1_600), 16_000)
    with ResponseStore(tmp_path / "task") as store:
        said = store.append("a", 0, call(), Response(speech=Audio("said", recording))).speech
    assert said is not None
    assert said.path is not None
    with ResponseStore(tmp_path / "task") as store:
        assert store.get("a", 0, call()) is not None
    soundfile.write(said.path, np.zeros(1_600), 16_000)
    for _ in range(2):
        with ResponseStore(tmp_path / "task") as store:
            assert store.get("a", 0, call()) is None
        with ResponseStore(tmp_path / "task", writable=False) as store:
            assert store.get("a", 0, call()) is not None, "what was answered can be scored without its sound"
        said.path.unlink(missing_ok=True)
