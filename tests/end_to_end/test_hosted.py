"""Runs of hosted chat models that fail in every documented way: nothing is lost, doubled or taken for words."""

import asyncio
import base64
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.inference.served.clock import Clock
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config
from tests.conftest import write_jsonl
from tests.servers.backends import Answer, ServedRequest
from tests.servers.faults import Fault, Faults
from tests.servers.gemini_server import GeminiServer
from tests.servers.hosted_errors import BUSY, ERRORS, ITEM, LATER, ServiceError
from tests.servers.hosted_schema import DashScopeAsrRequest, DashScopeRequest, StepFunRequest, VllmOmniRequest
from tests.servers.openai_server import OpenAIServer
from tests.servers.realtime_server import Event, RealtimeServer

TASK = "librispeech_other"
KEY = "sk-hosted-5up3r-53cr3t-k3y"
SHORTEST = 1_600  # samples; the recording of sample n has n more, by which a server tells it from others
REFUSED = {5, 17, 58}
# Beside what the services document; a hang costs a deadline, so there is none.
NETWORK = {
    Fault.TOO_MANY_SECONDS: 0.02,
    Fault.BAD_GATEWAY: 0.02,
    Fault.RESET_BEFORE: 0.02,
    Fault.RESET_MIDWAY: 0.01,
    Fault.TRUNCATED_BODY: 0.02,
    Fault.ENDED_EARLY: 0.02,
    Fault.MALFORMED_JSON: 0.02,
    Fault.EMPTY_BODY: 0.02,
    Fault.HTML_PAGE: 0.02,
    Fault.WRONG_SCHEMA: 0.02,
    Fault.ERROR_EVENT: 0.02,
}
LIVE: list[int | Event] = [
    429,
    500,
    503,
    {},
    {"type": "error", "error": {"type": "server_error", "code": None, "message": "The server broke."}},
    {"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Not so fast."}},
    {
        "type": "response.done",
        "response": {
            "status": "failed",
            "status_details": {"error": {"type": "server_error", "message": "It broke."}},
        },
    },
]
"""What goes wrong with a live conversation."""


class Service:
    """Says what it heard, but for passing errors, each recording at most twice, and refusals of a few.

    Args:
        errors: that the service documents.
        rate: of the samples that it hears, in hertz.
    """

    def __init__(self, errors: list[ServiceError], rate: int = 16_000) -> None:
        self._passing = [error for error in errors if error.meaning in (BUSY, LATER)]
        self._refusals = [error for error in errors if error.meaning == ITEM]
        self._rate = rate
        self._draw = random.Random(0)
        self._failed: Counter[int] = Counter()

    def __call__(self, request: ServedRequest) -> Answer:
        (sound,) = request.sounds
        sample = round(len(sound.samples) * 16_000 / self._rate) - SHORTEST
        if sample in REFUSED and self._refusals:
            raise self._refusals[sample % len(self._refusals)].raised()
        if self._passing and self._failed[sample] < 2 and self._draw.random() < 0.25:
            self._failed[sample] += 1
            raise self._draw.choice(self._passing).raised()
        return Answer((heard(sample),))


def heard(sample: int) -> str:
    """What a service says of the recording of a sample."""
    return f"heard number {sample}"


def _live_faults() -> Callable[[], int | Event | None]:
    draw = random.Random(0)
    return lambda: draw.choice(LIVE) if draw.random() < 0.2 else None


@dataclass(frozen=True)
class Way:
    """A configuration, the server that it is put to, and settings of the former."""

    config: str
    server: Callable[[Service], Any]
    settings: Mapping[str, str] = field(default_factory=dict)
    errors: str = ""
    rate: int = 16_000

    def __str__(self) -> str:
        return "-".join((self.config, *self.settings.values()))


def _chat(form: Any = None) -> Callable[[Service], Any]:
    return lambda service: OpenAIServer(service, key=KEY, chat=form, faults=Faults(1, NETWORK), retry_after=0.01)


def _gemini(service: Service) -> Any:
    return GeminiServer(service, key=KEY, faults=Faults(1, NETWORK), retry_after=0.01)


def _live(dialect: str, rate: int = 24_000) -> Callable[[Service], Any]:
    return lambda service: RealtimeServer(service, dialect=dialect, key=KEY, rate=rate, fault=_live_faults())


