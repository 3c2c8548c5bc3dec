"""Manifests, and the mistakes that people make in them."""

import gzip
import json
import os
import re
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from omegaconf import OmegaConf

from evalkit.audio import Audio
from evalkit.datasets import Manifest, open_dataset
from evalkit.errors import AudioError, ConfigurationError, DataError
from evalkit.types import Sample

ROWS = [
    {"id": "u1", "audio": "audio/1.wav", "text": "one", "subset": "clean", "speaker": "s1", "duration": 1.5},
    {"id": "u2", "audio": "audio/2.wav", "text": "two", "subset": "noisy", "speaker": "s1", "duration": 2},
    {"id": "u3", "audio": "audio/3.wav", "text": "", "subset": "clean", "speaker": "s2", "duration": 0.25},
]


def jsonl(folder: Path, rows: list[dict[str, Any]], name: str = "manifest.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def written(folder: Path, content: str | bytes, name: str = "manifest.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(manifest: Iterable[Sample]) -> str:
    with pytest.raises(DataError) as caught:
        list(manifest)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_fields_become_a_sample(tmp_path: Path) -> None:
    first, _, third = Manifest(jsonl(tmp_path, ROWS), groups=["subset", "speaker"], language="en")
    assert (first.id, first.references, first.language) == ("u1", ("one",), "en")
    assert first.groups == {"subset": "clean", "speaker": "s1"}
    assert first.metadata == {}
    (audio,) = first.audio
    assert (audio.locator, audio.path, audio.duration) == ("audio/1.wav", tmp_path / "audio" / "1.wav", 1.5)
    assert third.references == ("",)


def test_no_audio_file_needs_to_exist_before_it_is_read(tmp_path: Path) -> None:
    (sample, *_) = Manifest(jsonl(tmp_path, ROWS))
    with pytest.raises(AudioError, match="no such audio file"):
        sample.audio[0].waveform(16000)


def test_it_can_be_read_again_and_from_the_middle(tmp_path: Path) -> None:
    manifest = Manifest(jsonl(tmp_path, ROWS))
    next(iter(manifest))
    assert [sample.id for sample in manifest] == [sample.id for sample in manifest] == ["u1", "u2", "u3"]


@pytest.mark.parametrize("key", ["language", "lang"])
def test_a_row_s_own_language_goes_before_the_default(tmp_path: Path, key: str) -> None:
    rows = [ROWS[0] | {key: "yue"}, ROWS[1] | {key: None}, ROWS[2]]
    assert [sample.language for sample in Manifest(jsonl(tmp_path, rows), language="zh")] == ["yue", "zh", "zh"]


def test_columns_of_other_names(tmp_path: Path) -> None:
    rows = [{"key": 7, "wav": "a.wav", "sentence": "hi", "locale": "en", "seconds": "3", "text": None}]
    columns = {"id": "key", "audio": "wav", "text": "sentence", "language": "locale", "duration": "seconds"}
    (sample,) = Manifest(jsonl(tmp_path, rows), columns=columns, metadata=["seconds"], groups={"place": "locale"})
    assert (sample.id, sample.references, sample.language) == ("7", ("hi",), "en")
    assert (sample.audio[0].locator, sample.audio[0].duration) == ("a.wav", 3.0)
    assert (sample.metadata, sample.groups) == ({"seconds": "3"}, {"place": "en"})


def test_samples_can_go_without_audio_or_reference(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [{"id": "q1", "question": "why?", "text": None}])
    (sample,) = Manifest(path, columns={"audio": None, "text": None}, metadata={"asked": "question"})
    assert (sample.audio, sample.references, sample.metadata) == ((), (), {"asked": "why?"})


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"subset": "clean"}, ["u1", "u3"]),
        ({"subset": ["clean", "noisy"], "speaker": "s1"}, ["u1", "u2"]),
        ({"take": 2, "good": True}, ["u2"]),
    ],
)
def test_where_selects_rows(tmp_path: Path, where: dict[str, Any], ids: list[str]) -> None:
    rows = [ROWS[0], ROWS[1] | {"take": "2", "good": True}, ROWS[2] | {"take": 2, "good": False}]
    assert [sample.id for sample in Manifest(jsonl(tmp_path, rows), where=where)] == ids


