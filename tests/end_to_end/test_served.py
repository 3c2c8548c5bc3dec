"""Runs of models behind real servers that fail in every way that servers fail."""

import asyncio
import base64
import json
import os
import signal
import sqlite3
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import BudgetReachedError
from evalkit.inference.served.clock import Clock
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import Plan, plan_from_config
from tests.end_to_end.served_runs import KEY, TASK, evalkit_run, metrics_of, model_and_judge, recordings, words
from tests.processes import wait_for_lines
from tests.servers.backends import digest_answer
from tests.servers.faults import Fault, Faults
from tests.servers.openai_server import OpenAIServer
from tests.servers.sound import decode

RATES = {
    Fault.TOO_MANY: 0.02,
    Fault.TOO_MANY_SECONDS: 0.02,
    Fault.TOO_MANY_DATE: 0.01,
    Fault.TOO_MANY_MILLISECONDS: 0.01,
    Fault.SERVER_ERROR: 0.02,
    Fault.BAD_GATEWAY: 0.01,
    Fault.UNAVAILABLE: 0.01,
    Fault.HANG: 0.004,
    Fault.RESET_BEFORE: 0.02,
    Fault.RESET_MIDWAY: 0.02,
    Fault.TRUNCATED_BODY: 0.02,
    Fault.ENDED_EARLY: 0.02,
    Fault.MALFORMED_JSON: 0.02,
    Fault.EMPTY_BODY: 0.02,
    Fault.HTML_PAGE: 0.02,
    Fault.TRICKLE: 0.004,
    Fault.NO_CHOICES: 0.02,
    Fault.WRONG_SCHEMA: 0.02,
    Fault.ERROR_EVENT: 0.02,
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user who has a key."""
    monkeypatch.setenv("SERVER_KEY", KEY)
    return {**os.environ, "SERVER_KEY": KEY}


def make_plan(arguments: list[str]) -> Plan:
    return plan_from_config(compose_configuration(arguments), {"model": "openai_chat", "task": TASK})


def records(run: Path, role: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / TASK / f"{role}.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "streamed"),
    [(80, False), pytest.param(80, True, marks=pytest.mark.slow), pytest.param(2_000, False, marks=pytest.mark.slow)],
)
def test_every_request_is_answered_exactly_once_whatever_fails(
    tmp_path: Path, environment: dict[str, str], count: int, streamed: bool
) -> None:
    manifest = recordings(tmp_path / "data", count)
    runs = tmp_path / "runs"
    overrides = [f"model.stream={str(streamed).lower()}", "cache.roles=[model,judge]"]
    # Long enough that no good answer comes too late on a machine with much else to do, and is asked for again.
    overrides += [f"{role}.limits.deadline=10" for role in ("model", "judge")]
    with OpenAIServer(model_and_judge, key=KEY, faults=Faults(1, RATES), trickle_interval=0.02) as server:
        process = evalkit_run(
            words(manifest, server.base_url, runs, "faulty", *overrides),
            env={**environment, "OPENAI_LOG": "debug", "PYTHONUNBUFFERED": "1"},
        )
        output = "".join(process.communicate(timeout=500))
        assert process.returncode == 0, output
        assert not server.journal.violations
        outcomes = server.journal.outcomes()
        assert set(server.journal.answered().values()) == {1}, "something was asked again after its answer"
    possible = [fault for fault in RATES if streamed or fault not in (Fault.ENDED_EARLY, Fault.ERROR_EVENT)]
    assert count < 2_000 or {fault.value for fault in possible} <= set(outcomes), "not every fault was tried"
    assert sum(outcomes.values()) - outcomes["answered"] >= 0.1 * count

    said = records(runs / "faulty", "model")
    assert Counter(record["sample"] for record in said) == {f"q{number:05}": 1 for number in range(count)}
    for record in said:
        recording = (tmp_path / "data" / f"audio/{record['sample'][1:]}.wav").read_bytes()
        texts = [
            part for message in record["asked"]["messages"] for part in message["content"] if isinstance(part, str)
        ]
        assert record["response"]["text"] == digest_answer(texts, [decode(recording, "wav")])
    assert {record["response"]["text"] for record in records(runs / "faulty", "judge")} == {"CORRECT", "INCORRECT"}
    metrics = json.loads((runs / "faulty" / "metrics.json").read_text())["tasks"][TASK]
    assert (metrics["samples"]["scored"], metrics["samples"]["failed"]) == (count, 0)

    with sqlite3.connect(runs / "cache" / "answers.sqlite") as cache:
        kept = [json.loads(response) for (response,) in cache.execute("SELECT response FROM answers")]
    assert len(kept) == 2 * count
    assert not any("failure" in response for response in kept)
    for secret in (KEY, base64.b64encode(KEY.encode()).decode()):
        assert secret not in output
        for file in (path for path in runs.rglob("*") if path.is_file()):
            assert secret.encode() not in file.read_bytes(), f"the key is in {file}"


def test_refusals_are_failures_at_once_and_never_cached(tmp_path: Path, environment: dict[str, str]) -> None:
    from tests.servers.faults import Refusal

    stopping = (Refusal.NO_CREDIT, Refusal.UNAUTHORISED, Refusal.NOT_FOUND)
    kinds = [refusal for refusal in Refusal if refusal not in stopping]
    manifest = recordings(tmp_path / "data", 30)
    runs = tmp_path / "runs"
    arguments = ["cache.roles=[model,judge]"]

    def refuse(request: Any) -> Refusal | None:
        number = int(request.content, 16) % 10
        return kinds[number] if request.fields["model"] == "speaker" and number < len(kinds) else None

    with OpenAIServer(model_and_judge, key=KEY, refuse=refuse) as server:
        evaluate(make_plan(words(manifest, server.base_url, runs, "refused", *arguments)))
        assert max(Counter(hit.content for hit in server.journal.hits).values()) == 1, "a refusal was asked again"
    failed = [record["response"] for record in records(runs / "refused", "model") if "failure" in record["response"]]
    assert 5 <= len(failed) < 30
    messages = " ".join(response["failure"]["message"] for response in failed)
    for words_of_server in ("HTTP 400: The audio is longer", "HTTP 400: The prompt triggered the content policy"):
        assert words_of_server in messages
    assert KEY not in messages
    assert all(response["text"] == "" for response in failed)
    metrics = json.loads((runs / "refused" / "metrics.json").read_text())["tasks"][TASK]
    assert metrics["samples"]["failed"] == len(failed)
    with OpenAIServer(model_and_judge, key=KEY, port=server.port) as server:
        evaluate(make_plan(words(manifest, server.base_url, runs, "later", *arguments)))
        asked = Counter(hit.outcome for hit in server.journal.hits)
    assert asked["answered"] == 2 * len(failed), "only what failed should have been asked, and then judged"


@pytest.mark.slow
def test_an_outage_of_five_minutes_is_waited_for(tmp_path: Path, environment: dict[str, str]) -> None:
    manifest = recordings(tmp_path / "data", 60)
    runs = tmp_path / "runs"
    time_passed = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal time_passed
        time_passed += seconds
        await asyncio.sleep(0.001)

    answered = 0

    def count(request: Any) -> Any:
        nonlocal answered
        answered += 1
        return model_and_judge(request)

    def outage() -> bool:
        return answered >= 25 and time_passed < 300

    with OpenAIServer(model_and_judge, key=KEY) as server:
        evaluate(make_plan(words(manifest, server.base_url, runs, "undisturbed", "cache.folder=null")))
    with OpenAIServer(count, key=KEY, outage=outage, port=server.port) as server:
        few = [f"{role}.limits.concurrency=4" for role in ("model", "judge")]  # so that both have been there before
        plan = make_plan(words(manifest, server.base_url, runs, "outage", "cache.folder=null", *few))
        evaluate(replace(plan, clock=Clock(lambda: time_passed, sleep)))
        assert server.journal.turned_away > 10
    assert time_passed >= 300
    assert metrics_of(runs / "outage") == metrics_of(runs / "undisturbed")
    assert not any("failure" in record["response"] for record in records(runs / "outage", "model"))


@pytest.mark.slow
def test_killed_ten_times_with_servers_that_come_and_go(tmp_path: Path, environment: dict[str, str]) -> None:
    manifest = recordings(tmp_path / "data", 150)
    runs = tmp_path / "runs"
    with OpenAIServer(model_and_judge, key=KEY) as server:
        evaluate(make_plan(words(manifest, server.base_url, runs, "undisturbed", "cache.folder=null")))
        port = server.port
    answered: Counter[str] = Counter()
    overrides = ("cache.folder=null", "model.limits.concurrency=4", "judge.limits.concurrency=4")
    arguments = words(manifest, f"http://127.0.0.1:{port}/v1", runs, "killed", *overrides)
    log = runs / "killed" / TASK / "model.jsonl"
    for attempt in range(10):
        with OpenAIServer(model_and_judge, key=KEY, port=port, latency=0.05) as server:
            process = evalkit_run(arguments, env=environment)
            wanted = len(log.read_text().splitlines()) + 1 + 3 * attempt % 11 if log.is_file() else 1
            wait_for_lines(process, log, wanted)
            if attempt % 2:  # the server goes first, and comes back while the run still tries
                server.__exit__(None, None, None)
                server.__enter__()
                time.sleep(0.1)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            answered += server.journal.answered()
    with OpenAIServer(model_and_judge, key=KEY, port=port) as server:
        evaluate(make_plan(arguments))
        answered += server.journal.answered()
    assert metrics_of(runs / "killed") == metrics_of(runs / "undisturbed")
    stored = Counter(record["sample"] for record in records(runs / "killed", "model"))
    assert set(stored.values()) == {1}
    # A kill loses what is in flight, at most the four requests of each role.
    assert sum(answered.values()) <= 300 + 8 * 10


@pytest.mark.slow
def test_a_budget_stops_the_run_and_a_raised_one_completes_it(tmp_path: Path, environment: dict[str, str]) -> None:
    manifest = recordings(tmp_path / "data", 40)
    runs = tmp_path / "runs"
    prices = ["+model.prices={input: 1000, output: 1000}", "+judge.prices={input: 1000, output: 1000}"]
    with OpenAIServer(model_and_judge, key=KEY) as server:

        def arguments(name: str, *overrides: str) -> list[str]:
            chosen = [override.lstrip("+") for override in (*prices, "model.limits.concurrency=4", *overrides)]
            return words(manifest, server.base_url, runs, name, "cache.folder=null", *chosen)

        evaluate(make_plan(arguments("whole")))
        before = len(server.journal.hits)
        with pytest.raises(BudgetReachedError, match=r"budget\.calls=25 is reached \(25 spent or under way\)"):
            evaluate(make_plan(arguments("bounded", "budget.calls=25")))
        assert len(server.journal.hits) - before == 25
        assert len(records(runs / "bounded", "model")) + len(records(runs / "bounded", "judge")) == 25
        assert not (runs / "bounded" / "metrics.json").exists()
        with pytest.raises(BudgetReachedError, match=r"budget\.calls=25 is reached"):
            evaluate(make_plan(arguments("bounded", "budget.calls=25")))
        with pytest.raises(BudgetReachedError, match=r"budget\.cost=0\.5 is reached"):
            evaluate(make_plan(arguments("bounded", "budget.cost=0.5")))
        evaluate(make_plan(arguments("bounded")))
        assert len(server.journal.hits) - before == 80, "a resumed run asked something again"
    assert metrics_of(runs / "bounded") == metrics_of(runs / "whole")


@pytest.mark.slow
def test_the_cache_answers_another_run_and_its_savings_are_told(tmp_path: Path, environment: dict[str, str]) -> None:
    manifest = recordings(tmp_path / "data", 12)
    runs = tmp_path / "runs"
    with OpenAIServer(model_and_judge, key=KEY) as server:
        first = evalkit_run(words(manifest, server.base_url, runs, "first"), env=environment)
        assert "model: 12 requests for 12 calls" in first.communicate(timeout=300)[0]
        second = evalkit_run(words(manifest, server.base_url, runs, "second"), env=environment)
        output = second.communicate(timeout=300)[0]
        assert second.returncode == 0
        models = [json.loads(hit) for hit in (runs / "second" / TASK / "judge.jsonl").read_text().splitlines()]
    assert server.journal.outcomes() == {"answered": 36}, "the model is asked again, the judge is not"
    assert "judge: 0 requests for 0 calls" in output
    assert "12 answers from the cache (12 requests saved)" in output
    assert all(record["response"]["cached"] for record in models)
    usage = json.loads((runs / "second" / "provenance.json").read_text())["usage"][TASK]
    assert (usage["judge"]["cached"], usage["judge"]["spent"], usage["judge"]["saved"]["requests"]) == (12, {}, 12)
    assert metrics_of(runs / "second") == metrics_of(runs / "first")


@pytest.mark.slow
def test_an_interrupt_keeps_what_was_answered(tmp_path: Path, environment: dict[str, str]) -> None:
    manifest = recordings(tmp_path / "data", 100)
    runs = tmp_path / "runs"
    with OpenAIServer(model_and_judge, key=KEY, latency=0.2) as server:
        arguments = words(manifest, server.base_url, runs, "interrupted", "model.limits.concurrency=4")
        process = evalkit_run(arguments, env=environment)
        wait_for_lines(process, runs / "interrupted" / TASK / "model.jsonl", 8)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=300)
    assert process.returncode == 130, stderr
    assert "evalkit: interrupted; what was answered is kept, the same command continues" in stderr
    assert "Traceback" not in stderr
    assert 8 <= len(records(runs / "interrupted", "model")) < 100


def test_a_server_that_is_not_there_ends_the_run_with_a_line(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = recordings(tmp_path / "data", 3)
    with OpenAIServer(model_and_judge) as server:
        nowhere = server.base_url
    process = evalkit_run(
        words(manifest, nowhere, tmp_path / "runs", "nowhere", "model.limits.patience=1"), env=environment
    )
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "model: no answer for" in stderr.splitlines()[-1]
    assert "see to the server, then run the same command again" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
