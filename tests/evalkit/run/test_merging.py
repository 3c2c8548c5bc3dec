"""Shards that are made one run: the same bytes as without, what is missing named, what does not belong refused."""

import json
import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from evalkit import object_mirror
from evalkit.audio import Audio
from evalkit.cli.main import main
from evalkit.errors import ConfigurationError, EvalkitError, StoreError
from evalkit.object_store import copy_of, fetched, held
from evalkit.results.copying import join_responses
from evalkit.results.folder import RunFolder
from evalkit.results.metrics_file import read_run
from evalkit.results.responses import ResponseStore
from evalkit.results.shards import Shard
from evalkit.run.audit import audit_run
from evalkit.run.merging import MissingShardsError, merge
from evalkit.run.rescore import rescore
from evalkit.types import Call, Response
from tests.conftest import DEMO_SPEECH
from tests.evalkit.inference.chains import question
from tests.runs import make_run

CALL = Call("model", question("5"))
TASK = "librispeech_other"
WORDS = "the cat sat on a mat while seventeen geese flew over colour television sets".split()
DRAWN = random.Random(1)
REFERENCES = {f"{number % 7}-{number}": " ".join(DRAWN.choices(WORDS, k=9)) for number in range(40)}
# Some samples have no answer, and so fail.
ANSWERS = {id_: " ".join(DRAWN.sample(text.split(), 8)) for id_, text in REFERENCES.items() if not id_.endswith("7")}
# It helps the session that a failure happens in: the first one of stored predictions says more.
SAID_OF_FAILURES = ["reason", "responses"]
SETTINGS = (
    f"tasks.{TASK}.dataset.cluster_by_id.speaker=(\\d+)-.*",
    "statistics.resamples=100",
    "spread=true",
    "limit=38",
)


def made(folder: Path, runs: str, *overrides: str, references: dict[str, str] = REFERENCES) -> Path:
    """A run whose folder is not the data's, so that another one has the same data."""
    make_run(folder, "run", references, ANSWERS, *SETTINGS, *overrides, f"runs={folder / runs}")
    return folder / runs / "run"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def whole(data: Path) -> Path:
    return made(data, "whole")


@pytest.fixture(scope="module")
def three_shards(data: Path) -> Path:
    return [made(data, "shards", f"shard={number}/3") for number in (3, 1, 2)][-1]


@pytest.fixture
def sharded(three_shards: Path, tmp_path: Path) -> Path:
    return shutil.copytree(three_shards, tmp_path / "run")


