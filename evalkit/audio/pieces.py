"""Divides a long recording where it is quiet, so that no word is cut in two."""

import numpy as np

from evalkit.audio.decoding import Waveform

_SEARCHED = 5.0  # seconds before the latest place, in which the quietest is looked for
_FRAME = 0.1  # seconds over which loudness is taken
_SHORTEST = 1.0  # seconds; models read noise as words in a last piece of a few samples


def pieces(waveform: Waveform, sample_rate: int, longest: float) -> list[tuple[float, float]]:
    """Return where the pieces of a recording begin and end, in seconds, without gap or overlap.

    Each ends in the middle of the quietest tenth of a second among the last five seconds that it may have, or in the
    last quarter of it where it is shorter than twenty.

    Args:
        waveform: mono [samples].
        sample_rate: in hertz.
        longest: seconds of one piece.
    """
    total = len(waveform) / sample_rate
    shortest = min(_SHORTEST, longest / 2)
    cuts = [0.0]
    while total - cuts[-1] > longest:
        latest = min(cuts[-1] + longest, total - shortest)
        earliest = latest - min(_SEARCHED, longest / 4)
        cuts.append(
            earliest + _quietest(waveform[round(earliest * sample_rate) : round(latest * sample_rate)], sample_rate)
        )
    return list(zip(cuts, [*cuts[1:], total], strict=True))


def _quietest(waveform: Waveform, sample_rate: int) -> float:
    """Return the middle of the quietest frame, in seconds; of equally quiet ones the last, for longer pieces."""
    frame = max(1, int(_FRAME * sample_rate))
    count = len(waveform) // frame
    if count == 0:
        return len(waveform) / sample_rate
    energy = np.square(waveform[: count * frame].reshape(count, frame), dtype=np.float64).mean(axis=1)
    return (count - 1 - int(energy[::-1].argmin()) + 0.5) * frame / sample_rate
