"""DNSMOS, Microsoft's predictor of how people rate the quality of speech, with the weights of the package speechmos.

Reddy, Gopal and Cutler, "DNSMOS: A Non-Intrusive Perceptual Objective Speech Quality Metric to Evaluate Noise
Suppressors" (arXiv 2010.15258), and for P.835 the paper of the same authors of 2021 (arXiv 2110.01763).
"""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.hints import install_command
from evalkit.types import Request, Response
from model_adapters.shared.one_recording import recording

_SAMPLE_RATE = 16_000
SCORES = ("ovrl", "sig", "bak", "p808")
"""Overall quality, quality of the speech and of the background (ITU-T P.835), and overall quality (P.808)."""


class Dnsmos(ModelAdapter):
    """Predicts a mean opinion score between 1 and 5 for a recording; works without any download.

    It can fill the role ``mos_predictor``, but the figures that are published for URO-Bench are of UTMOS, another
    predictor on another scale: the two must not be compared. DNSMOS hears noise and distortion, and does not mind a
    robotic voice. Recordings shorter than its window of 9.01 seconds are repeated to fill it; of longer ones, windows
    that begin a second apart are averaged.

    Args:
        score: which of ``SCORES`` to reply with.

    Raises:
        ConfigurationError: the libraries are not installed, or there is no such score.
    """

    capabilities = Capabilities(sample_rate=_SAMPLE_RATE)

    def __init__(self, *, score: str = "ovrl") -> None:
        if score not in SCORES:
            raise ConfigurationError(f"score: '{score}' must be one of {', '.join(SCORES)}")
        try:
            from speechmos import dnsmos
        except ImportError as error:
            raise ConfigurationError(
                f"DNSMOS needs the package speechmos and what it uses: {install_command('mos')} ({error})"
            ) from error
        self._predict = dnsmos.run
        self._score = score

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Rate each request's recording."""
        return [Response(text=f"{self._rate(request):.4f}") for request in requests]

    def _rate(self, request: Request) -> float:
        # Resampling may overshoot full scale, which the package refuses.
        waveform = np.clip(recording(request, _SAMPLE_RATE), -1, 1)
        return float(self._predict(waveform, _SAMPLE_RATE)[f"{self._score}_mos"])

    def fingerprint(self) -> Mapping[str, Any]:
        """Return which score it is, and the versions of what computes it; that of speechmos decides the weights too."""
        return {
            "adapter": "dnsmos",
            "score": self._score,
            "versions": {name: metadata.version(name) for name in ("speechmos", "onnxruntime", "librosa")},
        }
