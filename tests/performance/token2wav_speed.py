"""How fast codes become speech, at the published sizes with random weights: whole, and piece by piece.

Run with ``python -m tests.performance.token2wav_speed [seconds of speech] [seconds of prompt]``. A real-time factor is
time spent by time of speech, so less than 1 keeps up with a listener. The bound that the estimator's arithmetic is
compared with is a large product of matrices, timed in the same run. All ways of making speech take turns, and the best
of their rounds counts, as the machine may be busy with other things.

How far a way is from the exact one is said of mel spectrograms from the same codes and noise. Random weights are made
to do as much as trained ones: their blocks change what passes through, and velocities are of the size of a log-mel
spectrogram. It says how far the arithmetic strays, and nothing about what is heard.
"""

import copy
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from step_audio_2.errors import UnsupportedError
from step_audio_2.speech.convolution import ChannelsLastConv1d
from step_audio_2.speech.flow_config import EncoderConfig, EstimatorConfig, FlowConfig
from step_audio_2.speech.flow_matching import STEPS, FlowInput, FlowMatching
from step_audio_2.speech.int8_layers import check_int8
from step_audio_2.speech.streaming import CHUNK_CODES
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
ROUNDS = 2
DECIBELS = 20 / math.log(10)
TRAINED_GATE, TRAINED_VELOCITY = 0.5, 2.0


@dataclass
class Way:
    """A way of making speech, and the best times that were measured of it.

    Attributes:
        name: for the table.
        precision: of the flow's products.
        steps: of the flow.
        first_chunk: codes in the first piece.
        rearranging: convolve as PyTorch does in one dimension, which was done before.
    """

    name: str
    precision: torch.dtype = torch.float32
    steps: int = STEPS
    first_chunk: int = CHUNK_CODES
    rearranging: bool = False
    best: dict[str, float] = field(default_factory=dict)

    def note(self, what: str, seconds: float) -> bool:
        """Keep the seconds of ``what`` if they are the best yet."""
        better = seconds < self.best.get(what, math.inf)
        if better:
            self.best[what] = seconds
        return better


