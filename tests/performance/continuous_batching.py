"""Continuous batching of Step-Audio 2 against batches that stay together, on answers of very different length.

Run with ``python -m tests.performance.continuous_batching``. Random weights; how many tokens an answer takes is drawn
from a geometric distribution between 8 and 256, in an order by chance, and the tokens must be equal. Both read prompts
with audio of 1 to 4 seconds. ``--tiny`` takes a tiny model, to try the script itself.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from step_audio_2.chat import Prompt
from step_audio_2.continuous import Chain, Continuation, RunningBatch, run_each
from step_audio_2.generation import batch
from step_audio_2.log_mel import audio_token_count, log_mel_spectrogram
from step_audio_2.model import StepAudio2ForCausalLM
from step_audio_2.sampling import Decoding
from step_audio_2.special_tokens import AUDIO_END, AUDIO_PATCH, AUDIO_START, PAD, load_tokenizer
from step_audio_2.testing.tiny_checkpoint import TINY
from step_audio_2.testing.tiny_tokenizer import write_tiny_tokenizer
from tests.performance.step_audio_2_speed import MIDDLE, NO_STOP, make_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SLOTS = 8
SHORTEST, LONGEST, MEAN = 8, 256, 48

Tokens = list[list[int]]


def questions(count: int) -> list[Continuation]:
    """Prompts that are heard and read, each with the number of tokens that its answer takes."""
    draw = random.Random(0)
    noise = torch.Generator().manual_seed(0)
    asked = []
    for _ in range(count):
        mel = log_mel_spectrogram(0.1 * torch.randn(int(16_000 * draw.uniform(1, 4)), generator=noise))
        patches = [AUDIO_PATCH] * audio_token_count(mel.shape[1])
        ids = [*range(20), AUDIO_START, *patches, AUDIO_END, *range(20, 20 + draw.randint(5, 40))]
        tokens = min(SHORTEST + int(draw.expovariate(1 / (MEAN - SHORTEST))), LONGEST)
        asked.append(Continuation(Prompt(ids, [mel]), Decoding(tokens)))
    return asked


def static(model: StepAudio2ForCausalLM, asked: Sequence[Continuation]) -> Tokens:
    """Batches in the order of coming, each of which lasts as long as its longest answer."""
    answers = []
    for first in range(0, len(asked), SLOTS):
        together = asked[first : first + SLOTS]
        inputs = batch([each.prompt.input_ids for each in together], [each.prompt.mels for each in together], PAD)
        longest = max(each.decoding.max_new_tokens for each in together)
        rows = model.generate(**inputs, max_new_tokens=longest, do_sample=False, eos_token_id=NO_STOP)
        new = rows[:, inputs["input_ids"].shape[1] :].tolist()
        answers += [row[: each.decoding.max_new_tokens] for row, each in zip(new, together, strict=True)]
    return answers


def continuous(
    model: StepAudio2ForCausalLM, asked: Sequence[Continuation], tokenizer: "PreTrainedTokenizerFast"
) -> Tokens:
    """Slots that the next answer takes as soon as one is done."""

    def chain(wanted: Continuation) -> Chain[list[int]]:
        return (yield wanted)

    running = RunningBatch(model, tokenizer, [NO_STOP], SLOTS)
    answers: dict[int, list[int]] = {}
    for number, tokens in run_each(running, ((number, chain(wanted)) for number, wanted in enumerate(asked))):
        assert isinstance(tokens, list)
        answers[number] = tokens
    return [answers[number] for number in range(len(asked))]


class Steps:
    """Counts the steps of the decoder beside its reading of prompts."""

    def __init__(self, model: StepAudio2ForCausalLM) -> None:
        self.taken = 0
        model.lm_head.register_forward_pre_hook(self._count)
        self._reading = False
        model.encoder.register_forward_pre_hook(self._reads)

    def _reads(self, *_: Any) -> None:
        self._reading = True

    def _count(self, *_: Any) -> None:
        self.taken += not self._reading
        self._reading = False


def measured(work: Callable[[], Tokens]) -> tuple[Tokens, float, float]:
    """What it gives, and the seconds that it takes: of the wall clock, and of the processor."""
    started, busy = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - started, time.process_time() - busy


def compare(sizes: dict[str, dict[str, Any]], count: int) -> None:
    """Print what both take, and the ratios."""
    # More would wait for each other, and count as at work while they do.
    torch.set_num_threads(1)
    model = make_model(sizes, "cpu", torch.float32)
    steps = Steps(model)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = load_tokenizer(write_tiny_tokenizer(Path(folder)))
    asked = questions(count)
    lengths = sorted(each.decoding.max_new_tokens for each in asked)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{parameters / 1e6:.0f} M parameters, float32, one thread, {SLOTS} at once;")
    print(f"{count} answers of {lengths[0]} to {lengths[-1]} tokens, half of them under {lengths[count // 2]}\n")
    ways: dict[str, Callable[[], Tokens]] = {
        "static": lambda: static(model, asked),
        "continuous": lambda: continuous(model, asked, tokenizer),
    }
    static(model, asked[:SLOTS])  # warms up
    seconds: dict[str, list[float]] = {}
    tokens: dict[str, Tokens] = {}
    taken: dict[str, int] = {}
    for name, work in ways.items():
        before = steps.taken
        tokens[name], *seconds[name] = measured(work)
        taken[name] = steps.taken - before
    assert tokens["static"] == tokens["continuous"], "the tokens differ"
    # The first token of an answer comes of reading its prompt.
    used = sum(lengths) - count
    print(f"{'':12}wall s  processor s  tokens/s  steps  live share of steps x slots")
    for name, (wall, busy) in seconds.items():
        share = used / (taken[name] * SLOTS)
        print(f"{name:12}{wall:6.1f} {busy:12.1f} {sum(lengths) / wall:9.1f} {taken[name]:6} {share:8.0%}")
    ratios = [before / after for before, after in zip(seconds["static"], seconds["continuous"], strict=True)]
    print(f"\nsame tokens; continuous is {ratios[0]:.2f} times as fast ({ratios[1]:.2f} in processor time)")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true")
    tiny = parser.parse_args().tiny
    compare(TINY if tiny else MIDDLE, count=24 if tiny else 48)


if __name__ == "__main__":
    main()
