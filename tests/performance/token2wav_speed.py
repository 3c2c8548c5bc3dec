"""How fast codes become speech, at the published sizes with random weights: whole, and piece by piece.

Run with ``python -m tests.performance.token2wav_speed [seconds of speech] [seconds of prompt]``. A real-time factor is
time spent by time of speech, so less than 1 keeps up with a listener. The bound that the estimator's arithmetic is
compared with is a large product of matrices, timed in the same run; the machine may be busy with other things.
"""

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from step_audio_2.speech.flow_config import EncoderConfig, EstimatorConfig, FlowConfig
from step_audio_2.speech.flow_matching import STEPS, FlowMatching
from step_audio_2.speech.token2wav import Token2Wav
from step_audio_2.speech.vocoder import HiFTVocoder
from step_audio_2.speech.voice import Voice

CODES_A_SECOND = 25
PUBLISHED = FlowConfig(
    input_size=512,
    output_size=80,
    spk_embed_dim=192,
    vocab_size=6561,
    encoder=EncoderConfig(512, 512, 3, num_blocks=6, num_up_blocks=4, attention_heads=8, linear_units=2048),
    inference_cfg_rate=0.7,
    estimator=EstimatorConfig(320, 80, mlp_ratio=4.0, depth=16, num_heads=8, head_dim=64, hidden_size=512),
)


class Clock:
    """Seconds spent in parts of the model."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def watch(self, owner: torch.nn.Module, method: str, name: str) -> None:
        """Add what a method takes to the seconds of ``name``."""
        original = getattr(owner, method)

        def timed(*arguments: object, **options: object) -> object:
            started = self.now()
            result = original(*arguments, **options)
            self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - started
            return result

        setattr(owner, method, timed)

    @contextmanager
    def total(self) -> Iterator[Callable[[], float]]:
        """Start from nothing; what is yielded tells the seconds since."""
        self.seconds.clear()
        started = self.now()
        yield lambda: self.now() - started


def estimator_operations(queries: int, keys: int) -> float:
    """Floating-point operations of the estimator for one utterance, over all steps and both kinds of conditions."""
    config = PUBLISHED.estimator
    width, inner = config.hidden_size, config.num_heads * config.head_dim
    products = 4 * width * inner + 2 * 3 * width * width + 2 * width * int(width * config.mlp_ratio)
    per_frame = config.depth * (products + 2 * keys * inner) + width * 2 * config.out_channels
    return 2 * per_frame * queries * 2 * STEPS


def bound(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of a large product of matrices, the best of a few."""
    size = 8192 if device.type == "cuda" else 2048
    matrix = torch.randn(size, size, device=device, dtype=dtype)
    clock, best = Clock(device), 0.0
    for _ in range(6):
        with clock.total() as seconds:
            matrix @ matrix
            best = max(best, 2 * size**3 / seconds())
    return best


def build(device: torch.device, precision: torch.dtype, prompt_codes: int) -> tuple[Token2Wav, list[Voice], Clock]:
    torch.manual_seed(0)
    flow = FlowMatching(PUBLISHED, precision=precision).to(device)
    model = Token2Wav(flow, HiFTVocoder().fold_weights().to(device))
    clock = Clock(device)
    for owner, method, name in (
        (flow.encoder, "forward", "encoder"),
        (flow.encoder, "extend", "encoder"),
        (flow.decoder.estimator, "forward", "estimator"),
        (model.vocoder, "forward", "vocoder"),
    ):
        clock.watch(owner, method, name)
    voices = [voice(prompt_codes) for _ in range(2)]
    return model, voices, clock


def voice(codes: int) -> Voice:
    return Voice("random", torch.randint(0, 6561, (1, codes)), torch.randn(1, 2 * codes, 80), torch.randn(1, 192))


def report(title: str, seconds: float, speech: float, clock: Clock, operations: float, fastest: float) -> None:
    shares = ", ".join(f"{name} {100 * spent / seconds:.0f} %" for name, spent in clock.seconds.items())
    achieved = operations / clock.seconds["estimator"]
    print(
        f"{title:20} {seconds:7.2f} s for {speech:5.1f} s of speech, real-time factor {seconds / speech:.3f}; "
        f"{shares}; the estimator at {achieved / 1e9:,.0f} GFLOP/s, {100 * achieved / fastest:.0f} % of the bound"
    )


def whole(model: Token2Wav, voice: Voice, clock: Clock, codes: int, batch: int, fastest: float) -> None:
    utterances = [torch.randint(0, 6561, (codes,)) for _ in range(batch)]
    # The first call pays for what the libraries set up.
    model.synthesize([[0] * codes] * batch if clock.device.type == "cuda" else [[0]], [voice] * batch)
    frames = 2 * (codes + voice.prompt_token.shape[1])
    with clock.total() as seconds:
        model.synthesize(utterances, [voice] * batch)
        spent = seconds()
    speech = batch * codes / CODES_A_SECOND
    report(f"whole, batch of {batch}", spent, speech, clock, batch * estimator_operations(frames, frames), fastest)


def pieces(model: Token2Wav, voices: list[Voice], clock: Clock, codes: int, fastest: float) -> None:
    model.stream(voices[1]).feed([0] * 28)
    with clock.total() as seconds:
        model.stream(voices[0])
        print(f"{'a new voice':20} {seconds():7.2f} s until pieces can be made")
    tokens = torch.randint(0, 6561, (codes,)).tolist()
    operations, frames, prompt = 0.0, 0, 2 * voices[0].prompt_token.shape[1]
    with clock.total() as seconds:
        stream = model.stream(voices[0])
        prepared = seconds()
        first = None
        for begin, end in itertools.pairwise([0, *range(28, codes, 25), codes]):
            if len(stream.feed(tokens[begin:end])) and first is None:
                first = seconds()
        stream.flush()
        spent = seconds()
    while frames < 2 * codes:
        piece = min(50, 2 * codes - frames)
        operations += estimator_operations(piece, min(prompt + frames, prompt + 100) + piece)
        frames += piece
    report("piece by piece", spent, codes / CODES_A_SECOND, clock, operations, fastest)
    print(f"{'first sound':20} {first or spent:7.2f} s after its codes, {prepared:.2f} s of it to copy the prompt's")


def main(seconds: int = 5, prompt_seconds: int = 5) -> None:
    """Measure on the CPU, and on a GPU if there is one."""
    codes, prompt_codes = CODES_A_SECOND * seconds, CODES_A_SECOND * prompt_seconds
    cases = [(torch.device("cpu"), torch.float32)]
    if torch.cuda.is_available():
        cases = [(torch.device("cuda"), dtype) for dtype in (torch.float32, torch.bfloat16)]
    for device, precision in cases:
        fastest = bound(device, precision)
        threads = f", {torch.get_num_threads()} threads" if device.type == "cpu" else ""
        print(f"{device}{threads}, {precision}: a large product of matrices makes {fastest / 1e9:,.0f} GFLOP/s")
        model, voices, clock = build(device, precision, prompt_codes)
        for batch in (1, 16) if device.type == "cuda" else (1,):
            whole(model, voices[0], clock, codes, batch, fastest)
        pieces(model, voices, clock, codes, fastest)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