def test_where_that_selects_nothing_names_the_values_there_are(tmp_path: Path) -> None:
    message = refusal(Manifest(jsonl(tmp_path, ROWS), where={"subset": "cleam"}))
    assert "(subset: cleam); rows have subset: clean, noisy" in message


def test_options_may_be_containers_of_omegaconf(tmp_path: Path) -> None:
    options: Any = OmegaConf.create(
        {
            "columns": {"text": "subset", "duration": None},
            "groups": ["speaker"],
            "metadata": {"seconds": "duration"},
            "where": {"subset": ["clean"]},
        }
    )
    first, second = Manifest(jsonl(tmp_path, ROWS), **options)
    assert (first.references, first.groups, first.metadata) == (("clean",), {"speaker": "s1"}, {"seconds": 1.5})
    assert (second.id, second.audio[0].duration) == ("u3", None)


def test_csv_is_quoted_and_tsv_is_not(tmp_path: Path) -> None:
    text = 'she said "hi, there"'
    csv = written(tmp_path, 'id,audio,text\r\n1,a.wav,"she said ""hi, there"""\r\n\r\n2,b.wav,\r\n', "m.csv")
    tsv = written(tmp_path, f'id\taudio\ttext\n1\ta.wav\t{text}\n2\tb.wav\t"\n', "m.tsv")
    assert [sample.references for sample in Manifest(csv)] == [(text,), ("",)]
    assert [sample.references for sample in Manifest(tsv)] == [(text,), ('"',)]


def test_empty_csv_fields_count_as_absent_where_a_part_is_optional(tmp_path: Path) -> None:
    path = written(tmp_path, "id,audio,text,lang,duration\n1,a.wav,x,,\n", "m.csv")
    (sample,) = Manifest(path, language="de")
    assert (sample.language, sample.audio[0].duration) == ("de", None)


def test_byte_order_mark_blank_lines_and_missing_last_line_end_are_fine(tmp_path: Path) -> None:
    content = "\ufeff" + json.dumps(ROWS[0]) + "\r\n\r\n" + json.dumps(ROWS[1])
    assert [sample.id for sample in Manifest(written(tmp_path, content))] == ["u1", "u2"]
    csv = written(tmp_path, "\ufeffid,audio,text\n1,a.wav,x\n", "m.csv")
    assert [sample.id for sample in Manifest(csv)] == ["1"]


@pytest.mark.parametrize("marker", [{}, {"id": None}])
def test_without_an_id_the_audio_file_s_name_is_used(tmp_path: Path, marker: dict[str, Any]) -> None:
    rows = [{"audio": f"{folder}/{name}.tar.wav", "text": "x"} | marker for folder, name in (("a", 1), ("b", 2))]
    assert [sample.id for sample in Manifest(jsonl(tmp_path, rows))] == ["1.tar", "2.tar"]


# What can be wrong with a row


def test_duplicate_ids_name_both_lines(tmp_path: Path) -> None:
    path = jsonl(tmp_path, [*ROWS, ROWS[1] | {"audio": "other.wav"}])
    assert refusal(Manifest(path)) == (f"{path} line 4: id 'u2' was already used at {path} line 2; ids must be unique")


def test_duplicate_file_names_without_ids_are_duplicates(tmp_path: Path) -> None:
    rows = [{"audio": f"{speaker}/1.wav", "text": "x"} for speaker in ("s1", "s2")]
    assert "line 2: id '1' was already used" in refusal(Manifest(jsonl(tmp_path, rows)))


