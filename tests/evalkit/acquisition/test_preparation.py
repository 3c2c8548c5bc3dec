"""Data sets got from local copies of hub repositories, and from a server of files on this machine."""

import io
import json
import shutil
import tarfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.acquisition.preparation import Acquisition, Download, one_at_a_time, place_archives, prepare
from evalkit.acquisition.unpacking import Placement
from evalkit.datasets import open_dataset
from evalkit.errors import DataError
from tasks.asr import Transcription
from tests.evalkit.datasets.file_server import FileServer

datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def wav(samples: int) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, np.sin(np.arange(samples) / 10), 16_000, format="WAV")
    return content.getvalue()


def rows(count: int, **columns: Any) -> list[dict[str, Any]]:
    return [
        {"id": f"u{n}", "audio": {"bytes": wav(1600 + n), "path": f"u{n}.wav"}, "text": f"text {n}", **columns}
        for n in range(count)
    ]


def repository(folder: Path, *splits: str) -> Path:
    """A copy of a repository whose tables hold their recordings."""
    (folder / "data").mkdir(parents=True)
    for number, split in enumerate(splits, 1):
        table = datasets.Dataset.from_list(rows(number)).cast_column("audio", datasets.Audio(16_000))
        table.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def got(
    config: dict[str, Any], acquisition: Acquisition | None = None, download_urls: bool = False
) -> tuple[Any, list[str]]:
    """The samples that preparing leads to, and what was said."""
    said: list[str] = []
    task = Transcription(name="t", title="T", language="en", dataset=open_dataset(**config))
    prepare(task, config, acquisition or Acquisition(Path("nowhere")), download_urls=download_urls, say=said.append)
    return list(task.samples()), said


def test_tables_are_copied_and_then_read_without_the_hub(tmp_path: Path) -> None:
    hub = {"repository": str(repository(tmp_path / "hub", "train", "test")), "split": "test"}
    path = tmp_path / "data" / "en_us"
    config = {"path": path, "hub": hub, "language": "en"}
    samples, said = got(config)
    assert [(sample.id, sample.references, sample.language) for sample in samples] == [
        ("u0", ("text 0",), "en"),
        ("u1", ("text 1",), "en"),
    ]
    assert [len(sample.audio[0].waveform(16_000)) for sample in samples] == [1600, 1601]
    assert [file.name for file in (path / "data").iterdir()] == ["test-00000-of-00001.parquet"]
    shutil.rmtree(tmp_path / "hub")
    again, said = got(config)
    assert (again, said) == (samples, ["t: is there already"])


def test_a_copy_that_broke_off_is_completed(tmp_path: Path) -> None:
    hub = {"repository": str(repository(tmp_path / "hub", "age", "scene")), "split": ["age", "scene"]}
    config = {"path": tmp_path / "data", "hub": {**hub, "split_group": "dimension"}}
    tables = tmp_path / "data" / "data"
    tables.mkdir(parents=True)
    shutil.copy(tmp_path / "hub/data/age-00000-of-00001.parquet", tables)
    (tables / ".scene-00000-of-00001.parquet.part").write_bytes(b"PAR1 and no more")
    samples, _ = got(config)
    assert [(sample.id, sample.groups["dimension"]) for sample in samples] == [
        ("age/u0", "age"),
        ("scene/u0", "scene"),
        ("scene/u1", "scene"),
    ]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data" / "thesis").mkdir(parents=True)
    hub = {"repository": str(repository(tmp_path / "hub", "test"))}
    with pytest.raises(DataError, match=r"not recognised as a data set.*holds something else.*\(thesis"):
        got({"path": tmp_path / "data", "hub": hub})
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["thesis"]


def test_tables_become_a_manifest_where_one_is_read(tmp_path: Path) -> None:
    """Nothing that a row holds decides where a file is written."""
    table = [
        {
            "id": name,
            "audio": {"bytes": content, "path": f"/{name}"},
            "answer": "a dog",
            "sub_category": "Animals",
            "client": name[-2:],
            "choices": ["a dog", "a cat"],
        }
        for name, content in [("../../evil", wav(1600)), ("q2", wav(1700)), ("q3", b"not audio")]
    ]
    datasets.DatasetDict({"v05.15.25": datasets.Dataset.from_list(table)}).save_to_disk(tmp_path / "hub")
    config = {
        "path": tmp_path / "data" / "mmau" / "mini.json",
        "columns": {"audio": "audio_id", "text": "answer"},
        "groups": ["sub-category"],
        "metadata": ["choices"],
        "hub": {
            "repository": str(tmp_path / "hub"),
            "split": "v05.15.25",
            "columns": {"id": "id", "text": "answer"},
            "groups": {"sub-category": "sub_category"},
            "metadata": ["choices"],
            "cluster": {"speaker": "client"},
        },
    }
    samples, _ = got(config)
    assert [(sample.id, sample.references) for sample in samples] == [
        (name, ("a dog",)) for name in ("../../evil", "q2", "q3")
    ]
    assert samples[0].groups == {"sub-category": "Animals"}
    assert [sample.clusters for sample in samples] == [{"speaker": name} for name in ("il", "q2", "q3")]
    assert samples[0].metadata == {"choices": ["a dog", "a cat"]}
    assert [len(sample.audio[0].waveform(16_000)) for sample in samples[:2]] == [1600, 1700]
    files = {str(file.relative_to(tmp_path / "data")) for file in (tmp_path / "data").rglob("*") if file.is_file()}
    assert files == {"mmau/mini.json", *(f"mmau/mini-audio/00000{n}" for n in ("1.wav", "2.wav", "3.audio"))}
    (tmp_path / "data/mmau/mini-audio/000002.wav").unlink()
    with pytest.raises(DataError, match=r"000002\.wav: no such audio file; .*mini\.json: is there already"):
        got(config)


