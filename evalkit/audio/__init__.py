"""Recordings: read from whatever container they come in, written as WAV and FLAC, and known by their content."""

from evalkit.audio.decoding import Waveform
from evalkit.audio.recording import Audio

__all__ = ["Audio", "Waveform"]
