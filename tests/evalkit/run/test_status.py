"""How a run is going, as its folder tells it: counts, rates, time left, and whether its process lives."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evalkit.chain import Outcome
from evalkit.cli.main import main
from evalkit.errors import EvalkitError, StoreError
from evalkit.process_identity import ProcessIdentity
from evalkit.results.usage import RoleUsage
from evalkit.run import events
from evalkit.run.event_history import EventHistory
from evalkit.run.events import EventLog
from evalkit.run.status import RunWatch
from evalkit.types import Response, Sample, Usage
from tests.end_to_end.damage import ODD_VALUES
from tests.processes import within
from tests.runs import make_run

TASK = "librispeech_other"
NOW = time.time()


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is that of each test, which may begin long after this file was read."""
    monkeypatch.setitem(globals(), "NOW", time.time())


def counts(done: int, asked: int, **roles: Mapping[str, Any]) -> dict[str, Any]:
    return {"done": done, "asked": asked, "roles": roles}


def model(answers: int, failures: int = 0, **cost: float) -> dict[str, Any]:
    return {"answers": answers, "failures": failures, **cost}


def session(host: str | None = None, process: int | None = None, **samples: int) -> dict[str, Any]:
    tasks = {task: {"samples": count, "roles": {}} for task, count in samples.items()}
    return {"event": "session", "host": host or socket.gethostname(), "process": process or os.getpid(), "tasks": tasks}


def progress(memory: int | None = None, **tasks: Mapping[str, Any]) -> dict[str, Any]:
    return {"event": "progress", "samples": 0, "calls": 0, "failed": 0, "memory": memory, "tasks": tasks}


def write(folder: Path, *lines: tuple[float, Mapping[str, Any]]) -> Path:
    """An event log of so many seconds ago."""
    with (folder / "events.jsonl").open("a", encoding="utf-8") as file:
        for ago, event in lines:
            file.write(json.dumps({"time": datetime.fromtimestamp(NOW - ago, UTC).isoformat(), **event}) + "\n")
    return folder


def test_a_finished_run_tells_what_became_of_each_task(tmp_path: Path) -> None:
    references = {f"s{number}": "the cat" for number in range(5)}
    run = make_run(tmp_path, "run", references, {"s0": "the cat", "s3": "the cat"}, "statistics.resamples=10")
    status = RunWatch(run).status()
    assert (status.state, status.process, status.here) == ("finished", os.getpid(), True)
    task = status.tasks[TASK]
    assert (task.state, task.done, task.samples, task.seconds_left) == ("finished", 5, 5, None)
    assert (task.roles["model"].answers, task.roles["model"].failures) == (2, 3)
    assert status.memory is None or status.memory > 10_000_000
    assert 0 < status.busy["model"] < 1
    sessions = json.loads((run / "provenance.json").read_text())["sessions"]
    assert 0 < sessions[0]["at_work"]["model"]["seconds"] < sessions[0]["at_work"]["model"]["of"]


def test_answers_of_earlier_sessions_count_and_their_failures_do_not(tmp_path: Path) -> None:
    references = {f"s{number}": "the cat" for number in range(5)}
    for _ in range(2):
        run = make_run(tmp_path, "run", references, {"s0": "the cat"}, "statistics.resamples=10")
    role = RunWatch(run).status().tasks[TASK].roles["model"]
    assert (role.answers, role.failures) == (1, 4), "four calls failed in each session"


def test_a_run_that_an_error_ended_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(EvalkitError, match="calls failed"):
        make_run(tmp_path, "run", {"s0": "a", "s1": "b"}, {}, "max_failures=0")
    status = RunWatch(tmp_path / "run").status()
    assert (status.state, status.tasks[TASK].state) == ("stopped", "unfinished")


def test_a_process_tells_that_it_lives_while_nothing_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_SHORTEST", 0.01)
    usage = {"speech": {"model": RoleUsage()}}
    log = EventLog(tmp_path, {"speech": 3}, usage)
    watch = RunWatch(tmp_path)
    log.started("speech", 3)
    usage["speech"]["model"].add(Response("heard", usage=Usage(cost=0.25)))
    log.sample_done("speech", Outcome(Sample("a", (), ("heard",)), "scored"), asked=True)
    assert within(lambda: watch.status().tasks["speech"].done == 1)
    lines = (tmp_path / "events.jsonl").read_bytes().count(b"\n")
    assert within(lambda: (tmp_path / "events.jsonl").read_bytes().count(b"\n") > lines)
    status = watch.status()
    assert (status.state, status.cost, status.tasks["speech"].state) == ("running", 0.25, "running")
    assert status.tasks["speech"].per_second
    log.close()
    assert watch.status().state == "stopped"
    assert json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])["event"] == "ended"


