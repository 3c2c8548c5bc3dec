"""Judges that talk nonsense and judges that are away, for every task that is judged: nothing becomes a zero in silence.

A reply that cannot be read is asked for again; then the sample fails and is counted. A judge that is away stops the
run, which keeps what the model answered, and the same run later asks the judge alone.
"""

import asyncio
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from evalkit.errors import ServerUnavailableError
from evalkit.inference.served.clock import Clock
from evalkit.tool_syntax import with_tool_calls
from tests.conftest import DEMO_SPEECH, write_jsonl
from tests.end_to_end.served_runs import evalkit_run
from tests.end_to_end.task_runs import (
    PARTNER,
    Said,
    Speaker,
    behind,
    carried_out,
    clip,
    garbling,
    judge,
    plan_of,
    repeating,
    scored_rows,
    served,
    words_of_run,
)
from tests.end_to_end.test_every_uro_bench_mode import dialogue, turn, write_subset
from tests.end_to_end.test_paralinguistic import QUESTIONS, questions
from tests.servers.backends import Answer, Backend, Called, ServedRequest
from tests.servers.openai_server import OpenAIServer
from tests.tasks.toolcall.replica import reply, write_replica

pytestmark = pytest.mark.slow  # a whole run for each

pytest.importorskip("openai", reason="the openai extra is not installed")
pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")


@dataclass(frozen=True, slots=True)
class Judged:
    """A task with a judge.

    Attributes:
        write: writes a small replica of its data set into a folder.
        settings: of the task.
        samples: how many there are.
        judged: how many of them go to the judge.
        rounds: of each sample, in which the model speaks.
        attempts: at a reply that can be read.
        role: of the judge.
    """

    write: Callable[[Path], object]
    settings: tuple[str, ...] = ()
    samples: int = 1
    judged: int = 1
    rounds: int = 1
    attempts: int = 3
    role: str = "judge"


def write_paralinguistic(folder: Path) -> None:
    chosen = {name: QUESTIONS[name] for name in ("clean-slt-06", "clean-slt-04")}
    questions(folder / "data" / "StepEval-Audio-Paralinguistic", chosen, DEMO_SPEECH / "audio", language="en")


def write_big_bench_audio(folder: Path) -> None:
    place = folder / "data" / "big_bench_audio"
    place.mkdir(parents=True)
    shutil.copy(clip("clean-awb-01"), place / "0.mp3")
    row = {"category": "object_counting", "official_answer": "6", "file_name": "0.mp3", "id": 0}
    write_jsonl(place / "metadata.jsonl", [row])


TASKS: Mapping[str, Judged] = {
    "paralinguistic": Judged(
        write_paralinguistic,
        ("answer_mode=text", "language=en", "dataset.language=en"),
        samples=2,
        judged=2,
    ),
    # Judged are right calls with parameters: two of the weather, one of each search.
    "toolcall": Judged(
        lambda folder: write_replica(folder / "data" / "stepeval_audio_toolcall"), ("input_mode=text",), 11, judged=4
    ),
    "big_bench_audio": Judged(write_big_bench_audio),
    "uro_alpacaeval": Judged(
        lambda folder: write_subset(folder, "basic/AlpacaEval", [turn("clean-slt-06")]), ("+answer_mode=text",)
    ),
    "uro_speakeraware_en": Judged(
        lambda folder: write_subset(
            folder,
            "pro/SpeakerAware-en",
            [dialogue(*(turn(name) for name in ("clean-slt-06", "clean-awb-01", "clean-slt-06")))],
        ),
        ("+answer_mode=text",),
        rounds=3,
    ),
    "uro_srt_en": Judged(
        lambda folder: write_subset(folder, "pro/SRT-en", [turn("clean-slt-06")]), attempts=1, role="audio_judge"
    ),
}


def settings_of(*tasks: str) -> list[str]:
    """Overrides of the tasks' settings, a plus sign in front where the configuration does not have them yet."""
    return [
        f"{'+' * setting.startswith('+')}tasks.{task}.{setting.lstrip('+')}"
        for task in tasks
        for setting in TASKS[task].settings
    ]


def model() -> Backend:
    """The model under test: calls tools where it is offered some, else is the partner of the conversations."""
    partner = Speaker(PARTNER | {clip("clean-slt-04"): repeating("clean-slt-04")})

    def answer(request: ServedRequest) -> Answer:
        if not request.tools:
            return partner(request)
        calls = tuple(
            Called(call.name, call.arguments) for call in with_tool_calls(reply(request.texts[-1])).tool_calls
        )
        return Answer(("" if calls else "好的。",), tool_calls=calls)

    return answer


def asked_of(backends: Mapping[str, Backend], counts: Counter[str]) -> Backend:
    """Several models behind one server that counts what each is asked."""

    def answer(request: ServedRequest) -> Answer:
        counts[request.fields["model"]] += 1
        found = backends[request.fields["model"]](request)
        assert isinstance(found, Answer)
        return found

    return answer