def test_ids_with_equal_hashes_are_not_duplicates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalkit.datasets.dataset.hash", lambda _: 1, raising=False)
    path = jsonl(tmp_path, ROWS)
    assert len(list(Manifest(path))) == 3
    jsonl(tmp_path, [*ROWS, ROWS[0]])
    assert "line 4: id 'u1' was already used" in refusal(Manifest(path))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"text": None}, r"line 2: the reference is None, not a text"),
        ({"text": 5}, r"line 2: the reference is 5, not a text"),
        ({"audio": ""}, r"line 2: the audio path is '', not the name of a file"),
        ({"audio": None}, r"line 2: the audio path is None, not the name of a file"),
        ({"id": ""}, r"line 2: the id is ''"),
        ({"id": ["u"]}, r"line 2: the id is \['u'\]"),
        ({"duration": "long"}, r"line 2: the duration is 'long', not a number of seconds"),
        ({"duration": -1}, r"line 2: the duration is -1"),
        ({"duration": float("nan")}, r"line 2: the duration is nan"),
    ],
)
def test_a_value_of_the_wrong_kind_names_its_line(tmp_path: Path, row: dict[str, Any], complaint: str) -> None:
    path = jsonl(tmp_path, [ROWS[0], ROWS[1] | row])
    assert re.search(complaint, refusal(Manifest(path)))


def test_a_missing_key_names_line_and_nearest_key(tmp_path: Path) -> None:
    row = {"id": "u2", "audio": "a.wav", "texts": "two"}
    message = refusal(Manifest(jsonl(tmp_path, [ROWS[0], row])))
    assert "line 2: no column 'text', did you mean 'texts'? (there are id, audio, texts;" in message


@pytest.mark.parametrize("option", [{"groups": ["speakr"]}, {"metadata": "speakr"}, {"columns": {"id": "speakr"}}])
@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_a_mistyped_column_is_met_with_a_hint(tmp_path: Path, option: dict[str, Any], format_: str) -> None:
    if format_ == "csv":
        path = written(tmp_path, "id,audio,text,speaker\n1,a.wav,x,s\n", "m.csv")
    else:
        path = jsonl(tmp_path, ROWS)
    assert "line 1: no column 'speakr', did you mean 'speaker'?" in refusal(Manifest(path, **option))


def test_a_mistyped_where_of_a_table_is_met_with_a_hint(tmp_path: Path) -> None:
    path = written(tmp_path, "id,audio,text,subset\n1,a.wav,x,clean\n", "m.csv")
    assert "no column 'subst', did you mean 'subset'?" in refusal(Manifest(path, where={"subst": "clean"}))