def test_rates_are_those_of_the_last_ten_minutes_and_of_what_was_asked(tmp_path: Path) -> None:
    write(
        tmp_path,
        (2_000, session(speech=1_000, sounds=100)),
        (2_000, {"event": "started", "task": "speech", "samples": 1_000}),
        (1_990, progress(speech=counts(100, 0, model=model(100)))),  # answered in an earlier session
        (1_000, progress(speech=counts(200, 100, model=model(200, 3, cost=1.5)))),
        (600, progress(speech=counts(300, 200, model=model(350, 3, cost=2.0)))),
        (0, progress(memory=5, speech=counts(400, 300, model=model(500, 4, cost=3.0)))),
    )
    status = RunWatch(tmp_path).status()
    speech, sounds = status.tasks["speech"], status.tasks["sounds"]
    assert speech.per_second == pytest.approx(100 / 600)
    assert speech.seconds_left == pytest.approx(600 / (100 / 600))
    assert speech.roles["model"].per_second == pytest.approx(150 / 600)
    assert (speech.roles["model"].failures, status.cost, status.memory) == (4, 3.0, 5)
    assert (sounds.state, sounds.seconds_left) == ("waiting", None)
    assert status.seconds_left == pytest.approx(700 / (100 / 600)), "the task that waits takes its time too"


def working(**roles: tuple[float, float]) -> dict[str, Any]:
    at_work = {role: {"seconds": seconds, "of": of} for role, (seconds, of) in roles.items()}
    return {**progress(), "at_work": at_work}


def test_a_model_is_busy_for_a_share_of_the_last_ten_minutes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, (2_000, session(speech=100)), (1_900, working(model=(50, 100))))
    watch = RunWatch(tmp_path)
    assert watch.status().busy == {"model": 0.5}, "of the time since it was ready"
    write(tmp_path, (1_200, working(model=(100, 800))), (600, working(model=(200, 1_400))))
    write(tmp_path, (0, working(model=(500, 2_000), judge=(30, 40))))
    assert watch.status().busy == pytest.approx({"model": 300 / 600, "judge": 0.75}, abs=0.001)
    write(tmp_path, (0, {"event": "ended"}))
    assert watch.status().busy == {"model": 0.25, "judge": 0.75}, "of the whole session"
    main(["status", str(tmp_path)])
    assert ", model busy 25% and judge busy 75%" in capsys.readouterr().out
    write(tmp_path, (0, session(speech=100)))
    assert watch.status().busy == {}


def test_a_task_that_stands_still_gets_slower(tmp_path: Path) -> None:
    write(
        tmp_path,
        (900, session(speech=100)),
        (890, progress(speech=counts(50, 50))),
        (300, progress(speech=counts(80, 80))),
        (0, progress()),
    )
    assert RunWatch(tmp_path).status().tasks["speech"].per_second == pytest.approx(30 / 600)


def gone() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("host", "there", "pause", "state"),
    [
        (None, True, 10, "running"),
        (None, True, 200, "silent"),
        (None, False, 1, "died"),
        ("another-machine", False, 10, "running"),
        ("another-machine", False, 200, "silent"),
    ],
)
def test_whether_the_process_lives(tmp_path: Path, host: str | None, there: bool, pause: int, state: str) -> None:
    write(tmp_path, (pause, session(host, os.getpid() if there else gone(), speech=3)))
    assert RunWatch(tmp_path).status().state == state


def test_a_process_of_another_time_with_the_same_number_is_not_the_one_of_the_run(tmp_path: Path) -> None:
    write(tmp_path, (7_200, session(speech=3) | {"started": "of a boot before 17"}))
    assert RunWatch(tmp_path).status().state == "died"


def test_a_run_that_goes_on_knows_its_process_by_when_it_started(tmp_path: Path) -> None:
    with closing(EventLog(tmp_path, {"speech": 3}, {"speech": {}})):
        record = json.loads((tmp_path / "events.jsonl").read_text())
        assert ProcessIdentity.read(json.dumps(record).encode()) == ProcessIdentity.this_process()
        assert RunWatch(tmp_path).status().state == "running"


