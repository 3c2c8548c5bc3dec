"""Whether a run is whole: folders in which one thing was damaged, lost, doubled or edited, and what is said of each."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import yaml

from evalkit.audio import Audio
from evalkit.cli.main import main
from evalkit.errors import ConfigurationError, EvalkitError, StoreError
from evalkit.results.metrics_file import read_run
from evalkit.run.audit import audit_run
from evalkit.run.rescore import rescore
from evalkit.types import Call, Failure, Response, Sample
from tests.runs import make_run
from tests.stored_runs import stored_run

TASKS = ("spoken", "other")
SAMPLES = ("a", "b", "c", "silent")
SPOKEN = [Sample(key, (Audio(f"{key}.wav"),), ("42",), "en") for key in SAMPLES]
ROLES = ("model", "transcriber", "judge")
REAL = "librispeech_other"


def task(benchmark: str) -> dict[str, Any]:
    place = {"table": "spoken", "group": "English", "benchmark": benchmark}
    target = "tasks.big_bench_audio.BigBenchAudio"
    return {"_target_": target, "title": benchmark, "answer": "speech", "place": place, "dataset": {}}


CONFIG: dict[str, Any] = {
    "name": "run",
    "statistics": {"level": 0.95, "resamples": 20, "seed": 0},
    "tasks": {name: task(name) for name in TASKS},
    "aggregates": {
        "both": {
            "title": "Both",
            "place": {"table": "spoken", "group": "English", "benchmark": "Both"},
            "members": list(TASKS),
        }
    },
    **{role: {"_target_": f"mine.{role.title()}", "title": role.title()} for role in ROLES},
}
PROVENANCE: dict[str, Any] = {
    "models": {role: {"target": f"mine.{role.title()}"} for role in ROLES},
    "data": {name: {"samples": len(SAMPLES)} for name in TASKS},
}


def answer(call: Call, sample: Sample) -> Response:
    if call.role == "judge":
        return Response(failure=Failure("timeout", "late")) if sample.id == "c" else Response("CORRECT")
    if call.role == "transcriber":
        return Response(f"heard {sample.id}")
    if sample.id == "silent":
        return Response("")
    waveform = np.random.default_rng(ord(sample.id)).uniform(-0.5, 0.5, 1_600).astype(np.float32)
    return Response("written", speech=Audio.of_waveform("said", waveform, 16_000))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of spoken answers of two tasks, written down and judged, with an average; one verdict failed."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    return stored_run(folder, CONFIG, dict.fromkeys(TASKS, SPOKEN), answer, PROVENANCE)


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def found(run: Path) -> list[tuple[str, str | None, str]]:
    return [(each.file, each.sample, each.message) for each in audit_run(run).findings]


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("".join(change(path.read_text(encoding="utf-8").splitlines(keepends=True))), encoding="utf-8")


def line_of(path: Path, sample: str) -> str:
    return next(line for line in path.read_text().splitlines(keepends=True) if json.loads(line)["sample"] == sample)


def speech_of(run: Path, sample: str) -> Path:
    line = json.loads(line_of(run / "spoken" / "model.jsonl", sample))
    return run / "spoken" / str(line["response"]["speech"]["locator"])


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def test_a_run_that_is_whole_is_proven_so_and_left_as_it_is(run: Path) -> None:
    before = state(run)
    audit = audit_run(run)
    assert audit.findings == ()
    assert (audit.tasks, dict(audit.samples)) == (2, {"scored": 6, "failed": 2})
    assert (audit.calls, audit.recordings) == (2 * (4 + 3 + 3), 2 * 3)
    assert state(run) == before


def test_a_real_run_that_failed_in_part_and_was_continued_is_whole(tmp_path: Path) -> None:
    references = {f"s{number}": "the cat" for number in range(4)}
    for _ in range(2):
        run = make_run(tmp_path, "run", references, {"s0": "the cat", "s2": "a cat"}, "statistics.resamples=10")
    assert found(run) == []
    assert (run / REAL / "model.jsonl").read_text().count("\n") == 6, "what failed was asked again"


def test_a_sample_that_was_skipped_after_its_first_answer_is_whole_and_keeps_that_answer(tmp_path: Path) -> None:
    def refused(call: Call, sample: Sample) -> Response | None:
        return None if (call.role, sample.id) == ("transcriber", "b") else answer(call, sample)

    run = stored_run(tmp_path / "run", CONFIG, dict.fromkeys(TASKS, SPOKEN), refused, PROVENANCE)
    assert found(run) == []
    scores = (run / "spoken" / "scores.parquet").read_bytes()
    rescore(run)
    assert (run / "spoken" / "scores.parquet").read_bytes() == scores
    row = pyarrow.parquet.read_table(run / "spoken" / "scores.parquet").to_pylist()[1]
    assert (row["status"], [each["role"] for each in row["responses"]]) == ("skipped", ["model"])


def test_a_response_that_is_gone_is_named_with_its_sample(run: Path) -> None:
    path = run / "spoken" / "transcriber.jsonl"
    gone = line_of(path, "b")
    edit(path, lambda lines: [line for line in lines if line != gone])
    assert found(run) == [("spoken/transcriber.jsonl", "b", "call 1 of its chain has no response")]


def test_a_response_that_is_there_twice_is_named(run: Path) -> None:
    path = run / "spoken" / "judge.jsonl"
    edit(path, lambda lines: [*lines, line_of(path, "a"), line_of(path, "a")])
    assert found(run) == [("spoken/judge.jsonl", "a", "call 2 has 3 accepted responses")]


def test_a_failure_before_an_answer_and_an_answer_to_an_earlier_question_are_history(run: Path) -> None:
    path = run / "spoken" / "transcriber.jsonl"
    record = json.loads(line_of(path, "a"))
    failed = {**record, "response": {"text": "", "seconds": 1.0, "failure": {"kind": "timeout", "message": "late"}}}
    earlier = {**record, "request": "0" * len(record["request"])}
    edit(path, lambda lines: [json.dumps(failed) + "\n", json.dumps(earlier) + "\n", *lines])
    assert found(run) == []


def test_speech_that_was_made_again_after_it_was_lost_is_accepted_once(run: Path) -> None:
    path = run / "spoken" / "model.jsonl"
    edit(path, lambda lines: [*lines, line_of(path, "a")])
    assert found(run) == []


def test_an_answer_that_was_edited_shows_in_the_scores_and_the_figures(run: Path) -> None:
    path = run / "spoken" / "judge.jsonl"
    judged = line_of(path, "a")
    edited = judged.replace('"text":"CORRECT"', '"text":"INCORRECT"')
    edit(path, lambda lines: [edited if line == judged else line for line in lines])
    findings = found(run)
    assert findings[0] == (
        "spoken/scores.parquet",
        "a",
        "does not recompute: responses, verdict, accuracy.correct",
    )
    figures = [message for file, sample, message in findings[1:] if (file, sample) == ("metrics.json", None)]
    assert len(figures) == len(findings) - 1
    assert "tasks.spoken.metrics.accuracy.value is 50.0, and recomputes to 25.0" in figures
    assert any(message.startswith("aggregates.both.metric.value is 50.0") for message in figures)


@pytest.mark.parametrize("keep", [0, 40, 2_000])
def test_speech_that_is_cut_is_named(run: Path, keep: int) -> None:
    path = speech_of(run, "b")
    content = path.read_bytes()
    assert len(content) > keep
    path.write_bytes(content[:keep])
    (finding,) = found(run)
    assert finding[:2] == (f"spoken/{path.relative_to(run / 'spoken')}", "b")


def test_speech_that_is_gone_or_another_is_named(run: Path) -> None:
    gone, other = speech_of(run, "a"), speech_of(run, "b")
    other.write_bytes(gone.read_bytes())
    gone.unlink()
    assert found(run) == [
        (str(gone.relative_to(run)), "a", "no such audio file"),
        (str(other.relative_to(run)), "b", "is not the recording that was stored: its content is another"),
    ]


def test_a_link_out_of_the_folder_is_no_recording_of_the_run(run: Path, tmp_path: Path) -> None:
    path = speech_of(run, "a")
    shutil.move(path, tmp_path / "elsewhere.flac")
    path.symlink_to(tmp_path / "elsewhere.flac")
    (finding,) = found(run)
    assert "a link leads out" in finding[2]


def test_an_edited_figure_is_named_with_what_it_recomputes_to(run: Path) -> None:
    path = run / "metrics.json"
    content = json.loads(path.read_text())
    content["tasks"]["other"]["metrics"]["accuracy"]["value"] = 99.0
    content["aggregates"]["both"]["metric"]["interval"] = None
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    first, second = found(run)[-2:]
    assert first == ("metrics.json", None, "tasks.other.metrics.accuracy.value is 99.0, and recomputes to 50.0")
    assert second[2].startswith("aggregates.both.metric.interval is null, and recomputes to [")


def test_figures_that_are_only_written_otherwise_are_not_the_same_bytes(run: Path) -> None:
    path = run / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert found(run) == [
        ("metrics.json", None, "has the right values, and is not written as evalkit writes them"),
    ]


def rewrite(path: Path, change: Callable[[Any], Any], **options: Any) -> None:
    """Write changed scores that say of themselves that they belong to the same results."""
    digest = pyarrow.parquet.read_metadata(path).metadata[b"evalkit.digest"]
    changed = change(pyarrow.parquet.read_table(path))
    pyarrow.parquet.write_table(changed.replace_schema_metadata({b"evalkit.digest": digest}), path, **options)


def test_scores_that_another_library_wrote_with_the_same_rows_are_the_same(run: Path) -> None:
    path = run / "spoken" / "scores.parquet"
    before = path.read_bytes()
    rewrite(path, lambda table: table, compression="zstd")
    assert path.read_bytes() != before
    assert found(run) == []


def test_a_question_that_was_edited_is_not_the_one_that_was_asked(run: Path) -> None:
    path = run / "spoken" / "judge.jsonl"
    line = line_of(path, "b")
    assert "heard b" in line
    edit(path, lambda lines: [each.replace("heard b", "heard 42") if each == line else each for each in lines])
    assert found(run) == [("spoken/judge.jsonl", "b", "call 2 was asked another question than is recorded")]


def test_a_reference_that_was_edited_in_the_scores_is_not_what_was_asked(run: Path) -> None:
    references = [["42"], ["43"], ["42"], ["42"]]

    def edited(table: Any) -> Any:
        return table.set_column(table.schema.names.index("references"), "references", pyarrow.array(references))

    rewrite(run / "spoken" / "scores.parquet", edited)
    assert found(run) == [("spoken/judge.jsonl", "b", "call 2 of its chain has no response")]


def test_a_reference_that_was_edited_and_scored_by_is_not_that_of_the_data_set(tmp_path: Path) -> None:
    run = make_run(tmp_path, "run", {"a": "the cat", "b": "a mat"}, {"a": "the cat", "b": "the hat"})
    assert found(run) == []

    def edited(table: Any) -> Any:
        return table.set_column(table.schema.names.index("references"), "references", [[["the cat"], ["the hat"]]])

    rewrite(run / REAL / "scores.parquet", edited)
    rescore(run)
    assert read_run(run).tasks[REAL].metric.value == 0
    message = "has other ids or references than the data set that was asked about"
    assert found(run) == [(f"{REAL}/scores.parquet", None, message)]


def test_a_statistic_that_was_edited_in_the_scores_does_not_recompute(run: Path) -> None:
    def edited(table: Any) -> Any:
        return table.set_column(
            table.schema.names.index("accuracy.correct"), "accuracy.correct", [[1.0, 0.0, 0.0, 0.0]]
        )

    rewrite(run / "spoken" / "scores.parquet", edited)
    assert found(run) == [("spoken/scores.parquet", "b", "does not recompute: accuracy.correct")]


def test_scores_of_another_run_do_not_belong(run: Path) -> None:
    path = run / "spoken" / "scores.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path), path)
    ((file, sample, message),) = found(run)
    assert (file, sample) == ("spoken/scores.parquet", None)
    assert "does not belong to the metrics.json of this run" in message


def test_a_row_that_is_there_twice_is_named(run: Path) -> None:
    rewrite(run / "spoken" / "scores.parquet", lambda table: pyarrow.concat_tables([table, table.slice(1, 1)]))
    assert ("spoken/scores.parquet", "b", "has more than one row") in found(run)


@pytest.mark.parametrize(
    ("role", "tail", "message"),
    [("judge", '{"sample": "a", "ca', "its last line is cut short"), ("model", "{]\n", "line 5 is damaged")],
)
def test_a_damaged_line_is_named(run: Path, role: str, tail: str, message: str) -> None:
    with (run / "spoken" / f"{role}.jsonl").open("a") as file:
        file.write(tail)
    ((file_, sample, said),) = found(run)
    assert (file_, sample) == (f"spoken/{role}.jsonl", None)
    assert said.startswith(message)


def test_another_model_than_the_provenance_has_is_named(run: Path) -> None:
    path = run / "provenance.json"
    path.write_text(path.read_text().replace("mine.Judge", "mine.Other"))
    assert found(run) == [
        ("provenance.json", None, f"its judge is not the one that task {name} was measured with") for name in TASKS
    ]


def test_a_larger_request_that_was_not_finished_is_named(run: Path) -> None:
    path = run / "provenance.json"
    path.write_text(json.dumps({**PROVENANCE, "data": {**PROVENANCE["data"], "spoken": {"samples": 9}}}))
    assert found(run) == [
        ("metrics.json", None, "task spoken has results of 4 samples, and 9 were asked for last"),
    ]


def test_an_unfinished_run_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(EvalkitError, match="calls failed"):
        make_run(tmp_path, "run", {"s0": "a", "s1": "b"}, {}, "max_failures=0")
    assert found(tmp_path / "run") == [("metrics.json", None, "is not there: the run has no results yet")]


def test_a_task_without_a_result_is_named(run: Path) -> None:
    path = run / "metrics.json"
    content = json.loads(path.read_text())
    del content["tasks"]["other"]
    content |= {"aggregates": {}, "unfinished": ["other"]}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    assert found(run) == [("metrics.json", None, "task other has no result yet")]


def test_results_of_a_task_that_the_configuration_lacks_are_named(run: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["tasks"]["other"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert found(run) == [("config.yaml", None, "does not have the task other, which the run has results of")]


@pytest.mark.parametrize("file", ["config.yaml", "metrics.json", "provenance.json"])
def test_a_file_that_cannot_be_read_is_a_finding(run: Path, file: str) -> None:
    (run / file).write_text("{")
    assert [found[0] for found in found(run)] == [file]


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a run folder"):
        audit_run(tmp_path)


def test_a_task_of_an_unknown_package_is_not_made(run: Path) -> None:
    path = run / "config.yaml"
    path.write_text(path.read_text().replace("tasks.big_bench_audio", "os"))
    with pytest.raises(ConfigurationError, match="--allow os"):
        audit_run(run)


def test_the_command_prints_a_line_for_each_finding_and_exits_with_1(
    run: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", str(whole)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{whole}: whole; tasks: 2; samples: 6 scored, 2 failed; calls: 20; recordings: 6"
    ]
    path = speech_of(run, "a")
    path.unlink()
    assert main(["audit", str(whole), str(run)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"{path}: sample a: no such audio file"
    assert lines[2].startswith(f"{run}: not whole, 1 finding; ")
    assert main(["audit", str(whole), str(run), "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert (first["whole"], second["whole"]) == (True, False)
    assert second["findings"] == [{"file": str(path.relative_to(run)), "sample": "a", "message": "no such audio file"}]


def test_parts_of_requests_that_are_gone_are_named_once(tmp_path: Path) -> None:
    config = {**CONFIG, "tasks": {"spoken": CONFIG["tasks"]["spoken"]}, "aggregates": {}}
    config["model"] = {**CONFIG["model"], "prompts": {"spoken_question": {"system": "Be kind. " * 100}}}
    run = stored_run(tmp_path / "run", config, {"spoken": SPOKEN}, answer, PROVENANCE)
    assert not found(run)
    path = run / "spoken" / "asked" / "model.jsonl"
    path.write_text(path.read_text().replace("Be kind", "Be mean"))
    ((file, sample, message),) = found(run)
    assert (file, sample) == ("spoken/model.jsonl", "a")
    assert "asked/model.jsonl: lacks what requests refer to as" in message
