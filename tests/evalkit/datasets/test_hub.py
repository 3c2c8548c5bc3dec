"""Tables in the formats of the Hugging Face hub, on disk: parquet, clones of repositories, ``save_to_disk``."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import soundfile

from evalkit.datasets import HubDataset
from evalkit.datasets.recordings_in_tables import recordings_in_tables
from evalkit.errors import AudioError, ConfigurationError, DataError

datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def flac(samples: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.sin(np.arange(samples) / 10), 16000, format="FLAC")
    return buffer.getvalue()


ROWS: list[dict[str, Any]] = [
    {
        "id": f"u{number}",
        "audio": {"bytes": flac(1600 + number), "path": f"u{number}.flac"},
        "text": f"text {number}",
        "speaker_id": number % 3,
    }
    for number in range(10)
]


def table(rows: list[dict[str, Any]] = ROWS) -> Any:
    """As the hub serves it: its audio column is declared to be decoded."""
    made = datasets.Dataset.from_list(rows)
    features = made.features.copy()
    if "audio" in features and isinstance(rows[0]["audio"], dict):
        features["audio"] = datasets.Audio(sampling_rate=16000)
    return made.cast(features)


def clone(folder: Path) -> Path:
    """A repository with two splits, the second of which cannot be read."""
    (folder / "data" / "test").mkdir(parents=True)
    (folder / "data" / "train").mkdir()
    table().to_parquet(folder / "data" / "test" / "0000.parquet")
    (folder / "data" / "train" / "0000.parquet").write_bytes(b"a thousand hours that nobody asked for")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: clean\n  data_files:\n"
        "  - split: train\n    path: data/train/*.parquet\n"
        "  - split: test\n    path: data/test/*.parquet\n---\n"
    )
    return folder


def parquet_file(folder: Path) -> Path:
    table().to_parquet(folder / "anything.parquet")
    return folder / "anything.parquet"


def parquet_folder(folder: Path) -> Path:
    table().to_parquet(folder / "test-00000-of-00001.parquet")
    return folder


def plain_parquet(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Written without the datasets library, which would look for the files that rows name."""
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "plain.parquet")
    return folder / "plain.parquet"


def saved(folder: Path) -> Path:
    table().save_to_disk(folder / "saved")
    return folder / "saved"


def saved_splits(folder: Path) -> Path:
    datasets.DatasetDict(train=table(ROWS[:2]), test=table()).save_to_disk(folder / "saved")
    return folder / "saved"


