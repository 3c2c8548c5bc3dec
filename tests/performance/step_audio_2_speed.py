"""How fast Step-Audio 2 listens and writes, with random weights.

Run with ``python -m tests.performance.step_audio_2_speed``. On a CPU: a model of middle size against a straight loop
that encodes and reads everything again at every step, as the original does, with equal weights and equal tokens. On
CUDA: the full size of mini in bfloat16, with the share that each figure is of the bound set by memory bandwidth or
arithmetic, both measured in the same run. ``--tiny`` runs both with a tiny model on what there is, to try the script
itself.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from step_audio_2.configuration import StepAudio2Config
from step_audio_2.generation import batch, stream
from step_audio_2.log_mel import audio_token_count, log_mel_spectrogram
from step_audio_2.model import StepAudio2ForCausalLM
from step_audio_2.special_tokens import AUDIO_END, AUDIO_PATCH, AUDIO_START, PAD
from step_audio_2.testing.tiny_checkpoint import TINY

SECONDS = 10
NEW_TOKENS = 64
# Nothing stops an answer here: an id that has no meaning, and that a random model hardly ever writes.
NO_STOP = 151691
MIDDLE: dict[str, dict[str, Any]] = {
    "audio_encoder_config": {"n_audio_state": 512, "n_audio_head": 8, "n_audio_layer": 8, "llm_dim": 512},
    "text_config": {
        "hidden_size": 512,
        "intermediate_size": 1408,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
    },
}
FULL: dict[str, dict[str, Any]] = {"audio_encoder_config": {}, "text_config": {}}
TRANSCRIPT_TOKENS = 40


def make_model(sizes: dict[str, dict[str, Any]], device: str, dtype: torch.dtype) -> StepAudio2ForCausalLM:
    torch.manual_seed(0)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return StepAudio2ForCausalLM(StepAudio2Config(**sizes)).eval()
    finally:
        torch.set_default_dtype(usual)


def prompt() -> tuple[list[int], Tensor]:
    """A prompt with 10 seconds of audio, and its spectrogram."""
    mel = log_mel_spectrogram(0.1 * torch.randn(16_000 * SECONDS, generator=torch.Generator().manual_seed(1)))
    patches = [AUDIO_PATCH] * audio_token_count(mel.shape[1])
    return [*range(20), AUDIO_START, *patches, AUDIO_END, *range(20, 30)], mel


def inputs(rows: int, device: str) -> dict[str, Tensor]:
    ids, mel = prompt()
    return {name: tensor.to(device) for name, tensor in batch([ids] * rows, [[mel]] * rows, PAD).items()}


def seconds(work: Callable[[], Any], runs: int = 3) -> float:
    """The best wall time of a few runs, after one that warms up."""
    work()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times)


def generate(model: StepAudio2ForCausalLM, rows: int, new_tokens: int, **settings: Any) -> Tensor:
    arguments = inputs(rows, model.device.type)
    return model.generate(**arguments, max_new_tokens=new_tokens, do_sample=False, eos_token_id=NO_STOP, **settings)


@torch.no_grad()
def straight_loop(model: StepAudio2ForCausalLM, new_tokens: int) -> Tensor:
    """Everything again at every step: the audio encoded, the whole sequence read, logits for all of it."""
    arguments = inputs(1, model.device.type)
    arguments.pop("attention_mask")
    for _ in range(new_tokens):
        logits = model(**arguments, use_cache=False).logits
        arguments["input_ids"] = torch.cat([arguments["input_ids"], logits[:, -1:].argmax(-1)], dim=1)
    return arguments["input_ids"]


def against_the_straight_loop(sizes: dict[str, dict[str, Any]]) -> None:
    model = make_model(sizes, "cpu", torch.float32)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{parameters / 1e6:.0f} M parameters, float32, {torch.get_num_threads()} threads; {SECONDS} s of audio,")
    print(f"{NEW_TOKENS} new tokens\n")
    expected = straight_loop(model, NEW_TOKENS)
    tokens = generate(model, 1, NEW_TOKENS)
    assert tokens.equal(expected), "the tokens differ"
    straight = seconds(lambda: straight_loop(model, NEW_TOKENS), runs=1)
    print(f"{'':24}seconds a request   ratio")
    print(f"{'straight loop':24}{straight:17.2f}{1:8.1f}")
    for rows in (1, 16):
        assert generate(model, rows, NEW_TOKENS).equal(expected.expand(rows, -1)), "the tokens differ"
        own = seconds(lambda rows=rows: generate(model, rows, NEW_TOKENS)) / rows  # type: ignore[misc]
        print(f"{f'with a cache, {rows} at once':24}{own:17.2f}{straight / own:8.1f}")


def bandwidth(size: int, device: str) -> float:
    """Bytes a second of a copy on the device, read and written."""
    source = torch.randn(size, device=device).to(torch.bfloat16)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source), runs=10)


def arithmetic(size: int, device: str) -> float:
    """Operations a second of a large product in bfloat16."""
    left, right = (torch.randn(size, size, device=device).to(torch.bfloat16) for _ in range(2))
    return float(2 * size**3 / seconds(lambda: left @ right, runs=10))


def bytes_a_step(model: StepAudio2ForCausalLM, rows: int, context: int) -> float:
    """What a step of decoding has to read: the decoder's weights, and the keys and values of every row."""
    text = model.config.text_config
    weights = sum(parameter.nbytes for part in (model.model.layers, model.lm_head) for parameter in part.parameters())
    head = text.hidden_size // text.num_attention_heads
    cache = 2 * text.num_hidden_layers * text.num_key_value_heads * head * context * model.dtype.itemsize
    return float(weights + rows * cache)


