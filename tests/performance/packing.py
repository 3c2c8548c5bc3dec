"""Batches packed by cost against batches of one size in the order of arrival: padding, and samples a second.

Run with ``python -m tests.performance.packing``. Whisper tiny.en on two threads of the processor, used as models are
that do not hear everything in a window of 30 seconds: a batch is as long as its longest recording. 96 recordings, put
together of the demo's speech, are as long as those of LibriSpeech: 7 seconds on average, from 1.3 to 30, half of them
below 5.8. Both ways go through the same executor, model and process.
"""

import asyncio
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.audio import Audio, Waveform
from evalkit.inference.local import LocalExecutor
from evalkit.types import Call, Message, Request, Response
from model_adapters.whisper.packaged_weights import packaged_folder
from tests.conftest import DEMO_SPEECH
from tests.live_models import spec_of

RATE = 16_000
ROWS = 8
RECORDINGS = 96
MEDIAN, SPREAD, SHORTEST, LONGEST = 5.8, 0.7, 1.3, 30.0  # of a log-normal distribution, seconds
_FRAMES_A_SECOND = 100
_MARGIN = 200  # frames of silence, without which short recordings are repeated again and again
_TOKENS_A_SECOND = 8
_SPECIAL_TOKENS = ("<|startoftranscript|>", "<|notimestamps|>")


class Whisper(ModelAdapter):
    """Whisper tiny.en, greedy; a batch is as long as its longest recording. Counts the seconds that it is given."""

    capabilities = Capabilities(sample_rate=RATE, batch_size=ROWS)

    def __init__(self) -> None:
        folder = str(packaged_folder("whisper-tiny.en"))
        self._whisper = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True)
        self._prompt = [self._whisper.hf_tokenizer.token_to_id(token) for token in _SPECIAL_TOKENS]
        self.seconds = self.padded_seconds = 0.0

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        waveforms = [request.audio[0].waveform(RATE) for request in requests]
        lengths = [len(waveform) / RATE for waveform in waveforms]
        self.seconds += sum(lengths)
        self.padded_seconds += len(lengths) * max(lengths)
        results = self._whisper.model.generate(
            ctranslate2.StorageView.from_array(self._features(waveforms)),
            [self._prompt] * len(waveforms),
            beam_size=1,
            max_length=2 * (len(self._prompt) + int(_TOKENS_A_SECOND * max(lengths)) + 8),
        )
        return [Response(self._whisper.hf_tokenizer.decode(each.sequences_ids[0])) for each in results]

    def _features(self, waveforms: Sequence[Waveform]) -> "np.ndarray[Any, Any]":
        """Return the spectrograms [recordings, bands, frames] of a batch, padded with silence."""
        frames = int(max(map(len, waveforms)) / RATE * _FRAMES_A_SECOND) + _MARGIN
        samples = min(frames, 30 * _FRAMES_A_SECOND) * RATE // _FRAMES_A_SECOND
        extract = self._whisper.feature_extractor
        padded = [np.pad(waveform[:samples], (0, max(samples - len(waveform), 0))) for waveform in waveforms]
        return np.ascontiguousarray(np.stack([extract(each, padding=0) for each in padded]))

    def fingerprint(self) -> Mapping[str, Any]:
        return {}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one way took, in seconds, and which part of what the model was given is padding."""

    wall: float
    processor: float
    padding: float


def make_calls() -> list[Call]:
    """Calls about recordings in the order of arrival."""
    spoken = [Audio(path.name, path).waveform(RATE) for path in sorted((DEMO_SPEECH / "audio").glob("*.flac"))]
    rng = random.Random(7)
    calls = []
    for number in range(RECORDINGS):
        seconds = min(max(rng.lognormvariate(float(np.log(MEDIAN)), SPREAD), SHORTEST), LONGEST)
        pieces = [rng.choice(spoken) for _ in range(20)]
        waveform = np.concatenate(pieces)[: int(seconds * RATE)]
        audio = Audio.of_waveform(str(number), waveform, RATE)
        calls.append(Call("model", Request((Message("user", (audio,)),), sample_id=str(number))))
    return calls


async def ask(executor: LocalExecutor, model: Whisper, calls: Sequence[Call]) -> list[Response]:
    endpoint = executor.open(spec_of("model", model))
    await endpoint.facts()
    asked = [asyncio.ensure_future(endpoint.answer(call)) for call in calls]
    await asyncio.sleep(0)
    endpoint.expect_more(False)
    responses = await asyncio.gather(*asked)
    await endpoint.close()
    return responses


def measure(executor: LocalExecutor, model: Whisper) -> Figures:
    calls = make_calls()
    seconds, padded = model.seconds, model.padded_seconds
    began, before = time.perf_counter(), os.times()
    responses = asyncio.run(ask(executor, model, calls))
    wall, after = time.perf_counter() - began, os.times()
    assert not any(response.failed for response in responses), "a recording was not answered"
    padding = 1 - (model.seconds - seconds) / (model.padded_seconds - padded)
    return Figures(wall, after.user + after.system - before.user - before.system, padding)


def main() -> None:
    """Measure both ways and print what each took, and the ratios."""
    model = Whisper()
    arrival = measure(LocalExecutor(batch_size=ROWS, batches_ahead=1), model)
    packed = measure(LocalExecutor(batch_size=ROWS), model)
    print(f"{RECORDINGS} recordings, {ROWS} in a batch\n{'':10}padding  samples/s  processor s")
    for way, each in (("arrival", arrival), ("packed", packed)):
        print(f"{way:10}{each.padding:7.0%}  {RECORDINGS / each.wall:9.2f}  {each.processor:11.1f}")
    wall, processor = arrival.wall / packed.wall, arrival.processor / packed.processor
    print(f"packed is {wall:.2f} times as fast by the clock, {processor:.2f} times in processor time")


if __name__ == "__main__":
    main()