@pytest.mark.parametrize("make", [clone, parquet_file, parquet_folder, saved, saved_splits])
def test_every_form_on_disk_gives_the_same_samples(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    dataset = HubDataset(make(tmp_path), "clean", groups={"speaker": "speaker_id"}, language="en")
    samples = list(dataset)
    assert [sample.id for sample in samples] == [f"u{number}" for number in range(10)]
    assert samples[4].references == ("text 4",)
    assert samples[4].groups == {"speaker": "1"}
    assert samples[4].language == "en"
    assert [len(sample.audio[0].waveform(16000)) for sample in samples] == list(range(1600, 1610))
    assert list(dataset) == samples
    digests = {str(sample.audio[0].digest()): sample.audio[0].encoded() for sample in samples}
    assert dict(recordings_in_tables(samples[0].audio[0].tables, digests)) == digests


def test_rows_are_selected_and_their_audio_stays_with_them(tmp_path: Path) -> None:
    samples = list(HubDataset(saved(tmp_path), where={"speaker_id": [2, "1"]}))
    assert [sample.id for sample in samples] == ["u1", "u2", "u4", "u5", "u7", "u8"]
    assert len(samples[3].audio[0].waveform(16000)) == 1605
    with pytest.raises(DataError, match=r"\(speaker_id: 9\); rows have speaker_id: 0, 1, 2"):
        list(HubDataset(tmp_path / "saved", where={"speaker_id": 9}))


def test_only_the_split_asked_for_is_converted(tmp_path: Path) -> None:
    # The other split is not parquet at all: reading it would fail.
    assert len(list(HubDataset(clone(tmp_path), "clean", "test"))) == 10
    with pytest.raises(DataError):
        list(HubDataset(tmp_path, "clean", "train"))


def several_splits(folder: Path) -> Path:
    """A repository whose splits, two of which can be read, have recordings of the same names."""
    clone(folder)
    (folder / "data" / "validation").mkdir()
    table(ROWS[:3]).remove_columns("id").to_parquet(folder / "data" / "validation" / "0000.parquet")
    table().remove_columns("id").to_parquet(folder / "data" / "test" / "0000.parquet")
    card = folder / "README.md"
    another = "  - split: validation\n    path: data/validation/*.parquet\n"
    card.write_text(card.read_text().replace("  - split: test", f"{another}  - split: test"))
    return folder


def test_several_splits_are_read_in_turn_and_told_apart(tmp_path: Path) -> None:
    dataset = HubDataset(
        several_splits(tmp_path), "clean", ["validation", "test"], split_group="part", groups=["speaker_id"]
    )
    samples = list(dataset)
    assert [sample.id for sample in samples] == [
        *(f"validation/u{number}" for number in range(3)),
        *(f"test/u{number}" for number in range(10)),
    ]
    assert samples[1].groups == {"speaker_id": "1", "part": "validation"}
    assert samples[4].groups == {"speaker_id": "1", "part": "test"}
    assert samples[1].audio[0] != samples[4].audio[0]
    assert len(samples[4].audio[0].waveform(16000)) == 1601
    assert list(dataset) == samples
    assert dataset.source == f"{tmp_path} (clean, validation, test)"


def test_a_selection_goes_over_all_splits_and_a_broken_one_is_named(tmp_path: Path) -> None:
    folder = several_splits(tmp_path)
    (only,) = HubDataset(folder, "clean", ["validation", "test"], where={"text": "text 7"})
    assert only.id == "test/u7"
    with pytest.raises(DataError, match=r"\(clean, train\): "):
        list(HubDataset(folder, "clean", ["test", "train"]))
    with pytest.raises(DataError, match=r"\(clean, dev\): there is no split 'dev'; split= can be"):
        list(HubDataset(folder, "clean", ["test", "dev"]))


def test_one_split_in_a_list_is_read_as_by_itself(tmp_path: Path) -> None:
    path = parquet_file(tmp_path)
    assert list(HubDataset(path, split=["test"])) == list(HubDataset(path))


def test_a_table_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = parquet_file(tmp_path)
    assert len(list(HubDataset(path))) == 10
    table(ROWS[:3]).to_parquet(path)
    os.utime(path, (1e9, 1e9))
    assert len(list(HubDataset(path))) == 3


def test_ids_come_from_file_names_or_else_row_numbers(tmp_path: Path) -> None:
    rows = [{"audio": {"bytes": flac(1600), "path": name}, "text": "x"} for name in ("a/b.flac", "c.tar.mp3", None)]
    datasets.DatasetDict({"test.clean": table(rows)}).save_to_disk(tmp_path / "saved")
    samples = HubDataset(tmp_path / "saved", split="test.clean")
    assert [sample.id for sample in samples] == ["b", "c.tar", "test.clean-3"]


def test_recordings_of_one_name_are_told_apart_by_id(tmp_path: Path) -> None:
    rows = [{"id": f"u{n}", "audio": {"bytes": flac(1600 + n), "path": "audio.wav"}, "text": "x"} for n in (0, 1)]
    table(rows).save_to_disk(tmp_path / "saved")
    first, second = HubDataset(tmp_path / "saved")
    assert first.audio[0] != second.audio[0]
    with pytest.raises(DataError, match=r"row 2: id 'audio' was already used at .* row 1"):
        list(HubDataset(tmp_path / "saved", columns={"id": None}))


def test_columns_of_raw_bytes_and_of_paths(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(2000) / 10), 16000)
    rows = [{"id": 1, "raw": flac(1700), "file": "a.wav", "audio": None, "text": "x"}]
    path = tmp_path / "table.parquet"
    datasets.Dataset.from_list(rows).to_parquet(path)
    (from_bytes,) = HubDataset(path, columns={"audio": "raw"})
    (from_path,) = HubDataset(path, columns={"audio": "file"})
    assert len(from_bytes.audio[0].waveform(16000)) == 1700
    assert len(from_path.audio[0].waveform(16000)) == 2000
    assert from_path.audio[0].locator == "a.wav"


def test_a_row_with_a_path_but_no_bytes_points_beside_the_table(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "b.wav", np.sin(np.arange(2000) / 10), 16000)
    path = plain_parquet(tmp_path, [ROWS[0], ROWS[1] | {"audio": {"bytes": None, "path": "b.wav"}}])
    samples = list(HubDataset(path))
    assert [len(sample.audio[0].waveform(16000)) for sample in samples] == [1600, 2000]


@pytest.mark.parametrize(
    ("audio", "complaint"),
    [
        ({"bytes": None, "path": "/etc/secret.wav"}, r"row 2: audio path '/etc/secret\.wav' leads out of"),
        ({"bytes": None, "path": None}, r"row 2: the row has no audio"),
        (None, r"row 2: the row has no audio"),
    ],
)
def test_a_row_without_usable_audio_is_named(tmp_path: Path, audio: dict[str, Any] | None, complaint: str) -> None:
    path = plain_parquet(tmp_path, [ROWS[0], ROWS[1] | {"audio": audio}])
    with pytest.raises(DataError, match=complaint):
        list(HubDataset(path))


