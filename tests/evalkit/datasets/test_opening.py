"""One configured data set, wherever it lies; and what identifies it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from evalkit.datasets import Fingerprint, Manifest, open_dataset
from evalkit.errors import ConfigurationError, DataError

ROW = {"id": "u1", "audio": "a.wav", "text": "one"}

LAYOUTS = {
    "manifest_in_folder": {"manifest.csv": "id,audio,text\nu1,a.wav,one\n"},
    "kaldi": {"wav.scp": "u1 a.wav\n", "text": "u1 one\n"},
    "aishell_2": {"wav.scp": "u1\ta.wav\n", "trans.txt": "u1\tone\n"},
    "librispeech": {"61/70/61-70.trans.txt": "u1 one\n"},
    "aishell": {
        "transcript/aishell_transcript_v0.8.txt": "BAC009S0764W0121 甚至 出现\n",
        "wav/test/S0764/BAC009S0764W0121.wav": "",
    },
}


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_is_recognised(tmp_path: Path, layout: str) -> None:
    (sample,) = open_dataset(tree(tmp_path, LAYOUTS[layout]), language="xx")
    expected = ("BAC009S0764W0121", "甚至出现") if layout == "aishell" else ("u1", "one")
    assert (sample.id, *sample.references, sample.language) == (*expected, "xx")


def test_a_language_not_given_is_the_layout_s_own(tmp_path: Path) -> None:
    (sample,) = open_dataset(tree(tmp_path, LAYOUTS["librispeech"]))
    assert sample.language == "en"


@pytest.mark.parametrize("name", ["manifest.jsonl", "in_house.jsonl"])
def test_a_manifest_file_of_any_name(tmp_path: Path, name: str) -> None:
    tree(tmp_path, {name: json.dumps(ROW)})
    dataset = open_dataset(tmp_path / name)
    assert [sample.id for sample in dataset] == ["u1"]
    assert dataset.source == str(tmp_path / name)


def test_parquet_is_recognised_and_takes_its_columns_from_the_hub_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "data").mkdir()
    rows = [{"file": "a.wav", "sentence": "one", "audio": {"bytes": b"RIFF", "path": "a.wav"}}]
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "data" / "test-00000.parquet")
    hub = {"repository": "some/where", "config": "en", "revision": "abc", "columns": {"text": "sentence"}}
    (sample,) = open_dataset(tmp_path / "data", hub=hub, language="en")
    assert (sample.id, sample.references, sample.language) == ("a", ("one",), "en")


def test_a_copy_of_the_hub_s_tables_has_their_columns_not_those_of_the_other_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "copy" / "data").mkdir(parents=True)
    rows = [{"id": "q1", "answer": "one", "sub_category": "x", "audio": {"bytes": b"RIFF", "path": "a.wav"}}]
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "copy" / "data" / "test-00000-of-00001.parquet")
    hub = {"repository": "some/where", "columns": {"text": "answer"}, "groups": {"sub-category": "sub_category"}}
    json_form: dict[str, Any] = {"columns": {"audio": "audio_id", "text": "answer"}, "groups": ["sub-category"]}
    (sample,) = open_dataset(tmp_path / "copy", hub=hub, **json_form)
    assert (sample.id, sample.groups) == ("q1", {"sub-category": "x"})


def test_the_hub_is_asked_when_nothing_is_at_the_path(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")
    datasets.Dataset.from_list([ROW | {"audio": {"bytes": b"RIFF", "path": "a.wav"}}]).save_to_disk(tmp_path / "hub")
    dataset = open_dataset(tmp_path / "none", hub={"repository": str(tmp_path / "hub")}, language="en")
    (sample,) = dataset
    assert (sample.id, sample.language) == ("u1", "en")
    assert dataset.source == f"{tmp_path}/hub (test)"


def test_configured_as_yaml_and_made_without_data(tmp_path: Path) -> None:
    config = OmegaConf.create(
        f"""
        data_root: {tmp_path}
        dataset:
          _target_: evalkit.datasets.open_dataset
          path: ${{data_root}}/in_house
          language: zh
          where: {{subset: [anhui]}}
          groups: [speaker]
          hub: {{repository: some/where, split: test, columns: {{text: text}}}}
        """
    )
    dataset = instantiate(config.dataset)
    rows = [ROW | {"subset": subset, "id": subset, "speaker": "s"} for subset in ("anhui", "shanxi")]
    tree(tmp_path / "in_house", {"manifest.jsonl": "\n".join(map(json.dumps, rows))})
    (sample,) = dataset
    assert (sample.id, sample.language, sample.groups) == ("anhui", "zh", {"speaker": "s"})


def test_data_that_is_nowhere_says_where_it_was_looked_for_and_what_to_set(tmp_path: Path) -> None:
    dataset = open_dataset(tmp_path / "test-clean")
    with pytest.raises(DataError) as caught:
        list(dataset)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/test-clean: no such file or folder")
    assert "tasks.<name>.dataset.path=" in message
    assert "data_root=" in message


def test_neither_path_nor_hub_is_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    dataset = open_dataset(tmp_path / "none", hub={"repository": "some/where"})
    with pytest.raises(DataError, match=r"none: no such file .*data_root=.*and some/where \(test\): .*\[hub\]"):
        list(dataset)


def test_a_folder_of_no_known_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not recognised as a data set"):
        list(open_dataset(tmp_path))
    with pytest.raises(DataError, match="not recognised as of layout kaldi"):
        list(open_dataset(tmp_path, layout="kaldi"))
    tree(tmp_path, {"notes.txt": "x"})
    with pytest.raises(DataError, match=r"notes\.txt: not recognised"):
        list(open_dataset(tmp_path / "notes.txt"))


def test_a_layout_can_be_chosen(tmp_path: Path) -> None:
    tree(tmp_path, LAYOUTS["kaldi"] | {"manifest.jsonl": json.dumps(ROW | {"id": "m1"})})
    assert [sample.id for sample in open_dataset(tmp_path)] == ["m1"]
    assert [sample.id for sample in open_dataset(tmp_path, layout="kaldi")] == ["u1"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, r"neither path= nor hub="),
        ({"path": "x", "layout": "kadli"}, r"no layout 'kadli', did you mean 'kaldi'\?"),
        ({"path": "x", "langauge": "en"}, r"no option 'langauge', did you mean 'language'\?"),
        ({"path": "x", "layout": "librispeech", "where": {}}, r"no option 'where'"),
        ({"hub": {"repo": "a/b"}}, r"dataset hub has no option 'repo'"),
        ({"hub": {"config": "en"}}, r"dataset hub: repository= is missing"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_read(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        open_dataset(**arguments)


def test_an_option_of_another_layout_is_refused_when_the_layout_is_known(tmp_path: Path) -> None:
    dataset = open_dataset(tree(tmp_path, LAYOUTS["kaldi"]), where={"subset": "clean"})
    with pytest.raises(ConfigurationError, match="a data set of layout kaldi has no option 'where'"):
        list(dataset)


def test_importing_the_readers_loads_no_heavy_library() -> None:
    code = (
        "import sys, evalkit.datasets; "
        "print([m for m in ('datasets', 'pyarrow', 'pandas', 'torch', 'soundfile', 'soxr') if m in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


def fingerprint(folder: Path, rows: list[dict[str, Any]]) -> str:
    folder.mkdir()
    tree(folder, {"manifest.jsonl": "\n".join(map(json.dumps, rows))})
    found = Fingerprint()
    for sample in Manifest(folder / "manifest.jsonl"):
        found.add(sample)
    assert found.samples == len(rows)
    return found.hexdigest()


def test_a_fingerprint_is_of_the_samples_not_of_their_order_or_place(tmp_path: Path) -> None:
    rows = [ROW | {"id": f"u{number}", "text": f"text {number}"} for number in range(5)]
    original = fingerprint(tmp_path / "a", rows)
    assert original == fingerprint(tmp_path / "b", rows[::-1])
    assert original == "2a1b2702c3a9fbd3cbe36cb45dc7a90a"
    changed = [
        rows[:4],
        [*rows, rows[0] | {"id": "u5"}],
        [rows[0] | {"text": "Text 0"}, *rows[1:]],
        [rows[0] | {"audio": "b.wav"}, *rows[1:]],
        [rows[0] | {"id": "v0"}, *rows[1:]],
        [rows[0] | {"text": "text 1"}, rows[1] | {"text": "text 0"}, *rows[2:]],
    ]
    others = [fingerprint(tmp_path / f"c{number}", other) for number, other in enumerate(changed)]
    assert len({original, *others}) == 7


def test_no_samples_have_a_fingerprint_too() -> None:
    assert Fingerprint().hexdigest() == "0" * 32
