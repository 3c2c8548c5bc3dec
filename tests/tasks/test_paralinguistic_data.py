"""StepEval-Audio-Paralinguistic in both forms of its distribution, on replicas that hold two questions a dimension."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hydra.utils import instantiate

from evalkit.errors import AudioError, DataError
from evalkit.run.composition import compose_configuration
from evalkit.types import Response, Sample
from tasks.paralinguistic import DIMENSIONS, DimensionFolders, ParalinguisticQuestions, open_questions
from tests.chains import next_call
from tests.conftest import SHARED_DATA

LABELS = SHARED_DATA.parent / "reference" / "paralinguistic_labels.json"

# The real names of two recordings, which occur in many dimensions with another question attached each time.
NAMES = ("lrsnvSUDQAzTBKmcwmXCnuxXsBiu_3_input.wav", "base_7508752190249389364_67_恐惧_0_input.wav")
RATE = 24_000


def wav(length: int) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, np.sin(np.arange(length) / 9).astype("float32"), RATE, format="WAV")
    return content.getvalue()


def recordings(dimension: str) -> list[tuple[str, bytes, str]]:
    """Name, content and reference answer; no two recordings are of one length."""
    first = 2400 + 2 * list(DIMENSIONS).index(dimension)
    return [(name, wav(first + number), f"{dimension} {number}。") for number, name in enumerate(NAMES)]


def entry(name: str, answer: str) -> dict[str, Any]:
    return {"audio": f"audio/{name}", "task": {"name": "识别说话人年龄", "label": " 20-30岁", "answer": answer}}


def folders(root: Path) -> Path:
    """As the repository Step-Audio2 and the authors' hub repository hold them."""
    for dimension in DIMENSIONS:
        (root / dimension / "audio").mkdir(parents=True)
        entries = []
        for name, content, answer in recordings(dimension):
            (root / dimension / "audio" / name).write_bytes(content)
            entries.append(entry(name, answer))
        text = json.dumps(entries, ensure_ascii=False, indent=4)
        (root / dimension / f"{dimension}.json").write_text(text, encoding="utf-8")
    return root


def tables(root: Path) -> Path:
    """As lmms-lab-audio's hub repository holds them: a split a dimension."""
    datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")
    (root / "data").mkdir(parents=True)
    for dimension in DIMENSIONS:
        rows = [
            {
                "audio": {"bytes": content, "path": name},
                "subset": dimension,
                "task_name": "识别说话人年龄",
                "task_answer": answer,
            }
            for name, content, answer in recordings(dimension)
        ]
        table = datasets.Dataset.from_list(rows).cast_column("audio", datasets.Audio(RATE))
        table.to_parquet(root / "data" / f"{dimension}-00000-of-00001.parquet")
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def task_at(path: Path) -> ParalinguisticQuestions:
    """The task as its configuration makes it, with the data set somewhere else."""
    config = compose_configuration(["task=paralinguistic", f"tasks.paralinguistic.dataset.path={path}"])
    task = instantiate(config.tasks.paralinguistic, name="paralinguistic", prompts={})
    assert isinstance(task, ParalinguisticQuestions)
    return task


def seen(sample: Sample) -> tuple[Any, ...]:
    """What decides how a sample is asked and scored."""
    length = len(sample.audio[0].waveform(RATE))
    return sample.id, sample.references, sample.groups, sample.language, sample.metadata["task_name"], length