def test_a_mistyped_part_is_met_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"samples have no 'txt', did you mean 'text'\?"):
        Manifest(tmp_path / "m.jsonl", columns={"txt": "sentence"})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"id": "u1", "audio": "a.wav", "text": "one"}\n{"id": "u2", \n', "line 2: not JSON"),
        ('["u1", "a.wav", "one"]\n', "line 1: not a JSON object"),
        ("", "the data set has no samples"),
        ("\n\n", "the data set has no samples"),
    ],
)
def test_json_lines_that_are_not(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    assert complaint in refusal(Manifest(written(tmp_path, content)))


def test_a_json_file_is_one_array_of_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + json.dumps(ROWS, indent=2), "set.json")
    options: dict[str, Any] = {"groups": ["subset"], "where": {"speaker": "s1"}}
    assert list(Manifest(path, **options)) == list(Manifest(jsonl(tmp_path, ROWS), **options))
    (tmp_path / "manifest.jsonl").unlink()
    path.rename(tmp_path / "manifest.json")
    assert [sample.id for sample in open_dataset(tmp_path)] == ["u1", "u2", "u3"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('[\n  {"id": "u1", "audio": "a.wav", "text": "one"},\n]', "set.json line "),
        ('{"id": "u1"}\n{"id": "u2"}\n', "line 1: no column 'audio'"),
        ('{"rows": []}', "line 1: no column 'audio'"),
        ('"rows"', "set.json: not a JSON array"),
        ('[{"id": "u\\ud83d", "audio": "a.wav", "text": "one"}]', "set.json item 1: holds half of a character"),
        ("[" * 100_000, "set.json: not JSON that can be read (nested too deep)"),
        ('[{"id": "u1", "audio": "a.wav", "text": "one"}, "u2"]', "set.json item 2: not a JSON object"),
        ('[{"id": "u1", "audio": "a.wav"}]', "set.json item 1: no column 'text'"),
        (json.dumps([ROWS[0], ROWS[0]]), "set.json item 2: id 'u1' was already used at "),
        ("[]", "the data set has no samples"),
        ("", "line 1: not JSON"),
        ('[{"id": "\u00e9"}]'.encode("latin-1"), "line 1: byte 10 of the line (0xe9) is not UTF-8"),
    ],
)
def test_a_json_file_that_is_none(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    assert complaint in refusal(Manifest(written(tmp_path, content, "set.json")))


def test_a_group_that_is_a_list_is_known_by_its_values(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"subset": ["clean"]}, ROWS[1] | {"subset": ["clean", "far"]}, ROWS[2] | {"subset": None}]
    path = jsonl(tmp_path, rows)
    groups = [sample.groups for sample in Manifest(path, groups=["subset"])]
    assert groups == [{"subset": "clean"}, {"subset": "clean, far"}, {}]
    assert [sample.id for sample in Manifest(path, where={"subset": "clean"})] == ["u1"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("id,audio,text\n1,a.wav,one\n2,b.wav\n", "line 3: 2 fields, but the header names 3"),
        ('id,audio,text\n1,a.wav,"one\n2,b.wav,two\n', "line 3: unexpected end of data"),
        ("id,audio,text\n", "the data set has no samples"),
        ("", "line 1: no column 'audio'"),
    ],
)
def test_csv_that_is_not(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    assert complaint in refusal(Manifest(written(tmp_path, content, "m.csv")))


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "latin-1"])
def test_other_encodings_than_utf_8_name_line_and_byte(tmp_path: Path, encoding: str) -> None:
    text = "é" if encoding == "latin-1" else "你好"
    rows = [ROWS[0], ROWS[1] | {"text": text}]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(encoding)
    line = 1 if encoding == "utf-16" else 2
    message = refusal(Manifest(written(tmp_path, content)))
    assert re.search(rf"line {line}: byte \d+ of the line \(0x[0-9a-f]{{2}}\) is not UTF-8; save", message)


def test_a_missing_manifest_is_an_error_when_it_is_read(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "none.jsonl")
    assert "none.jsonl: cannot be opened (No such file or directory)" in refusal(manifest)
    with pytest.raises(ConfigurationError, match=r"a manifest's name ends in \.jsonl"):
        Manifest(tmp_path / "manifest.xlsx")


# As other programs write them


def test_usual_names_of_columns_are_understood(tmp_path: Path) -> None:
    """NeMo's, those of folders on the hub, wenet's list, and an object a line in a file named .json."""
    forms = {
        "nemo.json": '{"audio_filepath": "a.wav", "duration": 1.5, "text": "one"}\n',
        "metadata.csv": "file_name,transcription\na.wav,one\n",
        "metadata.jsonl": '{"file_name": "a.wav", "sentence": "one"}\n',
        "data.list": '{"key": "a", "wav": "a.wav", "txt": "one"}\n',
    }
    for name, content in forms.items():
        (sample,) = open_dataset(written(tmp_path, content, name))
        assert (sample.id, sample.audio[0].locator, sample.references) == ("a", "a.wav", ("one",)), name
    (tmp_path / "folder").mkdir()
    for name in ("metadata.csv", "metadata.jsonl", "data.list"):
        (tmp_path / name).rename(tmp_path / "folder" / name)
        assert [sample.id for sample in open_dataset(tmp_path / "folder")] == ["a"]
        (tmp_path / "folder" / name).unlink()


def test_packed_lines_are_read_and_damage_in_them_is_named(tmp_path: Path) -> None:
    packed = gzip.compress((json.dumps(ROWS[0]) + "\n").encode())
    (tmp_path / "m.jsonl.gz").write_bytes(packed)
    assert [sample.id for sample in Manifest(tmp_path / "m.jsonl.gz")] == ["u1"]
    (tmp_path / "m.jsonl.gz").write_bytes(packed[:-12])
    assert re.search(r"m\.jsonl\.gz line 1: cannot be read", refusal(Manifest(tmp_path / "m.jsonl.gz")))


