"""Speech that is given out while its codes still come in.

Follows section 6.6 of the technical description: pieces of 25 codes, made once three more are known, each joined to the
one before by repeating 160 ms and fading over. The first may be shorter, which the original's cannot.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from step_audio_2.speech.codes import checked_codes
from step_audio_2.speech.flow_matching import FlowMatching, FlowState
from step_audio_2.speech.noise import SourceNoise
from step_audio_2.speech.vocoder import HiFTVocoder
from step_audio_2.speech.vocoder_stream import VocoderStream

CHUNK_CODES = 25
# The 160 ms that are repeated with the next piece are four codes; a piece must give more than them.
SHORTEST_CHUNK = 5


class SpeechStream:
    """One utterance, fed with codes piece by piece; ``Token2Wav.stream`` makes it.

    Args:
        flow: makes mel frames.
        vocoder: makes them sound.
        state: of the flow after the prompt; the stream goes on with it.
        flow_noise: [1, 80, frames] for the flow to start from instead of its own.
        source_noise: for the vocoder.
        first_chunk: codes in the first piece, 5 to 25.
    """

    def __init__(
        self,
        flow: FlowMatching,
        vocoder: HiFTVocoder,
        state: FlowState,
        flow_noise: Tensor | None,
        source_noise: SourceNoise,
        first_chunk: int = CHUNK_CODES,
    ) -> None:
        self._flow = flow
        self._state = state
        self._flow_noise = flow_noise
        self._vocoder = VocoderStream(vocoder, source_noise)
        self._chunk = first_chunk
        self._waiting: list[int] = []
        self._finished = False

    def feed(self, tokens: Sequence[int] | Tensor) -> Tensor:
        """Take in codes and give out what can be said already.

        Args:
            tokens: any number of codes; the padding code is passed over.

        Returns:
            A waveform [samples] of 24 kHz in -1..1, without samples while too few codes are waiting. The first piece
            is 160 ms shorter than its codes last, which ``flush`` makes up for.

        Raises:
            ValueError: a code is out of range, or the utterance is over.
        """
        if self._finished:
            raise ValueError("the utterance is over; begin another stream")
        self._waiting += checked_codes(tokens, self._flow.config.vocab_size).tolist()
        lookahead = self._flow.config.encoder.pre_lookahead_len
        pieces = []
        while len(self._waiting) >= self._chunk + lookahead:
            pieces.append(self._say(self._waiting[: self._chunk + lookahead], last=False))
            del self._waiting[: self._chunk]
            self._chunk = CHUNK_CODES
        return torch.cat(pieces) if pieces else torch.empty(0)

    def flush(self) -> Tensor:
        """Give out what is left, after which the utterance is over: 960 samples a code in all.

        Raises:
            ValueError: the utterance is over already.
        """
        if self._finished:
            raise ValueError("the utterance is over; begin another stream")
        self._finished = True
        return self._say(self._waiting, last=True) if self._waiting else torch.empty(0)

    def _say(self, codes: list[int], last: bool) -> Tensor:
        mel = self._flow.extend(self._state, torch.tensor([codes]), last, self._flow_noise)
        return self._vocoder.extend(mel, last).cpu()
