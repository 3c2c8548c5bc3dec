"""PocketSphinx with the English model of its package: small, fast to install, and deliberately a weak baseline."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.audio import Waveform
from evalkit.errors import ConfigurationError
from evalkit.hints import install_command
from evalkit.types import Request, Response
from model_adapters.shared.one_recording import recording

_SAMPLE_RATE = 16_000


class PocketSphinx(ModelAdapter):
    """The en-us model that the package carries (https://github.com/cmusphinx/pocketsphinx).

    Raises:
        ConfigurationError: the library is not installed.
    """

    capabilities = Capabilities(languages=frozenset({"en"}), sample_rate=_SAMPLE_RATE)

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise ConfigurationError(
                f"PocketSphinx needs its library: {install_command('pocketsphinx')} ({error})"
            ) from error
        self._decoder = Decoder(loglevel="FATAL")

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Transcribe each request's recording."""
        return [Response(text=self._transcribe(recording(request, _SAMPLE_RATE))) for request in requests]

    def _transcribe(self, waveform: Waveform) -> str:
        # Its noise estimate would otherwise live on into the next utterance, and answers depend on the order of asking.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(_pcm16(waveform), full_utt=True)
        finally:
            self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the package's version, which decides the model too."""
        return {"adapter": "pocketsphinx", "versions": {"pocketsphinx": metadata.version("pocketsphinx")}}


def _pcm16(waveform: Waveform) -> bytes:
    """Return samples in -1..1 as 16-bit little-endian integers, clipped."""
    return bytes(np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype("<i2").tobytes())
