"""A run of many chunks that is audited in several processes: what is found is what one process finds, in its order."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from evalkit.audio import Audio
from evalkit.run.audit import Audit, audit_run
from evalkit.types import Call, Response, Sample
from tests.stored_runs import stored_run

pytestmark = pytest.mark.slow  # processes start

TASK = "spoken"
ROLES = ("model", "transcriber", "judge")
CONFIG: dict[str, Any] = {
    "name": "run",
    "statistics": {"level": 0.95, "resamples": 20, "seed": 0},
    "tasks": {
        TASK: {
            "_target_": "tasks.big_bench_audio.BigBenchAudio",
            "title": "Spoken",
            "answer": "speech",
            "place": {"table": "spoken", "group": "English", "benchmark": "Spoken"},
            "dataset": {},
        }
    },
    **{role: {"_target_": f"mine.{role.title()}", "title": role.title()} for role in ROLES},
}
PROVENANCE: dict[str, Any] = {
    "models": {role: {"target": f"mine.{role.title()}"} for role in ROLES},
    "data": {TASK: {"samples": 22}},
}
SAMPLES = [Sample(f"s{number:02}", (Audio(f"{number}.wav"),), ("42",), "en") for number in range(22)]


def answer(call: Call, sample: Sample) -> Response:
    """Say one of five things: recordings are named by many samples."""
    if call.role == "judge":
        return Response("CORRECT")
    if call.role == "transcriber":
        return Response(f"heard of {sample.id}")
    waveform = np.random.default_rng(int(sample.id[1:]) % 5).uniform(-0.5, 0.5, 800).astype(np.float32)
    return Response("written", speech=Audio.of_waveform("said", waveform, 16_000))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of many small chunks, whose logs are read in many small stretches."""
    monkeypatch.setattr("evalkit.results.scores.ROWS_AT_ONCE", 4)
    monkeypatch.setattr("evalkit.results.role_log._PIECE", 1_500)
    return stored_run(tmp_path / "run", CONFIG, {TASK: SAMPLES}, answer, PROVENANCE)


@pytest.fixture
def audited(run: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Audit]:
    """Audits the run in one process and in two, which must find the same."""

    def both() -> Audit:
        audits = []
        for processes in (1, 2):
            monkeypatch.setattr("evalkit.run.audit.processes_for", lambda samples, number=processes: number)
            audits.append(audit_run(run))
        assert audits[0] == audits[1]
        return audits[0]

    return both


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


def test_a_run_that_is_whole_is_proven_so(audited: Callable[[], Audit]) -> None:
    audit = audited()
    assert audit.findings == ()
    assert (dict(audit.samples), audit.calls, audit.recordings) == ({"scored": 22}, 66, 5)


def test_faults_of_samples_far_apart_are_found_in_the_order_of_the_samples(
    run: Path, audited: Callable[[], Audit]
) -> None:
    model, transcriber, judge = (run / TASK / f"{role}.jsonl" for role in ROLES)
    heard, judged = lines_of(transcriber), lines_of(judge)
    transcriber.write_text("".join(line for line in heard if json.loads(line)["sample"] != "s19"))
    again = next(line for line in judged if json.loads(line)["sample"] == "s02")
    judge.write_text("".join([again, *judged, again]).replace("heard of s09", "heard of s90"))
    recording = run / TASK / json.loads(lines_of(model)[6])["response"]["speech"]["locator"]
    recording.write_bytes(recording.read_bytes()[:-20])
    scores = run / TASK / "scores.parquet"
    digest = pyarrow.parquet.read_metadata(scores).metadata[b"evalkit.digest"]
    table = pyarrow.parquet.read_table(scores)
    doubled = pyarrow.concat_tables([table, table.slice(3, 1)])
    pyarrow.parquet.write_table(doubled.replace_schema_metadata({b"evalkit.digest": digest}), scores)
    found = [(each.file.removeprefix(f"{TASK}/"), each.sample, each.message) for each in audited().findings]
    of_recording = found.pop(0)
    assert of_recording[:2] == (str(recording.relative_to(run / TASK)), "s01"), (
        "named by five samples, and told of once"
    )
    assert found[:4] == [
        ("judge.jsonl", "s02", "call 2 has 3 accepted responses"),
        ("judge.jsonl", "s09", "call 2 was asked another question than is recorded"),
        ("transcriber.jsonl", "s19", "call 1 of its chain has no response"),
        ("scores.parquet", "s03", "has more than one row"),
    ]


def test_a_record_that_is_damaged_in_the_middle_is_named_by_its_line(run: Path, audited: Callable[[], Audit]) -> None:
    path = run / TASK / "transcriber.jsonl"
    lines = lines_of(path)
    path.write_text("".join([*lines[:14], "{]\n", *lines[15:18], "{]\n", *lines[19:]]) + '{"torn')
    torn, damaged = audited().findings
    assert (torn.file, torn.message) == (f"{TASK}/transcriber.jsonl", "its last line is cut short")
    assert (damaged.file, damaged.sample) == (f"{TASK}/transcriber.jsonl", None)
    assert damaged.message.startswith("line 15 is damaged")
