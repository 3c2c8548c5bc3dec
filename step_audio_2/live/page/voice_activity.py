"""When somebody speaks: a turn begins with some speech, and ends by itself after some silence.

Silero VAD says of each 32 ms how likely it is speech. Its package brings the network as an ONNX file, which is run here
with onnxruntime: importing the package itself would set all of PyTorch to one thread.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
WINDOW = 512
"""Samples that are judged at a time."""
_CONTEXT = 64  # samples before a window that the network reads too
# Speech that is under way is taken for ended only well below what it takes to begin, as Silero's own iterator does.
_HYSTERESIS = 0.15
_LONGEST = 600  # seconds of one turn
_MODEL = Path("data") / "silero_vad_16k_op15.onnx"

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """When a turn begins and ends.

    Attributes:
        threshold: how likely something must be speech to be taken for it, 0 to 1.
        start: seconds of speech that begin a turn, and interrupt whoever speaks.
        stop: seconds of silence that end it.
        before: seconds that are kept from before its beginning.
        longest: seconds after which it ends in any case.

    Raises:
        ValueError: one is no number, or out of its range.
    """

    threshold: float = 0.5
    start: float = 0.13
    stop: float = 0.5
    before: float = 0.3
    longest: float = 60.0

    def __post_init__(self) -> None:
        for setting in fields(self):
            value, most = getattr(self, setting.name), 1 if setting.name == "threshold" else _LONGEST
            if not isinstance(value, int | float) or not 0 < value <= most:
                raise ValueError(f"turn_taking.{setting.name} is {value!r}; it must be above 0 and at most {most}")


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody has begun to speak."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechEnded:
    """Somebody has said something.

    Attributes:
        waveform: [samples] at 16 kHz, with the silence that ended it.
    """

    waveform: Samples


class SpeechDetector:
    """Tells how likely a window is speech; one serves any number of microphones, from any thread.

    Raises:
        ImportError: onnxruntime or silero-vad is not installed.
    """

    def __init__(self) -> None:
        import onnxruntime

        package = find_spec("silero_vad")
        if package is None or package.origin is None:
            raise ImportError("hearing when somebody speaks needs silero-vad: pip install 'speech-evalkit[live]'")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a window takes 0.2 ms
        self._network = onnxruntime.InferenceSession(
            Path(package.origin).parent / _MODEL, sess_options=options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, window: Samples, state: Any) -> tuple[float, Any]:
        """Judge a window.

        Args:
            window: [1, context + window] samples.
            state: that the window before it left.

        Returns:
            How likely it is speech, and the state that it leaves.
        """
        rate = np.array(SAMPLE_RATE)
        likely, state = self._network.run(None, {"input": window, "state": state, "sr": rate})
        return float(likely[0, 0]), state


class VoiceActivity:
    """Listens to one microphone.

    Args:
        detector: what judges.
        turn_taking: when a turn begins and ends.
    """

    def __init__(self, detector: SpeechDetector, turn_taking: TurnTaking) -> None:
        self._detector = detector
        self._threshold = turn_taking.threshold
        self._start, self._stop, self._before, self._longest = (
            max(1, round(seconds * SAMPLE_RATE / WINDOW))
            for seconds in (turn_taking.start, turn_taking.stop, turn_taking.before, turn_taking.longest)
        )
        self._rest: Samples = np.empty(0, np.float32)
        self._state: Any = None
        self._context: Samples = self._rest
        self._kept: list[Samples] = []
        self._speaks = False
        self._count = 0  # windows of speech before a turn, of silence within one
        self._reset()

    def feed(self, samples: Samples) -> Iterator[SpeechStarted | SpeechEnded]:
        """Take in more of the microphone's sound, [samples] at 16 kHz, and tell what it brings."""
        self._rest = np.concatenate([self._rest, samples])
        while len(self._rest) >= WINDOW:
            window, self._rest = self._rest[:WINDOW], self._rest[WINDOW:]
            yield from self._take(window)

    def _take(self, window: Samples) -> Iterator[SpeechStarted | SpeechEnded]:
        likely, self._state = self._detector(np.concatenate([self._context, window])[None], self._state)
        self._context = window[-_CONTEXT:]
        self._kept.append(window)
        if self._speaks:
            self._count = 0 if likely >= self._threshold - _HYSTERESIS else self._count + 1
            if self._count >= self._stop or len(self._kept) >= self._longest:
                said = np.concatenate(self._kept)
                self._reset()
                yield SpeechEnded(said)
            return
        self._count = self._count + 1 if likely >= self._threshold else 0
        del self._kept[: -(self._before + self._count)]
        if self._count >= self._start:
            self._speaks, self._count = True, 0
            yield SpeechStarted()

    def _reset(self) -> None:
        self._state = np.zeros((2, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
        self._kept = []
        self._speaks, self._count = False, 0