STREAMED = {"stream": "true"}
WAYS = (
    Way("gpt_audio", _chat(), errors="gpt_audio"),
    Way("gpt_audio", _chat(), STREAMED, errors="gpt_audio"),
    Way("step_audio_2", _chat(StepFunRequest), errors="step_audio_2"),
    Way("step_audio_2", _chat(StepFunRequest), STREAMED, errors="step_audio_2"),
    Way("qwen_omni_turbo", _chat(DashScopeRequest), errors="qwen3_omni_flash"),
    Way("qwen3_omni_flash", _chat(DashScopeRequest), errors="qwen3_omni_flash"),
    Way("qwen3_asr_flash", _chat(DashScopeAsrRequest), errors="qwen3_omni_flash"),
    Way("vllm_omni", _chat(VllmOmniRequest)),
    Way("gemini_2_5_flash", _gemini, errors="gemini_2_5_flash"),
    Way("gemini_2_5_flash", _gemini, STREAMED, errors="gemini_2_5_flash"),
    Way("gpt_realtime", _live("ga"), rate=24_000),
    Way("step_audio_2_realtime", _live("beta"), rate=24_000),
    Way("qwen3_omni_flash_realtime", _live("beta", 16_000)),
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 500 recordings of a tenth of a second, each a sample longer than the one before."""
    folder = tmp_path_factory.mktemp("recordings")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, SHORTEST + 500)
    rows = []
    for number in range(500):
        soundfile.write(folder / f"{number:03}.wav", noise[: SHORTEST + number], 16_000, subtype="PCM_16")
        rows.append({"id": f"{number:03}", "audio": f"{number:03}.wav", "text": "a reference"})
    return write_jsonl(folder / "manifest.jsonl", rows)


_FAST = [pytest.param(way, 60, id=f"{way}-60") for way in (WAYS[5], WAYS[9], WAYS[10])]
_ALL = [pytest.param(way, 500, id=f"{way}-500", marks=pytest.mark.slow) for way in WAYS]


@pytest.mark.parametrize(("way", "count"), [*_FAST, *_ALL])
def test_every_request_is_answered_once_whatever_fails(
    way: Way, count: int, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def soon(seconds: float) -> None:
        await asyncio.sleep(seconds / 100)

    monkeypatch.setenv("SERVER_KEY", KEY)
    service = Service(ERRORS[way.errors] if way.errors else [], way.rate)
    with way.server(service) as server:
        settings = {"base_url": server.base_url, "api_key_variable": "SERVER_KEY", **way.settings}
        settings["limits.requests_per_minute"] = "null"
        words = [f"task={TASK}", f"tasks.{TASK}.dataset.path={recordings}", f"model={way.config}", f"limit={count}"]
        words += [f"model.{name}={value}" for name, value in settings.items()]
        words += [f"runs={tmp_path}", "name=run", "statistics.resamples=100"]
        plan = plan_from_config(compose_configuration(words), {"model": way.config, "task": TASK})
        evaluate(replace(plan, clock=Clock(sleep=soon)))
        assert server.journal.violations == []
        live = isinstance(server, RealtimeServer)
        requests = server.journal.connections if live else sum(server.journal.outcomes().values())
        answered = server.journal.answered()
    refused = {sample for sample in REFUSED if way.errors}
    assert (len(answered), set(answered.values())) == (count - len(refused), {1})
    assert requests - count > count / 10, "hardly anything failed"

    records = [json.loads(line) for line in (tmp_path / "run" / TASK / "model.jsonl").read_text().splitlines()]
    assert Counter(record["sample"] for record in records) == {f"{number:03}": 1 for number in range(count)}
    for record in records:
        sample, response = int(record["sample"]), record["response"]
        assert response["text"] == ("" if sample in refused else heard(sample))
        assert response.get("failure", {}).get("kind") == ("refused" if sample in refused else None)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())["tasks"][TASK]["samples"]
    assert (metrics["failed"], metrics["empty"]) == (len(refused), 0)
    for secret in (KEY, base64.b64encode(KEY.encode()).decode()):
        for file in (path for path in tmp_path.rglob("*") if path.is_file()):
            assert secret.encode() not in file.read_bytes(), f"the key is in {file}"