def test_plain_urls_are_fetched_only_when_asked_for(tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, each in {
            "corpus/test/manifest.jsonl": json.dumps({"id": "u", "audio": "u.wav", "text": "x"}).encode(),
            "corpus/test/u.wav": wav(1600),
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(each)
            archive.addfile(info, io.BytesIO(each))
    root = tmp_path / "data"
    config = {"path": root / "corpus" / "test"}
    with FileServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.content = content.getvalue()
        acquisition = Acquisition(root, (Placement(("test",), root / "corpus"),), downloads=(Download(server.url),))
        with pytest.raises(DataError, match=r"corpus/test: no such file or folder"):
            got(config, acquisition)
        assert server.asked == []
        server.breaks_after = 100
        with pytest.raises(DataError, match="the connection broke after 100 of"):
            got(config, acquisition, download_urls=True)
        server.breaks_after = None
        (sample,), said = got(config, acquisition, download_urls=True)
        assert sample.id == "u"
        assert server.asked == [None, "bytes=100-"]
        assert said == [f"{server.url}: to {root}/downloads/corpus.tar.gz", said[1]]
        assert said[1].endswith(f"2 new files in {root}/corpus")
        # What is to be unpacked is known by its name; a plain file has a place of its own.
        plain = Acquisition(root, downloads=(Download(server.url, root / "elsewhere"),))
        with pytest.raises(DataError, match=r"no such file or folder"):
            got({"path": root / "nothing"}, plain, download_urls=True)
        assert (root / "elsewhere" / "corpus.tar.gz").read_bytes() == server.content
        with pytest.raises(DataError, match="neither an archive, nor said where to put it"):
            got(
                {"path": root / "nothing"},
                Acquisition(root, downloads=(Download(f"{server.url}?download=1"),)),
                download_urls=True,
            )
        server.shutdown()


def test_a_recipe_is_read_from_its_configuration(tmp_path: Path) -> None:
    acquisition = Acquisition.from_config(
        {
            "archives": [{"members": ["clips", "test.tsv"], "into": "cv/en", "name": "*-en.tar.gz"}],
            "hub_files": {"repository": "a/b", "patterns": ["*.jsonl"], "into": "b"},
            "downloads": [{"url": "https://x/y.json", "into": "b", "sha256": "00"}],
            "by_hand": "Ask.\n",
        },
        tmp_path,
    )
    assert acquisition.placements == (Placement(("clips", "test.tsv"), tmp_path / "cv/en", "*-en.tar.gz"),)
    assert acquisition.hub_files is not None
    assert (acquisition.hub_files.patterns, acquisition.hub_files.into) == (("*.jsonl",), tmp_path / "b")
    assert acquisition.downloads == (Download("https://x/y.json", tmp_path / "b", "00"),)
    assert (acquisition.unpack, acquisition.by_hand) == ((), "Ask.")


def test_two_processes_prepare_one_after_the_other(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "corpus.tar", "w") as archive:
        member = tarfile.TarInfo("corpus/a.txt")
        archive.addfile(member, io.BytesIO())
    acquisition = Acquisition(tmp_path / "data", (Placement(("corpus",), tmp_path / "data"),))
    waiting = threading.Event()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        waiting.set()

    with one_at_a_time(tmp_path / "data", say):
        second = threading.Thread(
            target=place_archives, args=([tmp_path / "corpus.tar"], [acquisition], say), daemon=True
        )
        second.start()
        assert waiting.wait(30)
        assert said == [f"{tmp_path / 'data'}: another process prepares data there; waiting until it is done"]
        assert not (tmp_path / "data").exists()
    second.join(30)
    assert (tmp_path / "data" / "corpus" / "a.txt").is_file()