@pytest.mark.slow
@pytest.mark.parametrize("make", [folders, tables])
def test_every_form_gives_the_same_questions_in_the_order_of_the_table(tmp_path: Path, make: Any) -> None:
    samples = list(task_at(make(tmp_path / "data set")).samples())
    assert [seen(sample) for sample in samples] == [
        (
            f"{dimension}/{name.removesuffix('.wav')}",
            (f"{dimension} {number}。",),
            {"dimension": column},
            "zh",
            "识别说话人年龄",
            2400 + 2 * place + number,
        )
        for place, (dimension, column) in enumerate(DIMENSIONS.items())
        for number, name in enumerate(NAMES)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("make", [folders, tables])
def test_recordings_of_one_name_are_different_questions(tmp_path: Path, make: Any) -> None:
    """Or a cache would give the answer about the speaker's gender to the question about the age."""
    task = task_at(make(tmp_path / "data set"))
    calls = [next_call(task, sample, ()) for sample in task.samples()]
    assert len({call.request.content_hash() for call in calls if call}) == 22


def test_a_clone_of_the_repository_is_recognised_by_the_folder_in_it(tmp_path: Path) -> None:
    folders(tmp_path / "Step-Audio_Paralinguistic")
    dataset = open_questions(tmp_path)
    assert dataset.source == str(tmp_path / "Step-Audio_Paralinguistic")
    assert len(list(dataset)) == 22


def test_a_dimension_that_is_absent_has_no_questions(tmp_path: Path) -> None:
    folders(tmp_path)
    for dimension in list(DIMENSIONS)[1:]:
        (tmp_path / dimension).rename(tmp_path / f"not {dimension}")
    assert {sample.groups["dimension"] for sample in task_at(tmp_path).samples()} == {"Gender"}


def test_nothing_there_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        list(open_questions(tmp_path / "nowhere"))


def test_a_missing_recording_is_an_error_of_its_sample_only(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "age" / "audio" / NAMES[0]).unlink()
    missing, there = list(DimensionFolders(tmp_path))[2:4]
    with pytest.raises(AudioError, match=r"age/audio/lrsn.*\.wav: no such audio file"):
        missing.audio[0].waveform(RATE)
    assert len(there.audio[0].waveform(RATE)) == 2403


GOOD = entry(NAMES[0], "二十岁。")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[{", r"age\.json line 1: not JSON"),
        ("{}", r"age\.json line 1: 'audio' is None"),
        ([GOOD, 3], "item 2: not a JSON object"),
        ([{"audio": "audio/x.wav"}], "item 1: 'task' is None, not an object with name, label and answer"),
        ([GOOD | {"audio": 7}], "item 1: 'audio' is 7, not a text"),
        ([entry("x.wav", "")], "item 1: 'answer' is '', not a text"),
        ([entry("../../../x.wav", "a")], r"item 1: audio path 'age/audio/\.\./\.\./\.\./x\.wav' leads out of"),
        ([GOOD, GOOD], "item 2: id 'age/lrsn.*' was already used at .*item 1"),
    ],
)
def test_a_broken_entry_is_named(tmp_path: Path, content: Any, complaint: str) -> None:
    (tmp_path / "age").mkdir()
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "age" / "age.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=complaint):
        list(DimensionFolders(tmp_path))


def test_a_dimension_without_its_list_is_an_error(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "pitch" / "pitch.json").unlink()
    with pytest.raises(DataError, match=r"pitch\.json: cannot be opened"):
        list(DimensionFolders(tmp_path))


def test_the_real_labels_make_550_questions(tmp_path: Path) -> None:
    """The benchmark's own lists, without the recordings."""
    if not LABELS.is_file():
        pytest.skip(f"no labels at {LABELS}")
    labels = json.loads(LABELS.read_text(encoding="utf-8"))
    assert labels["_about"]["readme_column"] == dict(DIMENSIONS)
    for dimension in DIMENSIONS:
        (tmp_path / dimension).mkdir()
        entries = [
            {"audio": row["audio"], "task": {"name": row["task"], "label": row["label"], "answer": row["answer"]}}
            for row in labels[dimension]
        ]
        (tmp_path / dimension / f"{dimension}.json").write_text(json.dumps(entries), encoding="utf-8")
    task = task_at(tmp_path)
    samples = list(task.samples())
    assert len(samples) == task.expected_samples == 550
    assert len({sample.audio[0].locator for sample in samples}) == 550
    by_column = [sample.groups["dimension"] for sample in samples]
    assert {column: by_column.count(column) for column in by_column} == dict.fromkeys(DIMENSIONS.values(), 50)


def test_the_judge_is_asked_as_configured(tmp_path: Path) -> None:
    task = task_at(folders(tmp_path))
    sample = next(iter(task.samples()))
    call = next_call(task, sample, (Response(speech=sample.audio[0]), Response("是女的")))
    assert call is not None
    asked = json.loads(call.request.content())
    assert asked["messages"][0] == {"role": "system", "content": ["你是一个专业的文本评估助手"]}
    assert asked["generation"] == {"temperature": 0}
    assert "replies" not in asked, "one reply is the usual number"
