"""The local executor against adapters that compute something real from the audio they are given."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.inference.batching import LocalExecutor, PendingCall
from evalkit.types import Call, Message, Request, Response, Sample


class LengthReader(ModelAdapter):
    """Answers with the length and loudness of what it hears; remembers its batches; may run out of memory."""

    def __init__(self, batch_size: int = 4, memory: int | None = None) -> None:
        self.capabilities = Capabilities(sample_rate=8_000, batch_size=batch_size)
        self.memory = memory
        self.batches: list[list[int]] = []

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        lengths = [len(request.audio[0].waveform(8_000)) for request in requests]
        if self.memory is not None and len(lengths) * max(lengths) > self.memory:
            raise MemoryError
        for request in requests:
            if request.sample_id == "poison":
                raise ValueError("cannot digest this")
        self.batches.append(lengths)
        return [Response(str(length)) for length in lengths]

    def fingerprint(self) -> dict[str, Any]:
        return {"model": "length reader"}


def pending(folder: Path, seconds: dict[str, float]) -> Iterator[PendingCall]:
    for name, duration in seconds.items():
        path = folder / f"{name}.wav"
        if duration:
            soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, int(16_000 * duration)), 16_000)
        audio = Audio(path.name, path)
        yield PendingCall(Sample(name), (), Call("model", Request((Message("user", (audio,)),), sample_id=name)))


def run(executor: LocalExecutor, adapter: ModelAdapter, calls: Iterator[PendingCall]) -> dict[str, Response]:
    answers = [(item.sample.id, response) for item, response in executor.execute(adapter, calls)]
    assert len({name for name, _ in answers}) == len(answers), "a call was answered twice"
    return dict(answers)


SECONDS = {f"s{number}": 0.1 + 0.05 * ((number * 7) % 11) for number in range(23)}
EXPECTED = {name: str(round(8_000 * seconds)) for name, seconds in SECONDS.items()}


@pytest.mark.parametrize("batch_size", [None, 1, 3, 100])
def test_every_call_gets_its_own_answer_whatever_the_batch_size(tmp_path: Path, batch_size: int | None) -> None:
    answers = run(LocalExecutor(batch_size, batches_ahead=2), LengthReader(), pending(tmp_path, SECONDS))
    assert {name: response.text for name, response in answers.items()} == EXPECTED
    assert all(response.seconds is not None for response in answers.values())


def test_batches_hold_audio_of_like_length(tmp_path: Path) -> None:
    adapter = LengthReader(batch_size=4)
    run(LocalExecutor(batches_ahead=100), adapter, pending(tmp_path, SECONDS))
    lengths = [length for batch in adapter.batches for length in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert [len(batch) for batch in adapter.batches] == [4, 4, 4, 4, 4, 3]


def test_when_memory_runs_out_batches_shrink_and_stay_small(tmp_path: Path) -> None:
    adapter = LengthReader(batch_size=16, memory=12_000)
    answers = run(LocalExecutor(), adapter, pending(tmp_path, SECONDS))
    assert {name: response.text for name, response in answers.items()} == EXPECTED
    assert max(len(batch) for batch in adapter.batches) < 16


def test_memory_that_does_not_even_hold_one_sample_is_that_samples_failure(tmp_path: Path) -> None:
    answers = run(LocalExecutor(), LengthReader(memory=4_000), pending(tmp_path, {"a": 0.2, "b": 1.0, "c": 0.3}))
    assert {name: response.failed for name, response in answers.items()} == {
        "a": False,
        "b": True,
        "c": False,
    }
    assert answers["b"].error == "MemoryError: "


def test_one_bad_sample_costs_no_other_its_answer(tmp_path: Path) -> None:
    seconds = {"a": 0.2, "poison": 0.3, "b": 0.4, "missing": 0.0, "c": 0.5}
    answers = run(LocalExecutor(), LengthReader(batch_size=8), pending(tmp_path, seconds))
    assert {name for name, response in answers.items() if not response.failed} == {"a", "b", "c"}
    assert answers["poison"].error == "ValueError: cannot digest this"
    assert str(answers["missing"].error).endswith("missing.wav: no such audio file")


def test_decoded_audio_is_let_go_after_its_batch(tmp_path: Path) -> None:
    calls = list(pending(tmp_path, SECONDS))
    run(LocalExecutor(batch_size=2, batches_ahead=1), LengthReader(), iter(calls))
    for item in calls:
        assert item.call.request.audio[0]._waveform is None


def test_audio_is_decoded_only_a_window_ahead(tmp_path: Path) -> None:
    calls = list(pending(tmp_path, SECONDS))
    answers = LocalExecutor(batch_size=2, batches_ahead=2).execute(LengthReader(), iter(calls))
    next(answers)
    decoded = sum(item.call.request.audio[0].duration is not None for item in calls)
    assert decoded <= 2 * (2 * 2) + 1
    answers.close()


class Miscounting(LengthReader):
    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return super().generate(requests)[1:]


def test_an_adapter_that_loses_answers_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Miscounting\.generate gave 3 responses to 4 requests"):
        run(LocalExecutor(), Miscounting(), pending(tmp_path, SECONDS))


@pytest.mark.parametrize("setting", ["batch_size", "decode_threads", "batches_ahead"])
def test_settings_below_one_are_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match=f"executor.{setting} is 0"):
        LocalExecutor(**{setting: 0})


def test_a_model_that_wants_batches_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="batch_size of LengthReader is 0; it must be at least 1"):
        run(LocalExecutor(), LengthReader(batch_size=0), pending(tmp_path, SECONDS))