BEFORE = Way("before", rearranging=True)
EXACT = Way("exact")
FASTER = (
    Way("8 steps", steps=8),
    Way("6 steps", steps=6),
    Way("int8", torch.int8),
    Way("int8, 8 steps", torch.int8, steps=8),
    Way("int8, 6 steps", torch.int8, steps=6),
    Way("int8, 12 codes first", torch.int8, first_chunk=12),
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


def estimator_operations(queries: int, keys: int, steps: int) -> float:
    """Floating-point operations of the estimator for one utterance, over all steps and both kinds of conditions."""
    config = PUBLISHED.estimator
    width, inner = config.hidden_size, config.num_heads * config.head_dim
    products = 4 * width * inner + 2 * 3 * width * width + 2 * width * int(width * config.mlp_ratio)
    per_frame = config.depth * (products + 2 * keys * inner) + width * 2 * config.out_channels
    return 2 * per_frame * queries * 2 * steps


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


def random_flow() -> FlowMatching:
    """Make a flow of the published sizes, whose random weights do as much as trained ones."""
    torch.manual_seed(0)
    flow = FlowMatching(PUBLISHED)
    estimator = flow.decoder.estimator
    with torch.inference_mode():
        gates = torch.stack([step.blocks[:, :, 2] for step in flow.decoder.modulations(STEPS)]).std()
        for block in estimator.blocks:
            block.get_submodule("adaLN_modulation.1").get_parameter("weight").mul_(TRAINED_GATE / gates)
        frames = torch.randn(1, 100, PUBLISHED.output_size)
        conditions = estimator.condition(frames, frames[:, 0], frames)
        velocity = estimator(frames, conditions, flow.decoder.modulations(STEPS)[0])
        for parameter in estimator.final_layer.linear.parameters():
            parameter.mul_(TRAINED_VELOCITY / velocity.std())
    return flow


def rearranging(module: nn.Module) -> None:
    """Have convolutions compute as they are in PyTorch."""
    for part in module.modules():
        if isinstance(part, ChannelsLastConv1d):
            part.__class__ = nn.Conv1d
            part.weight = nn.Parameter(part.weight.contiguous())


def build(way: Way, flow: FlowMatching, device: torch.device) -> tuple[FlowMatching, HiFTVocoder, Clock]:
    """Make the networks that work in this way, and a clock on their parts."""
    flow = copy.deepcopy(flow).to(device)
    vocoder = HiFTVocoder().fold_weights().to(device)
    if way.precision == torch.int8:
        flow.quantize()
    else:
        flow.precision = way.precision
    if way.rearranging:
        rearranging(flow)
        rearranging(vocoder)
    clock = Clock(device)
    for owner, method, name in (
        (flow.encoder, "forward", "encoder"),
        (flow.encoder, "extend", "encoder"),
        (flow.decoder.estimator, "forward", "estimator"),
        (vocoder, "forward", "vocoder"),
    ):
        clock.watch(owner, method, name)
    return flow, vocoder, clock


def voice(codes: int) -> Voice:
    """Return a voice of random numbers."""
    return Voice("random", torch.randint(0, 6561, (1, codes)), torch.randn(1, 2 * codes, 80), torch.randn(1, 192))


def whole(way: Way, model: Token2Wav, prompt: Voice, clock: Clock, codes: list[int], batch: int = 1) -> None:
    """Time whole utterances, and note the shares of the parts."""
    # The first call pays for what the libraries set up.
    model.synthesize([codes if clock.device.type == "cuda" else codes[:1]] * batch, [prompt] * batch)
    with clock.total() as seconds:
        model.synthesize([codes] * batch, [prompt] * batch)
        if way.note(f"whole {batch}", seconds()):
            way.best |= {f"whole {batch} {name}": spent for name, spent in clock.seconds.items()}


def pieces(way: Way, model: Token2Wav, prompts: list[Voice], clock: Clock, codes: list[int]) -> None:
    """Time the same codes as they come, one after the other."""
    model.stream(prompts[1]).feed(codes[:28])
    model._states.clear()
    with clock.total() as seconds:
        model.stream(prompts[0])
        way.note("a new voice", seconds())
    with clock.total() as seconds:
        stream = model.stream(prompts[0])
        first = None
        for code in codes:
            if len(stream.feed([code])) and first is None:
                first = seconds()
        stream.flush()
        spent = seconds()
        way.note("first sound", first or spent)
        if way.note("pieces", spent):
            way.best["pieces estimator"] = clock.seconds["estimator"]


def distance(made: Tensor, exact: Tensor) -> str:
    """Say how far a log-mel spectrogram is from another."""
    difference = made - exact
    return f"{100 * difference.norm() / exact.norm():6.2f} % {DECIBELS * difference.square().mean().sqrt():6.2f} dB"


def row(way: Way, seconds: float, prompt_seconds: float, batch: int, fastest: float) -> str:
    """Say what was measured, with the estimator's rates as parts of the bound."""
    frames, prompt = round(50 * seconds), round(50 * prompt_seconds)
    total = frames + prompt
    at_once = batch * estimator_operations(total, total, way.steps) / way.best[f"whole {batch} estimator"]
    by_piece = sum(
        estimator_operations(size, min(prompt + begun, prompt + 100) + size, way.steps)
        for begun in range(0, frames, 50)
        for size in [min(50, frames - begun)]
    )
    shares = [way.best[f"whole {batch} {name}"] / way.best[f"whole {batch}"] for name in ("estimator", "vocoder")]
    return (
        f"{way.name:21} {way.best[f'whole {batch}'] / batch / seconds:6.3f} "
        f"{'/'.join(f'{100 * share:.0f}' for share in shares):>6} % {100 * at_once / fastest:4.0f} % "
        f"{way.best['pieces'] / seconds:6.3f} {100 * by_piece / way.best['pieces estimator'] / fastest:4.0f} % "
        f"{way.best['first sound']:6.2f} s {way.best['a new voice']:6.2f} s"
    )


def measure(device: torch.device, ways: list[Way], batches: list[int], seconds: int, prompt_seconds: int) -> None:
    """Print a line for each way of making speech on a device."""
    flow = random_flow()
    prompts = [voice(CODES_A_SECOND * prompt_seconds) for _ in range(2)]
    codes = torch.randint(0, 6561, (CODES_A_SECOND * seconds,)).tolist()
    networks = {(way.precision, way.rearranging): build(way, flow, device) for way in ways}
    models = []
    for way in ways:
        made, vocoder, clock = networks[way.precision, way.rearranging]
        models.append((Token2Wav(made, vocoder, timesteps=way.steps, first_chunk=way.first_chunk), clock))
    for _ in range(ROUNDS):
        for way, (model, clock) in zip(ways, models, strict=True):
            for batch in batches:
                whole(way, model, prompts[0], clock, codes, batch)
            pieces(way, model, prompts, clock, codes)
    prompt = prompts[0]
    said = FlowInput(torch.tensor(codes), prompt.prompt_token[0], prompt.prompt_mel[0], prompt.speaker_embedding[0])
    mels = {}
    for way, (model, _) in zip(ways, models, strict=True):
        mels[way.name] = model.flow.inference_batch([said], way.steps)[0]
    threads = f", {torch.get_num_threads()} threads" if device.type == "cpu" else ""
    bounds = {kind: bound(device, kind) for kind in {arithmetic(way, device) for way in ways}}
    for kind, fastest in bounds.items():
        print(f"{device}{threads}, {kind}: a large product of matrices makes {fastest / 1e9:,.0f} GFLOP/s")
    print(f"{'':21}  whole    parts  bound pieces  bound    first    voice   mel, from the exact one")
    for way, batch in itertools.product(ways, batches):
        fastest = bounds[arithmetic(way, device)]
        print(row(way, seconds, prompt_seconds, batch, fastest), distance(mels[way.name], mels[EXACT.name]))


def arithmetic(way: Way, device: torch.device) -> torch.dtype:
    """Return the kind of numbers whose products bound a way; float32 where 8-bit numbers outdo it."""
    return torch.float32 if device.type == "cpu" else way.precision


def main(seconds: int = 5, prompt_seconds: int = 5) -> None:
    """Measure on the CPU, and on a GPU if there is one."""
    if torch.cuda.is_available():
        ways = [BEFORE, EXACT, Way("bfloat16", torch.bfloat16)]
        measure(torch.device("cuda"), ways, [1, 16], seconds, prompt_seconds)
        return
    ways = [BEFORE, EXACT, *FASTER]
    try:
        check_int8(torch.device("cpu"))
    except UnsupportedError as error:
        print(error)
        ways = [way for way in ways if way.precision != torch.int8]
    measure(torch.device("cpu"), ways, [1], seconds, prompt_seconds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
