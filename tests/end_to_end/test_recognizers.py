"""Runs of hosted recognisers that fail in every documented way: nothing is lost, doubled or taken for words."""

import asyncio
import base64
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
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
from tests.servers.recognizer_faults import ANYWHERE, REFUSED, TRANSIENT
from tests.servers.recognizers import (
    KEY,
    SERVICES,
    AssemblyAIService,
    DoubaoService,
    Recognizer,
    RecognizerServer,
    Reply,
    SpeechmaticsService,
    content_of,
    words_of,
)

TASK = "librispeech_other"
SILENT, REFUSED_ONES = {3, 44}, {5, 17, 58}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 500 recordings of a tenth of a second, the silent ones of lengths of their own."""
    folder = tmp_path_factory.mktemp("recordings")
    noise = np.random.default_rng(0)
    rows = []
    for number in range(500):
        name = f"{number:03}.wav"
        samples = np.zeros(1_600 + number) if number in SILENT else noise.uniform(-0.5, 0.5, 1_600)
        soundfile.write(folder / name, samples, 16_000, subtype="PCM_16")
        rows.append({"id": f"{number:03}", "audio": name, "text": "a reference"})
    return write_jsonl(folder / "manifest.jsonl", rows)


class _Plan:
    """A quarter of the requests fail in passing, each recording at most twice; those of a few are refused."""

    def __init__(self, service: Recognizer, refused: set[str]) -> None:
        self._replies = [*TRANSIENT[service.config], *ANYWHERE]
        self._refusal = REFUSED[service.config][0]
        self._refused = refused
        self._draw = random.Random(0)
        self._failed: Counter[str] = Counter()
        self.faults = 0

    def __call__(self, content: str) -> Reply | None:
        if content in self._refused:
            return self._refusal
        if self._failed[content] >= 2 or self._draw.random() > 0.25:
            return None
        self._failed[content] += 1
        self.faults += 1
        return self._draw.choice(self._replies)


_BY_JOB = {"longest_at_once": 0.05}
_WAYS = [
    *(pytest.param(service, {}, 60, id=f"{service.config}-60") for service in (DoubaoService, SpeechmaticsService)),
    *(pytest.param(service, {}, 500, id=service.config, marks=pytest.mark.slow) for service in SERVICES),
    pytest.param(AssemblyAIService, _BY_JOB, 500, id="assemblyai-by-job", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("kind", "settings", "count"), _WAYS)
def test_every_recording_is_answered_once_whatever_fails(
    kind: type[Recognizer],
    settings: Mapping[str, Any],
    count: int,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def soon(seconds: float) -> None:
        await asyncio.sleep(seconds / 100)

    monkeypatch.setenv("RECOGNIZER_KEY", KEY)
    wavs = {f"{number:03}": (recordings.parent / f"{number:03}.wav").read_bytes() for number in range(count)}
    refused = {f"{number:03}" for number in REFUSED_ONES}
    service = kind()
    faults = _Plan(service, {content_of(wavs[sample]) for sample in refused})
    service.fault = faults
    with RecognizerServer(service) as server:
        chosen = {"base_url": server.base_url, **kind.overrides, **settings, "api_key_variable": "RECOGNIZER_KEY"}
        chosen["limits.requests_per_minute"] = "null"
        if kind is AssemblyAIService:
            chosen["job_url"] = f"{server.origin}/jobs-v2"
        words = [f"task={TASK}", f"tasks.{TASK}.dataset.path={recordings}", f"model={kind.config}", f"limit={count}"]
        words += [f"model.{name}={value}" for name, value in chosen.items()]
        words += [f"runs={tmp_path}", "name=run", "statistics.resamples=100"]
        plan = plan_from_config(compose_configuration(words), {"model": kind.config, "task": TASK})
        evaluate(replace(plan, clock=Clock(sleep=soon)))
    assert service.violations == []
    assert faults.faults > count / 10
    silent = {f"{number:03}" for number in SILENT}
    answered = {content_of(wav) for sample, wav in wavs.items() if sample not in refused}
    assert service.answered == dict.fromkeys(answered, 1)

    records = [json.loads(line) for line in (tmp_path / "run" / TASK / "model.jsonl").read_text().splitlines()]
    assert Counter(record["sample"] for record in records) == dict.fromkeys(wavs, 1)
    for record in records:
        sample, response = record["sample"], record["response"]
        failed, said = sample in refused, sample not in refused | silent
        assert response["text"] == (words_of(content_of(wavs[sample])) if said else "")
        assert response.get("failure", {}).get("kind") == ("refused" if failed else None)
    samples = json.loads((tmp_path / "run" / "metrics.json").read_text())["tasks"][TASK]["samples"]
    assert (samples["failed"], samples["empty"]) == (len(refused), len(silent))
    for secret in (KEY, base64.b64encode(KEY.encode()).decode()):
        for file in (path for path in tmp_path.rglob("*") if path.is_file()):
            assert secret.encode() not in file.read_bytes(), f"the key is in {file}"