def changed(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def refusal(run: Path) -> str:
    with pytest.raises(EvalkitError) as caught:
        merge(run)
    assert not (run / "metrics.json").exists()
    return str(caught.value)


def test_shards_have_no_figures_for_the_run_until_they_are_merged_and_then_the_very_bytes(
    sharded: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [path.name for path in sharded.iterdir()] == ["shards"]
    assert main(["list", "runs", str(sharded.parent)]) == 0
    assert "run  " in (listed := capsys.readouterr().out)
    assert "not merged, 3 of 3 shards begun" in listed
    with pytest.raises(StoreError, match="before its shards are merged: `evalkit merge"):
        read_run(sharded)
    for _ in range(2):
        run = merge(sharded)
        assert run.folder == sharded
        assert (sharded / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()
    table, expected = (read_run(each).scores(TASK).drop_columns(SAID_OF_FAILURES) for each in (sharded, whole))
    assert table.equals(expected)
    answers = [sorted((each / TASK / "model.jsonl").read_text().splitlines()) for each in (sharded, whole)]
    asked = [[{k: v for k, v in json.loads(line).items() if k != "response"} for line in each] for each in answers]
    assert asked[0] == asked[1]
    merged, plain = (json.loads((run / "provenance.json").read_text()) for run in (sharded, whole))
    assert sorted(session["shard"] for session in merged["sessions"]) == ["1/3", "2/3", "3/3"]
    for key in ("data", "models", "left_out"):
        assert merged[key] == plain[key]
    assert merged["usage"][TASK]["model"]["answers"] == plain["usage"][TASK]["model"]["answers"]
    rescore(sharded)
    assert (sharded / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()
    assert audit_run(sharded).findings == ()


@pytest.mark.slow  # processes start
@pytest.mark.parametrize("processes", [1, 2])
def test_shards_of_many_chunks_are_merged_in_several_processes_too(
    whole: Path, sharded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    plain = shutil.copytree(whole, tmp_path / "plain")
    monkeypatch.setattr("evalkit.run.merging.ROWS_AT_ONCE", 4)
    monkeypatch.setattr("evalkit.results.scores.ROWS_AT_ONCE", 4)
    rescore(plain)  # a digest depends on the size of chunks
    for shard in (sharded / "shards").iterdir():
        rescore(shard)
    monkeypatch.setattr("evalkit.run.merging.processes_for", lambda samples: processes)
    merge(sharded)
    assert (sharded / "metrics.json").read_bytes() == (plain / "metrics.json").read_bytes()
    table, expected = (read_run(each).scores(TASK).drop_columns(SAID_OF_FAILURES) for each in (sharded, plain))
    assert table.equals(expected)


def test_what_is_missing_is_named_with_its_samples(sharded: Path) -> None:
    shutil.rmtree(Shard(2, 3).folder(sharded))
    third = Shard(3, 3).folder(sharded)
    (third / "metrics.json").unlink()
    log = third / TASK / "model.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:5]) + b'{"sample": "torn')
    with closing(RunFolder(Shard(1, 3).folder(sharded))), pytest.raises(MissingShardsError) as caught:
        merge(sharded)
    assert str(caught.value).endswith("run: not merged, 3 of 3 shards are not finished")
    assert [str(each) for each in caught.value.missing] == [
        "shard 1/3, being run; samples without an answer: librispeech_other 0 of 13",
        "shard 2/3, not begun; samples without an answer: librispeech_other 13 of 13",
        "shard 3/3, not finished; samples without an answer: librispeech_other 7 of 12",
    ]
    assert not (sharded / "metrics.json").exists()


def test_a_shard_that_another_machine_is_writing_to_on_an_object_store_is_being_run(
    sharded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fsspec")
    from tests.shared_store import SHARED_STORE

    monkeypatch.setattr(object_mirror, "SECONDS_TO_SETTLE", 0.0)
    monkeypatch.setenv(SHARED_STORE, str(tmp_path))
    shard = f"shared://run/{Shard(2, 3).folder(sharded).relative_to(sharded)}"
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "another machine"))
    with held(copy_of(shard)), monkeypatch.context() as here:
        here.setenv("EVALKIT_CACHE", str(tmp_path / "this machine"))
        with pytest.raises(MissingShardsError) as caught:
            merge(fetched("shared://run"))
    assert [str(each) for each in caught.value.missing] == [
        "shard 2/3, being run; samples without an answer: librispeech_other 0 of 13"
    ]
    assert merge(fetched("shared://run")).tasks[TASK].samples.total == 38
    assert (sharded / "metrics.json").is_file()


def test_a_shard_whose_samples_grew_and_that_was_stopped_then_is_not_finished(sharded: Path) -> None:
    path = Shard(1, 3).folder(sharded) / "metrics.json"
    changed(path, lambda run: run["tasks"][TASK]["samples"].update(total=12, scored=12, failed=0))
    with pytest.raises(MissingShardsError) as caught:
        merge(sharded)
    assert [each.shard for each in caught.value.missing] == [Shard(1, 3)]


def test_a_shard_that_lost_its_provenance_is_not_finished(sharded: Path) -> None:
    (Shard(2, 3).folder(sharded) / "provenance.json").unlink()
    with pytest.raises(MissingShardsError) as caught:
        merge(sharded)
    assert [str(each) for each in caught.value.missing] == [
        "shard 2/3, not finished; samples without an answer: unknown"
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"models": {"model": {"adapter": "other"}}}, "the model's adapter is other, there "),
        ({"left_out": {"aishell": "not here"}}, "it leaves out aishell, there none"),
    ],
)
def test_shards_of_other_models_or_tasks_are_refused(sharded: Path, change: dict[str, Any], reason: str) -> None:
    changed(Shard(2, 3).folder(sharded) / "provenance.json", lambda record: record.update(change))
    message = refusal(sharded)
    assert "2-of-3: is no shard of the run that" in message
    assert "1-of-3 is of: " in message
    assert reason in message


def test_shards_of_other_settings_data_or_versions_are_refused(sharded: Path, tmp_path: Path) -> None:
    config = Shard(3, 3).folder(sharded) / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("resamples: 100", "resamples: 200").replace("data_root: data", "data_root: /other"))
    assert "statistics.resamples is 200, there 100" in refusal(sharded)
    config.write_text(text.replace("title: run", "title: other"))
    assert "model.title is other, there run" in refusal(sharded)
    config.write_text(text)

    def other(**whole: Any) -> None:
        path = Shard(3, 3).folder(sharded) / "provenance.json"
        changed(path, lambda record: record["data"][TASK]["whole"].update(whole))

    other(fingerprint="0" * 32)
    assert f"the samples of {TASK}, what they say or their order are others" in refusal(sharded)
    other(samples=37)
    assert f"37 samples of {TASK} are divided, there 38" in refusal(sharded)
    shutil.rmtree(Shard(3, 3).folder(sharded))
    changed(Shard(2, 3).folder(sharded) / "metrics.json", lambda run: run.update(evalkit="0.0.1"))
    assert "evalkit 0.0.1 made it, there " in refusal(sharded)


