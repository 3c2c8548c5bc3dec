"""The layout in which URO-Bench is distributed, in small replicas, and what can be wrong with it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import soundfile

from evalkit.errors import AudioError, ConfigurationError, DataError
from tasks.uro_bench import UroBenchSubset
from tests.conftest import write_jsonl
from tests.uro_bench import task_of_mode

ROW = {"id": "0", "source_wav": "audio/0.wav", "source_text": "Why is the sky blue?"}


def subset(folder: Path, *rows: dict[str, Any], **options: Any) -> UroBenchSubset:
    write_jsonl(folder / "test.jsonl", list(rows))
    return UroBenchSubset(folder, **options)


def test_questions_of_one_round(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        ROW,
        {**ROW, "id": 1, "target_text": "It scatters light."},
        {**ROW, "id": 2, "target_text": ["Light.", "Air."], "emotion": "happy", "style": "as a poem", "other": 3},
    ]
    first, second, third = subset(tmp_path, *rows, language="en")
    assert (first.id, first.language, first.groups) == ("0", "en", {})
    assert first.metadata == {"questions": ["Why is the sky blue?"]}
    assert [audio.path for audio in first.audio] == [tmp_path / "audio/0.wav"]
    # Without an answer of its own, as in Repeat, the question is the reference.
    assert first.references == ("Why is the sky blue?",)
    assert (second.id, second.references) == ("1", ("It scatters light.",))
    assert (third.references, third.groups) == (("Light. / Air.",), {"emotion": "happy", "style": "as a poem"})


def test_conversations(tmp_path: Path) -> None:
    dialogue = [
        {"round": number, "source_wav": f"0_{number}.wav", "source_text": f"q{number}", "target_text": f"r{number}"}
        for number in range(3)
    ]
    (sample,) = subset(tmp_path, {"id": 7, "num_round": 3, "dialogue": dialogue})
    assert sample.id == "7"
    assert [audio.locator for audio in sample.audio] == ["0_0.wav", "0_1.wav", "0_2.wav"]
    assert sample.references == ("r0", "r1", "r2")
    assert sample.metadata == {"questions": ["q0", "q1", "q2"]}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({**ROW, "id": None}, "the id is None"),
        ({**ROW, "id": True}, "the id is True"),
        ({**ROW, "source_wav": "../../etc/passwd"}, "leads out of the data root"),
        ({**ROW, "source_wav": "/etc/passwd"}, "leads out of the data root"),
        ({**ROW, "source_wav": ""}, "'source_wav' is empty"),
        ({**ROW, "source_text": 5}, "'source_text' is 5, not a text"),
        ({**ROW, "target_text": None}, "'target_text' is None, not a text"),
        ({**ROW, "target_text": []}, "'target_text' is \\[\\], not a text"),
        ({**ROW, "emotion": 1}, "'emotion' is 1"),
        ({"id": 1, "num_round": 2, "dialogue": [ROW]}, "'num_round' is 2, but 'dialogue' has 1 rounds"),
        ({"id": 1, "num_round": 0, "dialogue": []}, "'dialogue' is not a list of rounds"),
        ({"id": 1, "num_round": 1, "dialogue": ["hello"]}, "'dialogue' is not a list of rounds"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=f"test.jsonl line 2: .*{complaint}"):
        list(subset(tmp_path, {**ROW, "id": "first"}, row))


@pytest.mark.parametrize("line", ["{", "[1]", "[" * 100_000])
def test_a_line_that_is_no_object_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps(ROW) + "\n\n" + line, encoding="utf-8")
    with pytest.raises(DataError, match="line 3: not (a )?JSON"):
        list(UroBenchSubset(tmp_path))


def test_where_ids_repeat_samples_are_known_by_the_numbers_of_their_rows(tmp_path: Path) -> None:
    samples = list(subset(tmp_path, {**ROW, "id": 7}, {**ROW, "id": 8}, {**ROW, "id": 7}))
    assert [sample.id for sample in samples] == ["0", "1", "2"]


@pytest.mark.parametrize(("answer", "reference"), [(150, "150"), (1.5, "1.5"), ("150", "150")])
def test_a_number_is_an_answer(tmp_path: Path, answer: object, reference: str) -> None:
    (sample,) = subset(tmp_path, {**ROW, "target_text": answer})
    assert sample.references == (reference,)


@pytest.mark.parametrize("name", ["test-00000-of-00001.parquet", "test/0000.parquet"])
def test_the_tables_of_the_hub(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    soundfile.write(tmp_path / "0.wav", np.full(1600, 0.1), 16_000)
    recording = {"bytes": (tmp_path / "0.wav").read_bytes(), "path": "0.wav"}
    rows = [
        {"id": 0, "source_wav": recording, "source_text": "q", "target_text": ["a", "b"], "emotion": "sad"},
        {"id": 1, "source_wav": recording, "source_text": "r", "target_text": None, "emotion": None},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / name)
    first, second = UroBenchSubset(tmp_path, language="en")
    assert (first.id, first.references, first.groups) == ("0", ("a / b",), {"emotion": "sad"})
    assert (second.id, second.references, second.groups) == ("1", ("r",), {})
    assert first.audio[0].waveform(16_000).size
    (tmp_path / name).write_bytes(b"no table")
    with pytest.raises(DataError, match="cannot be read as a table"):
        list(UroBenchSubset(tmp_path))


def test_conversations_in_tables_have_numbered_columns(tmp_path: Path) -> None:
    recording = {"bytes": b"RIFF", "path": "0.wav"}
    rounds = {f"source_wav{n}": recording for n in range(2)} | {f"source_text{n}": f"q{n}" for n in range(2)}
    rows = [{"id": 0, **rounds}, {"id": 1, "source_wav0": recording, "source_text0": "only"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "test-0.parquet")
    first, second = UroBenchSubset(tmp_path)
    assert (first.metadata["questions"], len(first.audio)) == (["q0", "q1"], 2)
    assert (second.metadata["questions"], len(second.audio)) == (["only"], 1)


def test_a_subset_that_is_not_there(tmp_path: Path) -> None:
    absent = UroBenchSubset(tmp_path / "nowhere")
    assert not absent.at_hand
    with pytest.raises(DataError, match="unpack URO-Bench-data.zip"):
        list(absent)


def test_a_link_out_of_the_subset_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (tmp_path / "data" / "audio").mkdir(parents=True)
    (tmp_path / "data" / "audio" / "0.wav").symlink_to(tmp_path / "secret.wav")
    (sample,) = subset(tmp_path / "data", ROW)
    with pytest.raises(AudioError, match="leads out of the data root"):
        sample.audio[0].waveform(16_000)
    (sample,) = UroBenchSubset(tmp_path / "data", root=tmp_path)
    with pytest.raises(AudioError, match="cannot be read as audio"):
        sample.audio[0].waveform(16_000)


@pytest.mark.parametrize(
    ("mode", "row", "complaint"),
    [
        ("gs", ROW, "has no style"),
        ("ue", ROW, "has no emotion"),
        ("ml", ROW, "has no requirement"),
        ("ge", ROW, "has no emotion"),
        ("open", {"id": 0, "num_round": 2, "dialogue": [ROW, ROW]}, "has 2 rounds"),
        ("sa", {"id": 0, "num_round": 2, "dialogue": [ROW, ROW]}, "has 2 rounds"),
        ("multi", {"id": 0, "num_round": 6, "dialogue": [ROW] * 6}, "has 6 rounds, for which the benchmark has no"),
    ],
)
def test_a_sample_without_what_its_mode_asks_about_is_found_before_anything_is_asked(
    tmp_path: Path, mode: str, row: dict[str, Any], complaint: str
) -> None:
    subset(tmp_path, row)
    with pytest.raises(DataError, match=f"test.jsonl: sample 0 {complaint}"):
        list(task_of_mode(mode, folder=tmp_path).samples())


@pytest.mark.parametrize(
    ("mode", "settings", "complaint"),
    [
        ("open", {"version": "v3"}, "version is 'v3'; it must be v1 or v2"),
        ("open", {"answer_mode": "sung"}, "answer_mode is 'sung'"),
        ("srt", {"answer_mode": "text"}, "it is the sound that is judged"),
        ("ge", {"answer_mode": "text"}, "it is the sound that is judged"),
        ("open", {"answer_mode": "text", "rate_naturalness": True}, "it is the sound that is judged"),
    ],
)
def test_settings_that_cannot_be_are_refused(mode: str, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        task_of_mode(mode, **settings)