def test_a_row_may_be_a_part_of_a_recording(tmp_path: Path) -> None:
    times = np.arange(3 * 16000) / 16000
    soundfile.write(tmp_path / "a.flac", np.sin(2 * np.pi * 100 * times) * times / 4, 16000)
    whole = soundfile.read(tmp_path / "a.flac", dtype="float32")[0]
    rows = [{"audio": "a.flac", "text": "x", "offset": start, "duration": 1.0} for start in (0, 1.25)]
    first, second = Manifest(jsonl(tmp_path, rows))
    assert [first.id, second.id] == ["a", "a-1.250"]
    np.testing.assert_array_equal(second.audio[0].waveform(16000), whole[20000:36000])
    assert second.audio[0].duration == 1.0
    assert len({first.audio[0].digest(), second.audio[0].digest()}) == 2
    again = Audio("again", content=second.audio[0].encoded).waveform(16000)
    np.testing.assert_allclose(again, whole[20000:36000], atol=1e-4)
    (late,) = Manifest(jsonl(tmp_path, [rows[1] | {"duration": 9}]))
    with pytest.raises(AudioError, match=r"ends before 10\.25 seconds"):
        late.audio[0].waveform(16000)
    assert "no duration" in refusal(Manifest(jsonl(tmp_path, [{"audio": "a.flac", "text": "x", "offset": 1}])))


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.jsonl"])
def test_a_text_may_be_as_long_as_it_likes(tmp_path: Path, name: str) -> None:
    text = "so " * 100_000
    separator = "\t" if name == "m.tsv" else ","
    content = f"id{separator}audio{separator}text\nu1{separator}a.wav{separator}{text}\n"
    if name == "m.jsonl":
        content = json.dumps({"id": "u1", "audio": "a.wav", "text": text})
    (sample,) = Manifest(written(tmp_path, content, name))
    assert sample.references == (text,)


def test_languages_by_name_and_what_is_none(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"language": name, "id": name} for name in ("Mandarin Chinese", "English", "zh-Hant-HK")]
    assert [sample.language for sample in Manifest(jsonl(tmp_path, rows))] == ["zh", "en", "zh-Hant-HK"]
    for value in (5, ["en"], {"code": "en"}, "quite unknown", True):
        path = jsonl(tmp_path, [ROWS[0], ROWS[1] | {"language": value}])
        message = refusal(Manifest(path))
        assert "line 2: the language is" in message
        assert "columns={language: null}" in message
        assert len(list(Manifest(path, columns={"language": None}, language="de"))) == 2


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"id": "a\\ud83d", "audio": "a.wav", "text": "x"}', r"holds half of a character \(\\ud83d alone\)"),
        ('{"id": "a", "audio": "a.wav", "text": "x", "subset": "\\udc00"}', "holds half of a character"),
        ("[" * 200_000, "nested too deep"),
        ('{"id": ' + "[" * 200_000, "nested too deep"),
        ('{"id": ' + "9" * 5000 + ', "audio": "a.wav", "text": "x"}', "line 1: not JSON that can be read"),
        ('{"id": "a", "audio": "a.wav", "text": "x", "duration": ' + "9" * 400 + "}", "duration"),
    ],
)
def test_what_nothing_could_store_is_refused_with_its_line(tmp_path: Path, line: str, complaint: str) -> None:
    message = refusal(Manifest(written(tmp_path, line + "\n")))
    assert re.search(complaint, message)
    assert "line 1" in message
    assert len(message) < 1000


def test_whole_characters_written_as_two_halves_are_fine(tmp_path: Path) -> None:
    (sample,) = Manifest(written(tmp_path, '{"id": "a", "audio": "a.wav", "text": "\\ud83d\\ude00"}\n'))
    assert sample.references == ("😀",)


