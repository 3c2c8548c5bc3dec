import shutil
from pathlib import Path

import pytest

from evalkit.errors import ConfigurationError, StoreError
from evalkit.results.folder import RunFolder, read_json


def test_a_folder_is_one_process_at_a_time_and_free_afterwards(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(StoreError, match="another evalkit process is writing to this run"):
        RunFolder(tmp_path / "run")
    folder.close()
    RunFolder(tmp_path / "run").close()


def test_a_folder_belongs_to_the_models_that_answered_in_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.refuse_other_model("model", {"weights": "a"}, {"weights": "a"})
    with pytest.raises(ConfigurationError, match=r"another model \(weights was a, now b\)"):
        folder.refuse_other_model("model", {"weights": "a"}, {"weights": "b"})


def test_a_fingerprint_equals_itself_read_back(tmp_path: Path) -> None:
    fingerprint = {"weights": "a", "languages": ("en", "zh")}
    folder = RunFolder(tmp_path)
    folder.write_json("provenance.json", fingerprint)
    folder.refuse_other_model("model", folder.read("provenance.json"), fingerprint)


def test_json_is_replaced_whole_and_refuses_what_json_does_not_know(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json("x.json", {"value": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_json("x.json", {"value": float("nan")})
    assert read_json(tmp_path / "x.json") == {"value": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "x.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not valid JSON"), ("[1]", "not a JSON object"), ('{"a":"\\uD83d"}', "not valid JSON")],
)
def test_unreadable_json_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(StoreError, match=f"x.json: is {message}"):
        read_json(tmp_path / "x.json")


def test_what_is_set_aside_is_kept_below_replaced(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for number in ("1", "2"):
        folder.write("x.json", number)
        (tmp_path / "task").mkdir()
        folder.set_aside()
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "replaced"]
    assert [(tmp_path / "replaced" / number / "x.json").read_text() for number in ("1", "2")] == ["1", "2"]
    folder.set_aside()
    assert len(list((tmp_path / "replaced").iterdir())) == 2
    shutil.rmtree(tmp_path / "replaced" / "1")
    folder.write("x.json", "3")
    folder.set_aside()
    assert (tmp_path / "replaced" / "3" / "x.json").read_text() == "3"
    with pytest.raises(StoreError, match="another evalkit process"):
        RunFolder(tmp_path)


LINKS = (
    "metrics.json.unfinished",
    "config.yaml",
    "task/scores.parquet.unfinished",
    "task/inner/model.jsonl",
    "task/inner/ab",
    "other",
)


@pytest.mark.parametrize("name", LINKS)
def test_a_folder_with_links_in_it_is_refused_before_anything_is_written_through_them(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "run" / "task" / "inner").mkdir(parents=True)
    (tmp_path / "target").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "target")
    with pytest.raises(StoreError, match=f"{name}: is a link, which a run folder must not hold"):
        RunFolder(tmp_path / "run")
    assert not list((tmp_path / "target").iterdir())