def test_damaged_audio_is_an_error_of_its_sample_only(tmp_path: Path) -> None:
    rows = [ROWS[0], ROWS[1] | {"audio": {"bytes": ROWS[1]["audio"]["bytes"][:500], "path": "u1.flac"}}]
    table(rows).save_to_disk(tmp_path / "saved")
    good, bad = HubDataset(tmp_path / "saved")
    assert len(good.audio[0].waveform(16000)) == 1600
    with pytest.raises(AudioError, match="u1: the audio is cut short or damaged"):
        bad.audio[0].waveform(16000)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"columns": {"text": "txt"}}, r"no column 'txt', did you mean 'text'\?"),
        ({"columns": {"audio": "speaker_id"}}, r"column 'speaker_id' is of type int64, not audio"),
        ({"columns": {"text": "speaker_id"}}, r"row 1: the reference is 0, not a text"),
        ({"groups": ["speaker"]}, r"no column 'speaker', did you mean 'speaker_id'\?"),
        ({"split": "dev"}, r"there is no split 'dev'; split= can be test"),
    ],
)
def test_what_a_table_has_not_is_met_with_what_it_has(
    tmp_path: Path, arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        list(HubDataset(parquet_folder(tmp_path), **arguments))


def test_a_saved_split_is_not_taken_for_another(tmp_path: Path) -> None:
    datasets.Dataset.from_list(ROWS, split="train").save_to_disk(tmp_path / "saved")
    assert len(list(HubDataset(tmp_path / "saved", split="train"))) == 10
    with pytest.raises(DataError, match=r"there is no split 'test'; split= can be train"):
        list(HubDataset(tmp_path / "saved"))


@pytest.mark.parametrize("name", ["README.md", ".huggingface.yaml"])
@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:9/a.parquet", "../a.parquet", "/etc/a.parquet", "hf://a/b"])
def test_a_folder_that_names_data_elsewhere_is_refused_before_anything_is_fetched(
    tmp_path: Path, name: str, elsewhere: str
) -> None:
    folder = clone(tmp_path / "c")
    declared = f"configs:\n- config_name: en\n  data_files:\n  - split: test\n    path: {elsewhere}\n"
    (folder / name).write_text(f"---\n{declared}---\n" if name == "README.md" else declared)
    with pytest.raises(DataError, match=rf"{name} names data files outside the folder \({elsewhere}\)"):
        list(HubDataset(folder, config="en"))


def test_a_file_in_a_folder_with_brackets_is_read_and_the_folder_is_said_to_be_unreadable(tmp_path: Path) -> None:
    folder = tmp_path / "br[1]"
    folder.mkdir()
    file = parquet_file(folder)
    assert len(list(HubDataset(file))) == len(list(HubDataset(parquet_file(tmp_path))))
    with pytest.raises(DataError, match="rename the folder"):
        list(HubDataset(folder))


def test_an_unknown_config_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'claen' not found\. Available: \['clean'\]"):
        list(HubDataset(clone(tmp_path), "claen"))


def test_a_text_only_table(tmp_path: Path) -> None:
    datasets.Dataset.from_list([{"id": "q", "text": "why?"}]).save_to_disk(tmp_path / "saved")
    (sample,) = HubDataset(tmp_path / "saved", columns={"audio": None})
    assert (sample.id, sample.audio, sample.references) == ("q", (), ("why?",))


def run_offline(code: str, *path: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join((*path, *sys.path))}
    command = [sys.executable, "-c", f"from evalkit.datasets import *\n{code}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_a_hub_out_of_reach_says_what_to_do(tmp_path: Path) -> None:
    process = run_offline("list(HubDataset('openslr/librispeech_asr', 'clean'))")
    last = process.stderr.strip().splitlines()[-1]
    assert "openslr/librispeech_asr (clean, test): Couldn't reach" in last
    assert "fetch it where there is a network, or name a copy on disk" in last


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigurationError, match=r"needs the datasets library: pip install .*\[hub\]'"):
        list(HubDataset("openslr/librispeech_asr", "clean"))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (
            datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' is a gated dataset on the Hub. Log in."),
            r"accept its terms at https://huggingface\.co/datasets/a/b and log in with `hf auth login`",
        ),
        (
            datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' doesn't exist on the Hub or cannot be accessed."),
            "log in with",
        ),
        (ConnectionError("Couldn't reach 'a/b'"), "fetch it where there is a network"),
        (RuntimeError("Dataset scripts are no longer supported, but found b.py"), "refs/convert/parquet"),
        (ValueError("first line\nsecond line"), "first line$"),
    ],
)
def test_the_hub_s_refusals_become_one_line_of_advice(
    monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset_builder", refuse)
    with pytest.raises(DataError, match=rf"^a/b@v1 \(test\): .*{advice}") as caught:
        list(HubDataset("a/b", revision="v1"))
    assert "\n" not in str(caught.value)
