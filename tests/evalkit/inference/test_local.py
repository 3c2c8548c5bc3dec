"""Local endpoints with adapters that compute something real from the audio they are given."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.inference.batching import DecodedAhead, PendingCall
from evalkit.inference.local import LocalExecutor
from evalkit.types import Call, Message, Request, Response
from tests.live_models import spec_of


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


def calls(folder: Path, seconds: Mapping[str, float]) -> list[Call]:
    made = []
    for name, duration in seconds.items():
        path = folder / f"{name}.wav"
        if duration:
            soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, int(16_000 * duration)), 16_000)
        made.append(Call("model", Request((Message("user", (Audio(path.name, path),)),), sample_id=name)))
    return made


def run(executor: LocalExecutor, adapter: ModelAdapter, asked: Sequence[Call]) -> dict[str, Response]:
    async def main() -> list[Response]:
        endpoint = executor.open(spec_of("model", adapter))
        answers = [asyncio.ensure_future(endpoint.answer(call)) for call in asked]
        await asyncio.sleep(0)
        try:
            await endpoint.facts()
            endpoint.expect_more(False)
            return await asyncio.gather(*answers)
        finally:
            await endpoint.close()
            await asyncio.gather(*answers, return_exceptions=True)

    return dict(zip((call.request.sample_id for call in asked), asyncio.run(main()), strict=True))


SECONDS = {f"s{number}": 0.1 + 0.05 * ((number * 7) % 11) for number in range(23)}
EXPECTED = {name: str(round(8_000 * seconds)) for name, seconds in SECONDS.items()}


@pytest.mark.parametrize("batch_size", [None, 1, 3, 100])
def test_every_call_gets_its_own_answer_whatever_the_batch_size(tmp_path: Path, batch_size: int | None) -> None:
    answers = run(LocalExecutor(batch_size, batches_ahead=2), LengthReader(), calls(tmp_path, SECONDS))
    assert {name: response.text for name, response in answers.items()} == EXPECTED
    assert all(response.seconds is not None for response in answers.values())


def test_batches_hold_audio_of_like_length(tmp_path: Path) -> None:
    adapter = LengthReader(batch_size=4)
    run(LocalExecutor(batches_ahead=100), adapter, calls(tmp_path, SECONDS))
    lengths = [length for batch in adapter.batches for length in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert [len(batch) for batch in adapter.batches] == [4, 4, 4, 4, 4, 3]


def test_when_memory_runs_out_batches_shrink_and_stay_small(tmp_path: Path) -> None:
    adapter = LengthReader(batch_size=16, memory=12_000)
    answers = run(LocalExecutor(), adapter, calls(tmp_path, SECONDS))
    assert {name: response.text for name, response in answers.items()} == EXPECTED
    assert max(len(batch) for batch in adapter.batches) < 16


@pytest.mark.slow
def test_memory_that_does_not_even_hold_one_sample_is_that_samples_failure(tmp_path: Path) -> None:
    answers = run(LocalExecutor(), LengthReader(memory=4_000), calls(tmp_path, {"a": 0.2, "b": 1.0, "c": 0.3}))
    assert {name: response.failed for name, response in answers.items()} == {"a": False, "b": True, "c": False}
    assert answers["b"].error == "MemoryError: "
    assert answers["b"].failure is not None
    assert answers["b"].failure.kind == "out_of_memory"


def test_one_bad_sample_costs_no_other_its_answer(tmp_path: Path) -> None:
    seconds = {"a": 0.2, "poison": 0.3, "b": 0.4, "missing": 0.0, "c": 0.5}
    answers = run(LocalExecutor(), LengthReader(batch_size=8), calls(tmp_path, seconds))
    assert {name for name, response in answers.items() if not response.failed} == {"a", "b", "c"}
    assert answers["poison"].error == "ValueError: cannot digest this"
    assert str(answers["missing"].error).endswith("missing.wav: no such audio file")


def test_a_decoder_that_breaks_in_a_way_nobody_foresaw_costs_one_sample_its_answer(tmp_path: Path) -> None:
    def broken() -> bytes:
        raise OverflowError("a rate beyond all bounds")

    asked = calls(tmp_path, {"a": 0.2})
    asked.append(Call("model", Request((Message("user", (Audio("b", content=broken),)),), sample_id="b")))
    answers = run(LocalExecutor(), LengthReader(), asked)
    assert answers["a"].text == "1600"
    assert answers["b"].error == "b: OverflowError: a rate beyond all bounds"


def test_decoded_audio_is_let_go_after_its_batch(tmp_path: Path) -> None:
    asked = calls(tmp_path, SECONDS)
    run(LocalExecutor(batch_size=2, batches_ahead=1), LengthReader(), asked)
    for call in asked:
        assert call.request.audio[0]._waveform is None


def test_audio_is_decoded_ahead_up_to_a_number_and_up_to_seconds(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1) as pool:
        for most, seconds, held in ((4, 1_000.0, 4), (100, 3.0, 3), (100, 0.1, 1)):
            ahead = DecodedAhead(pool, 8_000, most, seconds)
            for call in calls(tmp_path, {f"s{number}": 1.0 for number in range(10)}):
                if not ahead.has_room():
                    break
                ahead.add(PendingCall(call, loop.create_future()))
                ahead._held[-1][1].result()  # type: ignore[union-attr]
            assert len(ahead) == held
    loop.close()


class Decoding(Future[Any]):
    """Done at once; counts how often it is looked at."""

    looks = 0

    def done(self) -> bool:
        Decoding.looks += 1
        return super().done()


class AtOncePool(ThreadPoolExecutor):
    """Does everything at once, in the thread that asks."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future = Decoding()
        future.set_result(function(*arguments, **named))
        return future