# Where audio may lie


def test_any_absolute_path_is_allowed_where_the_user_says_so(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    path = jsonl(tmp_path / "set", [ROWS[0] | {"audio": f"{tmp_path}/elsewhere/a.wav"}])
    message = refusal(Manifest(path))
    assert message.endswith(f"++tasks.<name>.dataset.root={tmp_path}")
    for root in (tmp_path, "/"):
        (sample,) = Manifest(path, root=root)
        assert sample.audio[0].path == tmp_path / "elsewhere" / "a.wav"


@pytest.mark.parametrize("path", ["../secret.wav", "audio/../../secret.wav", "/etc/secret.wav"])
def test_a_path_out_of_the_data_root_names_line_and_root(tmp_path: Path, path: str) -> None:
    manifest = Manifest(jsonl(tmp_path, [ROWS[0], ROWS[1] | {"audio": path}]))
    message = refusal(manifest)
    assert f"line 2: audio path {path!r} leads out of the data root {tmp_path}" in message
    assert "root=" in message


def test_a_sibling_whose_name_begins_alike_is_outside(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    path = jsonl(tmp_path / "set", [ROWS[0] | {"audio": f"{tmp_path}/set2/a.wav"}])
    assert "leads out of the data root" in refusal(Manifest(path))


def test_a_wider_root_allows_siblings_and_absolute_paths(tmp_path: Path) -> None:
    (tmp_path / "set1").mkdir()
    rows = [
        ROWS[0] | {"audio": "../set2/a.wav"},
        ROWS[1] | {"audio": f"{tmp_path}/set1/b.wav"},
        ROWS[2] | {"audio": "./sub//../c.wav"},
    ]
    audio = [sample.audio[0] for sample in Manifest(jsonl(tmp_path / "set1", rows), root=tmp_path)]
    assert [recording.locator for recording in audio] == ["../set2/a.wav", "b.wav", "c.wav"]
    assert audio[0].path == tmp_path / "set2" / "a.wav"


def test_a_root_behind_a_link_takes_absolute_paths_by_either_name(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    os.symlink(tmp_path / "disk", tmp_path / "data")
    rows = [ROWS[0] | {"audio": f"{tmp_path}/disk/a.wav"}, ROWS[1] | {"audio": f"{tmp_path}/data/b.wav"}]
    samples = list(Manifest(jsonl(tmp_path / "data", rows)))
    assert [sample.audio[0].locator for sample in samples] == ["a.wav", "b.wav"]


def test_a_link_out_of_the_data_root_is_refused_when_read(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "1.wav").write_bytes(b"secret")
    os.symlink(tmp_path / "outside", tmp_path / "set" / "audio")
    (sample,) = Manifest(jsonl(tmp_path / "set", ROWS[:1]))
    with pytest.raises(DataError, match=r"audio/1\.wav: a link leads out of the data root"):
        sample.audio[0].waveform(16000)


def test_memory_does_not_grow_with_the_manifest(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.jsonl"
        line = {"audio": "a.wav", "text": "x" * 2000}
        with path.open("w") as file:
            file.writelines(json.dumps({"id": f"{i:06d}", **line}) + "\n" for i in range(rows))
        tracemalloc.start()
        assert sum(1 for _ in Manifest(path)) == rows
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    # All that is kept of a row is a hash of its id: an integer in a set, which doubles as it is enlarged.
    assert peak(5_000) - peak(500) < 4_500 * 250


def test_real_manifests_read_as_they_are(shared_data: Path) -> None:
    expected = {"librispeech_test_other": 75, "librispeech_clean": 9, "aishell1": 93, "cantonese": 14}
    for name, count in expected.items():
        assert len(list(Manifest(shared_data / name / "manifest.jsonl"))) == count
    questions = Manifest(shared_data / "audio_qa" / "manifest.jsonl", root=shared_data, columns={"text": None})
    locators = [sample.audio[0].locator for sample in questions]
    assert len(locators) == 51
    assert any(locator.startswith("../ravdess/") for locator in locators)