def test_replies_that_mean_nothing_are_asked_for_again_and_then_fail_and_count(tmp_path: Path) -> None:
    for task in TASKS.values():
        task.write(tmp_path)
    counts: Counter[str] = Counter()
    backends = {"speaker": model(), "judge": garbling, "audio_judge": garbling}
    with OpenAIServer(asked_of(backends, counts)) as server:
        words = words_of_run(tmp_path, server.base_url, TASKS, *settings_of(*TASKS), "model@transcriber=pocketsphinx")
        words += served("audio_judge", "audio_judge", server.base_url, "Judge by ear")
        words.append(f"cache.folder={tmp_path / 'cache'}")  # must not give the nonsense back when it is asked again
        process = evalkit_run(words, env={**os.environ, "COLUMNS": "200"})
        output, errors = process.communicate(timeout=300)
        assert not server.journal.violations
    failed = sum(task.judged for task in TASKS.values())
    assert process.returncode == 1, output + errors
    assert f"{failed} samples failed" in errors
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())["tasks"]
    for name, task in TASKS.items():
        assert metrics[name]["samples"]["failed"] == task.judged
        assert metrics[name]["samples"]["scored"] == task.samples - task.judged
        headline = metrics[name]["metrics"][metrics[name]["headline"]]
        rows = [row for row in scored_rows(tmp_path / "run", name) if row["status"] == "failed"]
        assert {"the judge's reply cannot be read" in row["reason"] for row in rows} == {True}
        # The failed samples stay in the denominator, at nothing.
        if name != "toolcall":
            assert headline["value"] == 0
    calls = metrics["toolcall"]["metrics"]
    assert calls["trigger_recall"]["statistics"] == {"true_positives": 6, "positives": 7}, "calls need no judge"
    assert calls["parameter_accuracy"]["statistics"] == {"accepted": 0, "judged": 4}
    assert counts["judge"] == sum(3 * task.judged for task in TASKS.values() if task.role == "judge")
    assert counts["audio_judge"] == 1, "the original asks the judge that hears once"


def test_a_judge_of_questions_and_answers_is_never_unreadable(tmp_path: Path) -> None:
    """By the benchmark's own rule, whatever is not exactly "Yes" is no."""
    write_subset(tmp_path, "basic/Gsm8kEval", [turn("clean-awb-01", "six cousins")])
    with OpenAIServer(behind(speaker=model(), judge=garbling)) as server:
        words = words_of_run(tmp_path, server.base_url, ["uro_gsm8keval"], "+tasks.uro_gsm8keval.answer_mode=text")
        result = carried_out(plan_of(words))["uro_gsm8keval"]
        assert len(server.journal.hits) == 2
    assert (result["samples"]["scored"], result["metrics"]["score"]["value"]) == (1, 0)


def test_an_emotion_classifier_that_means_nothing_fails_the_sample(tmp_path: Path) -> None:
    write_subset(tmp_path, "pro/GenEmotion-en", [turn("clean-slt-06", emotion="happy")])
    with OpenAIServer(behind(speaker=model(), classifier=garbling)) as server:
        classifier = served("emotion_classifier", "classifier", server.base_url, "Served classifier")
        words = words_of_run(tmp_path, server.base_url, ["uro_genemotion_en"], *classifier)
        result = carried_out(plan_of([*words, "judge=null", "model@transcriber=pocketsphinx"]))["uro_genemotion_en"]
    assert (result["samples"]["failed"], result["metrics"]["score"]["value"]) == (1, 0)
    (row,) = scored_rows(tmp_path / "run", "uro_genemotion_en")
    assert "the emotion classifier's reply gives no probability of 'happy'" in row["reason"]


@pytest.mark.parametrize("name", TASKS)
def test_a_judge_that_was_away_is_asked_later_and_the_model_is_not(tmp_path: Path, name: str) -> None:
    task = TASKS[name]
    task.write(tmp_path)
    counts: Counter[str] = Counter()
    ear = Speaker({clip("clean-slt-06"): Said("4")})
    backends = {"speaker": model(), "judge": judge if task.role == "judge" else ear}
    said = tmp_path / "run" / name / "model.jsonl"
    away, time_passed = True, 0.0

    async def sleep(seconds: float) -> None:
        """No time passes for those who wait for the judge until the model has said all it has to say."""
        nonlocal time_passed
        for _ in range(24_000):
            if said.read_bytes().count(b"\n") == task.samples * task.rounds:
                break
            await asyncio.sleep(0.005)
        time_passed += seconds

    with (
        OpenAIServer(asked_of(backends, counts)) as server,
        OpenAIServer(asked_of(backends, counts), outage=lambda: away) as judges,
    ):
        words = words_of_run(tmp_path, server.base_url, [name], *settings_of(name), "model@transcriber=pocketsphinx")
        words += served(task.role, "judge", judges.base_url, "Judge")
        plan = plan_of(words)
        with pytest.raises(ServerUnavailableError, match=f"^{task.role}: no answer for"):
            carried_out(replace(plan, clock=Clock(lambda: time_passed, sleep)))
        assert time_passed > 60
        assert not (tmp_path / "run" / "metrics.json").exists()
        kept = said.read_bytes()
        assert counts == {"speaker": task.samples * task.rounds}
        away = False
        result = carried_out(plan)[name]
    assert counts == {"speaker": task.samples * task.rounds, "judge": task.judged}
    assert said.read_bytes() == kept
    assert (result["samples"]["scored"], result["samples"]["failed"]) == (task.samples, 0)
    assert result["metrics"][result["headline"]]["value"] > 0