def test_a_call_that_is_taken_ahead_costs_no_look_at_all_the_others() -> None:
    waveform, loop, count = np.zeros(800, np.float32), asyncio.new_event_loop(), 2_000
    ahead = DecodedAhead(AtOncePool(), 8_000, count, 1_000.0)
    Decoding.looks = 0
    while ahead.has_room():
        audio = Audio.of_waveform("a", waveform, 8_000)
        ahead.add(PendingCall(Call("model", Request((Message("user", (audio,)),))), loop.create_future()))
    assert len(ahead) == count
    assert Decoding.looks <= count
    assert [len(each) for each in ahead.take_all()] == [count, 0]
    loop.close()


class Odd(ModelAdapter):
    """Returns what it is told to, after so many good batches."""

    capabilities = Capabilities(sample_rate=None, batch_size=2)

    def __init__(self, returned: Any, good: int = 0) -> None:
        self.returned = returned
        self.good = good

    def generate(self, requests: Sequence[Request]) -> Any:
        if self.good:
            self.good -= 1
            return [Response("well") for _ in requests]
        return self.returned(requests) if callable(self.returned) else self.returned

    def fingerprint(self) -> dict[str, Any]:
        return {}


ODDITIES = {
    "None": (None, "Odd.generate returned None; it must return a list with one Response per request"),
    "number": (7, "Odd.generate returned an int; it must"),
    "tuple": (lambda requests: tuple(Response("x") for _ in requests), "Odd.generate returned a tuple; it must"),
    "texts": (lambda requests: ["x" for _ in requests], "Odd.generate returned a list with a str in it; each must"),
    "few": (lambda requests: [Response("x") for _ in requests][1:], r"Odd.generate gave \d responses to \d requests"),
    "no text": (lambda requests: [Response(None) for _ in requests], "Odd returned a Response whose text is None"),  # type: ignore[arg-type]
}


def plain(count: int) -> list[Call]:
    return [Call("model", Request((Message("user", ("?",)),), sample_id=str(number))) for number in range(count)]


@pytest.mark.parametrize("oddity", ODDITIES)
def test_an_adapter_that_never_gives_a_response_stops_the_run(oddity: str) -> None:
    returned, message = ODDITIES[oddity]
    with pytest.raises(ConfigurationError, match=f"model: {message}"):
        run(LocalExecutor(), Odd(returned), plain(10))


@pytest.mark.parametrize("oddity", ODDITIES)
def test_what_is_no_response_is_that_requests_failure(oddity: str) -> None:
    returned, _ = ODDITIES[oddity]
    answers = run(LocalExecutor(), Odd(returned, good=1), plain(4))
    assert [response.text for response in answers.values()] == ["well", "well", "", ""]
    for name in ("2", "3"):
        failure = answers[name].failure
        assert failure is not None
        assert failure.kind == "invalid_response"


@pytest.mark.parametrize("setting", ["batch_size", "decode_threads", "batches_ahead", "seconds_ahead"])
def test_settings_below_one_are_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match=f"executor.{setting} is 0"):
        LocalExecutor(**{setting: 0})  # type: ignore[arg-type]


def test_an_unknown_residency_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="executor.residency: 'apart' must be together or one_at_a_time"):
        LocalExecutor(residency="apart")  # type: ignore[arg-type]


def test_a_model_that_wants_batches_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="batch_size is 0; it must be a whole number, at least 1"):
        run(LocalExecutor(), LengthReader(batch_size=0), calls(tmp_path, SECONDS))
