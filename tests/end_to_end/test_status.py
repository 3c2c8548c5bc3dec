"""A run watched from another process while it goes on, and after it was killed."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CommandLine
from tests.end_to_end.served_runs import KEY, TASK, evalkit_run, model_and_judge, recordings, words
from tests.processes import within
from tests.servers.backends import ServedRequest
from tests.servers.openai_server import OpenAIServer

ANSWERED, SAMPLES = 10, 30


def answers(status: dict[str, Any]) -> dict[str, int]:
    """How many answers each role gave."""
    return {role: each["answers"] for role, each in status["tasks"][TASK]["roles"].items()}


@pytest.mark.slow  # the counts of a run are written every five seconds
def test_a_run_is_watched_while_it_goes_on_and_found_dead_when_it_was_killed(
    tmp_path: Path, evalkit_command: CommandLine
) -> None:
    runs = tmp_path / "runs"
    asked: set[str] = set()

    def latency(request: ServedRequest) -> float:
        if request.fields["model"] == "judge":
            return 0.0
        asked.add(request.content)
        return 0.0 if len(asked) <= ANSWERED else 600.0

    def status() -> dict[str, Any]:
        (found,) = json.loads(evalkit_command("status", str(runs / "run"), "--json").stdout)
        return dict(found)

    with OpenAIServer(model_and_judge, key=KEY, latency=latency) as server:
        arguments = words(recordings(tmp_path / "data", SAMPLES), server.base_url, runs, "run")
        process = evalkit_run(arguments, env={**os.environ, "SERVER_KEY": KEY})
        try:
            assert within(lambda: (runs / "run" / "events.jsonl").is_file())
            assert within(lambda: answers(status()) == {"model": ANSWERED, "judge": ANSWERED})
            before = {path: path.read_bytes() for path in runs.rglob("*.jsonl") if path.name != "events.jsonl"}
            going = status()
            assert (going["state"], going["process"]) == ("running", process.pid)
            task = going["tasks"][TASK]
            assert (task["state"], task["samples"]) == ("running", SAMPLES)
            assert 0 < task["done"] <= ANSWERED, "those that wait for an earlier one are not among them"
            assert task["seconds_left"] > 0
            assert {path: path.read_bytes() for path in before} == before
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        dead = evalkit_command("status", str(runs / "run"), "--watch", "1")
    assert dead.returncode == 0
    assert f"died: process {process.pid} on " in dead.stdout
    assert f"{task['done']} of {SAMPLES} samples" in dead.stdout