def test_a_run_of_a_machine_whose_clock_is_ahead_is_not_running_for_hours_after_it_died(tmp_path: Path) -> None:
    write(tmp_path, (-10_800, session("another-machine", 1, speech=3)))
    assert RunWatch(tmp_path).status().state == "running"
    os.utime(tmp_path / "events.jsonl", (NOW - 600, NOW - 600))
    status = RunWatch(tmp_path).status()
    assert status.state == "silent"
    assert status.written.timestamp() == pytest.approx(NOW - 600, abs=1)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bucket ``shared://bucket`` of an object store."""
    pytest.importorskip("fsspec")
    from tests.shared_store import SHARED_STORE

    monkeypatch.setenv(SHARED_STORE, str(tmp_path / "store"))
    (tmp_path / "store" / "bucket" / "speech").mkdir(parents=True)
    return tmp_path / "store" / "bucket"


@pytest.mark.parametrize(("pause", "state"), [(120, "running"), (7_200, "silent")])
def test_a_run_of_an_object_store_is_as_old_as_what_it_tells_and_not_as_its_copy(
    bucket: Path, pause: int, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(bucket, (pause, session("another-machine", 1, speech=3)))
    (bucket / "speech" / "model.jsonl").touch()
    assert main(["status", "shared://bucket", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == state


def test_a_run_of_an_object_store_is_fetched_again_as_long_as_it_is_watched(
    bucket: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(bucket, (5, session("another-machine", 1, speech=3)))
    looks = iter([lambda: write(bucket, (0, {"event": "ended"}))])
    monkeypatch.setattr("evalkit.cli.status.time.sleep", lambda _: next(looks)())
    assert main(["status", "shared://bucket", "--watch", "1", "--json"]) == 0
    states = [json.loads(line)[0]["state"] for line in capsys.readouterr().out.splitlines()]
    assert states == ["running", "stopped"]


def test_a_merged_run_has_results_and_no_events(tmp_path: Path) -> None:
    run = make_run(tmp_path, "run", {"a": "the cat"}, {"a": "the cat"})
    (run / "events.jsonl").unlink()
    with pytest.raises(StoreError, match="run: has results, and no events.jsonl that tells how they came about"):
        RunWatch(run).status()


def test_a_response_that_is_written_tells_that_the_process_lives(tmp_path: Path) -> None:
    write(tmp_path, (500, session(speech=3)))
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech" / "model.jsonl").touch()
    status = RunWatch(tmp_path).status()
    assert status.state == "running"
    assert (datetime.now(UTC) - status.written).total_seconds() < 60


def test_only_what_is_new_is_read_and_half_a_line_waits(tmp_path: Path) -> None:
    write(tmp_path, (3, session(speech=3)))
    watch = RunWatch(tmp_path)
    assert watch.status().tasks["speech"].done == 0
    path = tmp_path / "events.jsonl"
    read = path.stat().st_size
    path.write_bytes(b"#" * (read - 1) + b"\n")  # what was read is not read again
    write(tmp_path, (2, progress(speech=counts(2, 2))))
    with path.open("a") as file:
        file.write('{"time": "2026-01')
    status = watch.status()
    assert (status.tasks["speech"].done, status.unreadable) == (2, 0)


def test_a_session_after_one_that_was_killed_within_a_line_begins_a_line_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, (50, session(process=gone(), speech=3)))
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"time": "2026-01')
    EventLog(tmp_path, {"speech": 7}, {"speech": {}}).close()
    status = RunWatch(tmp_path).status()
    assert (status.tasks["speech"].samples, status.process, status.unreadable) == (7, os.getpid(), 1)


def test_failures_tell_that_the_process_lived_and_are_not_taken_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = {"event": "failed", "task": "speech", "sample": 'a", "event": "b', "role": "model", "message": "\n"}
    write(tmp_path, (900, session(speech=3)), *[(800, failed)] * 2_000, (700, progress(speech=counts(2, 2))))
    write(tmp_path, (600, {**failed, "event": 7}), *[(500, failed)] * 2_000)
    taken: list[bytes] = []
    take = EventHistory._take

    def counted(history: EventHistory, line: bytes) -> None:
        taken.append(line)
        take(history, line)

    monkeypatch.setattr(EventHistory, "_take", counted)
    status = RunWatch(tmp_path).status()
    assert (status.tasks["speech"].done, status.unreadable) == (2, 1)
    assert abs(NOW - 500 - status.written.timestamp()) < 2
    assert len(taken) == 4


def test_a_run_that_was_begun_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    write(tmp_path, (9, session(speech=3)), (8, progress(speech=counts(2, 2))))
    watch = RunWatch(tmp_path)
    watch.status()
    (tmp_path / "events.jsonl").rename(tmp_path / "events-before.jsonl")
    write(tmp_path, (3, session(sounds=5)))
    assert list(watch.status().tasks) == ["sounds"]


def test_an_event_log_of_an_older_version_tells_what_it_can(tmp_path: Path) -> None:
    write(
        tmp_path,
        (9, {"event": "session"}),
        (9, {"event": "started", "task": "speech", "samples": 4}),
        (8, {"event": "progress", "samples": 4, "calls": 4, "failed": 0}),
        (8, {"event": "finished", "task": "speech"}),
        (7, {"event": "ended"}),
    )
    status = RunWatch(tmp_path).status()
    assert (status.state, status.host, status.process, status.here) == ("finished", None, None, None)
    assert (status.tasks["speech"].state, status.tasks["speech"].done) == ("finished", 4)


def test_values_of_another_kind_are_counted_and_left_aside(tmp_path: Path) -> None:
    good = [session(speech=3), progress(speech=counts(2, 2, model=model(2, cost=1.0)))]
    write(tmp_path, *((9, event) for event in good))
    for event in (*good, {"event": "started", "task": "speech", "samples": 3}):
        for key in event:
            for odd in ODD_VALUES:
                write(tmp_path, (8, {**event, key: odd}))
    write(tmp_path, (3, session(speech=3)), (2, progress(speech=counts(2, 2))))
    status = RunWatch(tmp_path).status()
    assert status.tasks["speech"].done == 2
    assert status.unreadable > 20


@pytest.mark.parametrize(
    ("content", "complaint"), [(None, "no such folder"), ("", "tells of no session"), ("[]\n", "tells of no session")]
)
def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path, content: str | None, complaint: str) -> None:
    folder = tmp_path / "run"
    if content is not None:
        folder.mkdir()
        (folder / "events.jsonl").write_text(content)
    with pytest.raises(StoreError, match=complaint):
        RunWatch(folder).status()


def test_the_command_prints_each_task_and_role_and_ends_with_the_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        tmp_path,
        (9, session(speech=3)),
        (5, progress(speech=counts(3, 3, model=model(3, cost=0.5), judge=model(2, 1)))),
        (4, {"event": "finished", "task": "speech"}),
        (3, {"event": "ended"}),
    )
    assert main(["status", str(tmp_path), "--watch", "60"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{tmp_path}: finished, ")
    assert lines[1] == "3 of 3 samples, 1 call failed, cost 0.5000"
    assert [line.split() for line in lines[3:]] == [
        ["speech", "finished", "3", "of", "3", "model", "3", "0", "0.5000"],
        ["judge", "2", "1"],
    ]
    assert main(["status", str(tmp_path), str(tmp_path), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first == second
    assert first["tasks"]["speech"]["roles"]["judge"]["failures"] == 1


def test_a_run_is_printed_again_until_it_is_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, (9, session(speech=3)))
    further = iter([progress(speech=counts(2, 2)), {"event": "ended"}])
    monkeypatch.setattr("evalkit.cli.status.time.sleep", lambda seconds: write(tmp_path, (seconds, next(further))))
    assert main(["status", str(tmp_path), "--json", "--watch", "2"]) == 0
    printed = [json.loads(line)[0] for line in capsys.readouterr().out.splitlines()]
    assert [(each["state"], each["tasks"]["speech"]["done"]) for each in printed] == [
        ("running", 0),
        ("running", 2),
        ("stopped", 2),
    ]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_no_time_to_wait_is_refused(tmp_path: Path, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path), f"--watch={seconds}"]) == 2
    assert "--watch must be a number of seconds above 0" in capsys.readouterr().err


def test_a_folder_of_runs_stands_for_all_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("two", "one"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, (9, session(speech=3)), (3, {"event": "ended"}))
    assert main(["status", str(tmp_path), "--json"]) == 0
    assert [Path(each["folder"]).name for each in json.loads(capsys.readouterr().out)] == ["one", "two"]


def test_a_run_that_is_not_merged_is_its_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("1-of-2", "2-of-2"):
        (tmp_path / "shards" / name).mkdir(parents=True)
        (tmp_path / "shards" / name / "config.yaml").write_text("{}")
        write(tmp_path / "shards" / name, (9, session(speech=3)), (3, {"event": "ended"}))
    assert main(["status", str(tmp_path), "--json"]) == 0
    assert [Path(each["folder"]).name for each in json.loads(capsys.readouterr().out)] == ["1-of-2", "2-of-2"]


@pytest.mark.parametrize(
    ("host", "words"), [(None, "died: process"), ("elsewhere\x1b[2J", r"on elsewhere\x1b[2J"), (None, "is gone")]
)
def test_the_command_says_what_is_known_of_the_process(
    tmp_path: Path, host: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, (200, session(host, gone(), speech=3)))
    assert main(["status", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert words in output
    assert host is None or "may be gone: only that machine can tell" in output