def test_scores_of_other_samples_than_were_divided_are_refused(sharded: Path) -> None:
    """As of shards that were begun again after their data had changed, and stopped before they had new scores."""
    for number in (1, 2, 3):
        path = Shard(number, 3).folder(sharded) / "provenance.json"
        changed(path, lambda record: record["data"][TASK]["whole"].update(fingerprint="0" * 32))
    assert "the shards have scores of other samples than were divided" in refusal(sharded)


def test_another_order_of_the_same_samples_is_other_data(tmp_path: Path) -> None:
    made(tmp_path, "runs", "shard=1/2")
    run = made(tmp_path, "runs", "shard=2/2", references=dict(reversed(REFERENCES.items())))
    assert "what they say or their order are others" in refusal(run)


def test_more_shards_than_samples_leave_some_with_nothing_to_do(tmp_path: Path) -> None:
    few = dict(list(REFERENCES.items())[:2])
    settings = ("limit=2", "spread=false", "statistics.cluster=speaker")
    whole = made(tmp_path, "whole", *settings, references=few)
    for number in (3, 1, 2):  # and the fourth is not needed
        run = made(tmp_path, "shards", *settings, f"shard={number}/4", references=few)
    merge(run)
    assert (run / "metrics.json").read_bytes() == (whole / "metrics.json").read_bytes()


def test_a_merged_run_goes_on_like_any_other_and_is_then_not_merged_again(sharded: Path) -> None:
    merge(sharded)
    before = (sharded / "metrics.json").read_bytes()
    provenance = sharded / "provenance.json"
    session = json.loads(provenance.read_text())["sessions"][0]
    session.pop("shard")
    changed(provenance, lambda record: record["sessions"].append(session))
    with pytest.raises(StoreError, match="was continued without shards since"):
        merge(sharded)
    assert (sharded / "metrics.json").read_bytes() == before


def test_a_run_without_shards_is_told_so(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="has no shards"):
        merge(whole)
    with pytest.raises(StoreError, match="has no shards"):
        merge(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(ConfigurationError, match="K/N, such as 3/16"):
        made(tmp_path, "runs", "shard=4/3")


def test_answers_are_joined_without_torn_lines_and_speech_takes_no_further_room(tmp_path: Path) -> None:
    sources = [tmp_path / name for name in ("a", "b", "nothing")]
    sound = sorted(DEMO_SPEECH.rglob("*.flac"))[:2]
    for number, (folder, path) in enumerate(zip(sources, sound, strict=False)):
        with ResponseStore(folder) as store:
            store.append(f"s{number}", 0, CALL, Response("said", speech=Audio(path.name, path)))
        with (folder / "model.jsonl").open("ab") as file:
            file.write(b'{"sample": "torn')
    for _ in range(2):
        join_responses(sources, tmp_path / "all")
    with ResponseStore(tmp_path / "all", writable=False) as store:
        for number, folder in enumerate(sources[:2]):
            response = store.get(f"s{number}", 0, CALL)
            assert response is not None
            assert response.speech is not None
            assert response.speech.path is not None
            assert response.speech.path.samefile(folder / response.speech.locator)
    assert (tmp_path / "all" / "model.jsonl").read_bytes().count(b"\n") == 2
