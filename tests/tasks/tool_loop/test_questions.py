"""The questions that come with the benchmark, and what is refused of others."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import soundfile

from evalkit.errors import ConfigurationError, DataError
from tasks.tool_loop import Questions
from tasks.tool_loop.loop import names_of, schemas
from tests.stored_samples import as_stored
from tests.tasks.tool_loop.talker import CALLS, FOLDER, SAMPLES


def test_the_questions_are_of_every_kind_and_half_of_them_in_chinese() -> None:
    kinds = Counter((sample.groups["kind"], sample.language) for sample in Questions(FOLDER))
    counts = {"facts": 4, "weather": 3, "time": 2, "arithmetic": 2, "none": 3, "voices": 3}
    assert kinds == {(kind, language): count for kind, count in counts.items() for language in ("en", "zh")}
    offered = {schema["function"]["name"] for schema in schemas()}
    assert {sample.metadata["tool"] for sample in SAMPLES.values()} == offered | {""}
    assert set(CALLS) == {sample.id for sample in SAMPLES.values() if sample.metadata["tool"]}
    sample = SAMPLES["voices-en-1"]
    assert [audio.locator for audio in sample.audio] == [
        "audio/voices-en-opening.flac",
        "audio/voices-en-1.flac",
        "voices/scottish_man.flac",
        "controls/scottish_man.flac",
    ]
    assert as_stored(sample) == sample


def test_the_recordings_are_small_and_all_there() -> None:
    files = set(FOLDER.rglob("*.flac"))
    assert sum(path.stat().st_size for path in files) < 3_000_000
    named = {audio.path for sample in SAMPLES.values() for audio in sample.audio}
    entries = (FOLDER / "voices" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    library = {FOLDER / "voices" / json.loads(entry)["recording"] for entry in entries}
    assert files == named | library
    for path in files:
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (16_000, 1)
        assert 1 < info.duration < 8


def test_a_part_of_the_questions_can_be_read() -> None:
    asked = list(Questions(FOLDER, kinds=["time"], languages=["zh"]))
    assert [sample.id for sample in asked] == ["time-zh-1", "time-zh-2"]
    with pytest.raises(ConfigurationError, match="no group 'tim', did you mean 'time'"):
        Questions(FOLDER, kinds=["tim"])


def test_a_tool_is_known_by_the_names_of_published_data_too() -> None:
    assert names_of("search") == {"search", "web_search"}
    assert names_of("calculate") == {"calculate"}


QUESTION = {
    "id": "q", "kind": "facts", "language": "en", "now": "2025-08-28T10:00", "tool": "search", "evidence": ["x"],
    "answer": "x", "turns": [{"text": "x?", "audio": "x.flac"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"now": None}, "its 'now' is None, not a text"),
        ({"kind": "fact"}, "its 'kind' is 'fact'; it must be facts, weather"),
        ({"evidence": "x"}, "its 'evidence' is 'x', not a list of texts"),
        ({"evidence": []}, "evidence belongs to a question that needs a tool"),
        ({"turns": [{"text": "x?"}]}, "its 'turns' must be a list of objects with a 'text' and an 'audio'"),
        ({"answer": ""}, "its 'answer' is '', not a text"),
        ({"kind": "voices"}, "its 'target' is None, not a text"),
        ({"turns": [{"text": "x?", "audio": "../x.flac"}]}, "leads out of the data root"),
    ],
)
def test_what_is_no_question_is_refused_by_its_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    (tmp_path / "questions.jsonl").write_text(json.dumps(QUESTION | change) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=message) as refused:
        list(Questions(tmp_path))
    assert f"{tmp_path}/questions.jsonl line 1: " in str(refused.value)
