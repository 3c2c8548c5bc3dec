"""How far evalkit keeps a GPU at work: one command of under ten minutes for the day that one is at hand.

Run with ``python -m tests.performance.gpu`` where there is CUDA; ``--tiny`` tries the script itself with a tiny model
on what there is. First the figures of ``step_audio_2_speed`` for mini's full size in bfloat16: time to the first token,
and tokens a second at 1, 8, 32 and 64 rows as shares of the bound set by bandwidth. Then recognition through the whole
executor: recordings on disk, as long as those of LibriSpeech, decoded ahead, in batches that begin with 8 and grow with
the memory of the GPU; answers of random weights, three tokens for a second of the longest recording. Printed are the
share of the time that the model was at work (the goal is 90 %), seconds of audio a second, and the batches.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from evalkit.adapter import Capabilities, Memory
from evalkit.audio import Audio
from evalkit.inference.local import LocalExecutor
from evalkit.types import Call, Message, Request, Response
from model_adapters.shared.torch_memory import OnTorch
from step_audio_2.generation import batch
from step_audio_2.log_mel import audio_token_count, log_mel_spectrogram
from step_audio_2.special_tokens import AUDIO_END, AUDIO_PATCH, AUDIO_START, PAD
from step_audio_2.testing.tiny_checkpoint import TINY
from tests.live_models import spec_of
from tests.performance.step_audio_2_speed import FULL, NO_STOP, against_the_bounds, make_model

RATE = 16_000
ROWS = 8
TOKENS_A_SECOND = 3
MEDIAN, SPREAD, SHORTEST, LONGEST = 5.8, 0.7, 1.3, 30.0  # of a log-normal distribution, seconds


class Recogniser(OnTorch):
    """Step-Audio 2 with random weights, asked for a transcript; remembers its batches."""

    capabilities = Capabilities(sample_rate=RATE, batch_size=ROWS)

    def __init__(self, sizes: dict[str, dict[str, Any]], device: str) -> None:
        self._model = make_model(sizes, device, torch.bfloat16 if device == "cuda" else torch.float32)
        self.batches: list[list[float]] = []
        self.peak = 0

    def device_memory(self) -> Memory | None:
        memory = super().device_memory()
        self.peak = max(self.peak, 0 if memory is None else memory.peak)
        return memory

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        waveforms = [torch.from_numpy(request.audio[0].waveform(RATE)) for request in requests]
        lengths = [len(waveform) / RATE for waveform in waveforms]
        self.batches.append(lengths)
        mels = [log_mel_spectrogram(waveform) for waveform in waveforms]
        prompts = [
            [*range(20), AUDIO_START, *[AUDIO_PATCH] * audio_token_count(mel.shape[1]), AUDIO_END, *range(20, 30)]
            for mel in mels
        ]
        inputs = batch(prompts, [[mel] for mel in mels], PAD).items()
        tokens = self._model.generate(
            **{name: tensor.to(self._model.device) for name, tensor in inputs},
            max_new_tokens=int(TOKENS_A_SECOND * max(lengths)) + 5,
            do_sample=False,
            eos_token_id=NO_STOP,
        )
        return [Response(" ".join(map(str, row[-TOKENS_A_SECOND:]))) for row in tokens.tolist()]

    def fingerprint(self) -> Mapping[str, Any]:
        return {}


def recordings(folder: Path, count: int) -> list[Call]:
    """Calls about noise of LibriSpeech's lengths, on disk."""
    rng, noise = random.Random(7), np.random.default_rng(7)
    calls = []
    for number in range(count):
        seconds = min(max(rng.lognormvariate(float(np.log(MEDIAN)), SPREAD), SHORTEST), LONGEST)
        path = folder / f"{number}.flac"
        soundfile.write(path, 0.1 * noise.standard_normal(int(seconds * RATE)), RATE)
        calls.append(Call("model", Request((Message("user", (Audio(path.name, path),)),), sample_id=path.stem)))
    return calls


async def transcribe(model: Recogniser, calls: Sequence[Call]) -> float | None:
    """Have all calls answered, and return the share of the time that the model was at work."""
    endpoint = LocalExecutor().open(spec_of("model", model))
    await endpoint.facts()
    asked = [asyncio.ensure_future(endpoint.answer(call)) for call in calls]
    await asyncio.sleep(0)
    endpoint.expect_more(False)
    responses = await asyncio.gather(*asked)
    share = endpoint.at_work().share
    await endpoint.close()
    failed = [response.error for response in responses if response.failed]
    assert not failed, failed[0]
    return share


def recognition(sizes: dict[str, dict[str, Any]], device: str, count: int) -> None:
    """Print how recognition goes."""
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        calls, model = recordings(Path(name), count), Recogniser(sizes, device)
        asyncio.run(transcribe(model, calls[:ROWS]))  # warms up
        model.batches.clear()
        began = time.perf_counter()
        share = asyncio.run(transcribe(model, calls))
        took = time.perf_counter() - began
    heard = sum(map(sum, model.batches))
    padded = sum(len(lengths) * max(lengths) for lengths in model.batches)
    print(f"\nrecognition of {count} recordings: model busy {share:.1%}, {heard / took:.0f} seconds of audio a second")
    print(f"batches of {[len(lengths) for lengths in model.batches]}, {1 - heard / padded:.0%} of them padding")
    if device == "cuda":
        print(f"peak memory: {model.peak / 1e9:.1f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a tiny model on what there is, to try the script")
    tiny = parser.parse_args().tiny
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not tiny:
        print("no GPU is at hand; --tiny tries this script without one")
        return
    against_the_bounds(TINY if tiny else FULL, 16 if tiny else 1, device)
    recognition(TINY if tiny else FULL, device, 48 if tiny else 1_024)


if __name__ == "__main__":
    main()