def operations_of_reading(model: StepAudio2ForCausalLM, positions: int) -> float:
    """Of encoding one recording and reading one prompt; attention itself is left out."""
    encoder = sum(parameter.numel() for parameter in model.encoder.blocks.parameters())
    decoder = sum(parameter.numel() for parameter in model.model.layers.parameters())
    return 2.0 * (encoder * 50 * SECONDS + decoder * positions)


def first_token(model: StepAudio2ForCausalLM) -> float:
    arguments = inputs(1, model.device.type)

    def once() -> None:
        # No more than it, since the end of the stream waits for the step under way.
        steps = stream(model, **arguments, max_new_tokens=1, do_sample=False, eos_token_id=NO_STOP)
        next(steps)

    return seconds(once, runs=5)


def against_the_bounds(sizes: dict[str, dict[str, Any]], scale: int, device: str) -> None:
    copied, multiplied = bandwidth(2**29 // scale, device), arithmetic(8192 // scale, device)
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    print(f"{name}: copy {copied / 1e9:.0f} GB/s, product {multiplied / 1e12:.2f} TFLOP/s, bfloat16")
    model = make_model(sizes, device, torch.bfloat16)
    positions = len(prompt()[0])
    context = positions + NEW_TOKENS // 2
    reading = operations_of_reading(model, positions) / multiplied
    latency = first_token(model)
    print(f"first token after {1e3 * latency:.1f} ms, {reading / latency:.0%} of the bound by arithmetic")
    print("\ncache    rows  tokens/s  ms a step  share of the bandwidth bound")
    for name, settings in (("dynamic", {}), ("compiled", {"cache_implementation": "static"})):
        for rows in (1, 8, 32, 64):
            long, short = (
                seconds(lambda n=n, rows=rows, settings=settings: generate(model, rows, n, **settings))  # type: ignore[misc]
                for n in (NEW_TOKENS, 4)
            )
            step = (long - short) / (NEW_TOKENS - 4)
            share = bytes_a_step(model, rows, context) / copied / step
            print(f"{name:8} {rows:4} {rows / step:9.0f} {1e3 * step:10.2f} {share:8.0%}", flush=True)
    for rows in (8, 32, 64):
        taken = seconds(lambda rows=rows: generate(model, rows, TRANSCRIPT_TOKENS))  # type: ignore[misc]
        bound = rows * reading + TRANSCRIPT_TOKENS * bytes_a_step(model, rows, positions) / copied
        print(
            f"transcribing, {rows} at once: {rows * SECONDS / taken:.0f} seconds of audio a second, "
            f"{bound / taken:.0%} of the bound"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true")
    tiny = parser.parse_args().tiny
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if tiny or device == "cuda":
        against_the_bounds(TINY if tiny else FULL, 16 if tiny else 1, device)
    if tiny or device == "cpu":
        against_the_straight_loop(TINY if tiny else MIDDLE)


if __name__ == "__main__":
    main()
