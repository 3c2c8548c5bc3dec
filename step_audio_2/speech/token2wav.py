"""From codes to speech of 24 kHz in the voice of a prompt: the flow model, the vocoder, and what describes a voice."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from step_audio_2.grouping import group_by_length
from step_audio_2.speech.codes import checked_codes
from step_audio_2.speech.estimator_cache import KEPT_TAIL
from step_audio_2.speech.flow_matching import STEPS, FlowInput, FlowMatching, FlowState
from step_audio_2.speech.int8_layers import check_int8
from step_audio_2.speech.noise import Noise, SourceNoise
from step_audio_2.speech.pretrained import load_flow, load_vocoder, load_voice_maker
from step_audio_2.speech.streaming import CHUNK_CODES, SHORTEST_CHUNK, SpeechStream
from step_audio_2.speech.upsample_encoder import UPSAMPLING
from step_audio_2.speech.vocoder import SAMPLES_PER_FRAME, HiFTVocoder
from step_audio_2.speech.voice import Voice, VoiceError, VoiceMaker

# The original's buffers hold 1000 mel frames: the prompt, 100 frames of the past, and a chunk.
_LONGEST_STREAM_PROMPT = 1000 - KEPT_TAIL - UPSAMPLING * CHUNK_CODES
# At full size what is remembered of a prompt of nine seconds takes 0.6 GB.
_KEPT_STATES = 2
# Codes, with those of the prompts, that are made into sound at once: 16 answers of 20 seconds.
_CODES_AT_ONCE = 16 * 25 * 30

VoiceOrPath = Voice | str | os.PathLike[str]


class Token2Wav:
    """Speech from codes, for whole utterances, several at once, or piece by piece.

    The same codes, voice and seed give the same speech. Use ``from_pretrained`` for a published folder.

    Args:
        flow: makes mel spectrograms of codes.
        vocoder: makes sound of mel spectrograms.
        voices: makes voices of recordings; None if only voices already made will be asked for.
        seed: of the vocoder's noise.
        timesteps: of the flow, 1 or more; fewer are faster and worse.
        first_chunk: codes in the first piece of a stream, 5 to 25; with fewer the sound begins earlier.

    Raises:
        ValueError: ``timesteps`` or ``first_chunk`` is out of range.
    """

    sample_rate = 24_000

    def __init__(
        self,
        flow: FlowMatching,
        vocoder: HiFTVocoder,
        voices: VoiceMaker | None = None,
        seed: int = 0,
        timesteps: int = STEPS,
        first_chunk: int = CHUNK_CODES,
    ) -> None:
        if timesteps < 1:
            raise ValueError(f"timesteps is {timesteps}; 1 or more are wanted")
        if not SHORTEST_CHUNK <= first_chunk <= CHUNK_CODES:
            raise ValueError(f"first_chunk is {first_chunk}; {SHORTEST_CHUNK} to {CHUNK_CODES} codes are wanted")
        self.flow = flow
        self.vocoder = vocoder
        self.seed = seed
        self.timesteps = timesteps
        self.first_chunk = first_chunk
        self._voices = voices
        self._states: OrderedDict[Voice, FlowState] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def from_pretrained(
        cls,
        folder: str | os.PathLike[str],
        device: str | torch.device = "cpu",
        precision: torch.dtype = torch.float32,
        seed: int = 0,
        timesteps: int = STEPS,
        first_chunk: int = CHUNK_CODES,
    ) -> "Token2Wav":
        """Load a ``token2wav`` folder as published beside the language model.

        Args:
            folder: with ``flow.yaml``, ``flow.pt``, ``hift.pt``, ``speech_tokenizer_v2_25hz.onnx``, ``campplus.onnx``;
                see ``step_audio_2.speech.pretrained`` for what may stand in their place.
            device: where the flow and the vocoder run.
            precision: what the flow's products are computed in: ``torch.float32``, ``float16`` or ``bfloat16``; or
                ``int8`` for those of its estimator on a processor with AVX-512 VNNI.
            seed: of the flow's noise and the vocoder's.
            timesteps: of the flow; fewer than the published model's 10 are faster and worse.
            first_chunk: codes in the first piece of a stream, 5 to 25; with fewer the sound begins earlier.

        Raises:
            ValueError: ``timesteps`` or ``first_chunk`` is out of range.
            UnsupportedError: ``precision`` is not for this device or processor.
            CheckpointError: a file is missing or damaged, or does not fit; the message names it.
            ImportError: onnxruntime is needed and not installed.
        """
        if precision == torch.int8:
            check_int8(torch.device(device))
        path = Path(folder).expanduser()
        flow = load_flow(path, seed, precision).to(device)
        vocoder = load_vocoder(path).to(device)
        return cls(flow, vocoder, load_voice_maker(path), seed, timesteps, first_chunk)

    def voice(self, voice: VoiceOrPath) -> Voice:
        """Make the voice of a recording once, and remember it; return a voice already made as it is.

        Raises:
            VoiceError: the recording is missing, empty, too short, or no audio.
        """
        if isinstance(voice, Voice):
            return voice
        if self._voices is None:
            raise VoiceError(f"{os.fspath(voice)}: there is no speech tokenizer and speaker model to make a voice with")
        return self._voices.voice(voice)

    def prepare(self, voice: VoiceOrPath) -> Voice:
        """Do ahead all that ``stream`` does for a voice before it takes in codes, so that it can begin at once.

        What is kept is that of the voices that were used last.

        Raises:
            VoiceError: see ``stream``.
        """
        made = self.voice(voice)
        self._prompt_state(made, None)
        return made

    def __call__(self, tokens: Sequence[int] | Tensor, voice: VoiceOrPath, noise: Noise | None = None) -> Tensor:
        """Synthesize the speech of one utterance.

        Args:
            tokens: codes, 25 a second; the padding code is passed over.
            voice: a recording of 0.2 seconds or more, or a voice made of one.
            noise: to start from instead of what the seed gives.

        Returns:
            A waveform [960 * codes] of 24 kHz in -1..1, in float32 on the CPU.

        Raises:
            ValueError: a code is out of range, or the utterance is longer than ten minutes.
            VoiceError: the recording is missing, empty, too short, or no audio.
        """
        return self.synthesize([tokens], [voice], noise)[0]

    def synthesize(
        self,
        utterances: Sequence[Sequence[int] | Tensor],
        voices: Sequence[VoiceOrPath],
        noise: Noise | None = None,
    ) -> list[Tensor]:
        """Synthesize several utterances, those of like length in one batch; each is as if it were made alone.

        Args:
            utterances: codes of each.
            voices: one for each.
            noise: to start from instead of what the seed gives, the same for all.

        Returns:
            A waveform [960 * codes] for each.

        Raises:
            ValueError: as for one utterance, or there are more or fewer voices than utterances.
            VoiceError: likewise.
        """
        if len(utterances) != len(voices):
            raise ValueError(f"there are {len(utterances)} utterances and {len(voices)} voices")
        noise = noise or Noise()
        codes = [checked_codes(tokens, self.flow.config.vocab_size) for tokens in utterances]
        inputs = {
            index: FlowInput(row, made.prompt_token[0], made.prompt_mel[0], made.speaker_embedding[0])
            for index, (row, made) in enumerate(zip(codes, map(self.voice, voices), strict=True))
            if len(row)
        }
        said = list(inputs)
        waveforms = [torch.empty(0) for _ in codes]
        for group in group_by_length(
            [len(codes[index]) + len(inputs[index].prompt_token) for index in said], _CODES_AT_ONCE
        ):
            members = [said[place] for place in group]
            mels = self.flow.inference_batch([inputs[index] for index in members], self.timesteps, noise.flow)
            sounds = self._sound(mels, SourceNoise(self.seed, noise.source))
            for index, sound in zip(members, sounds, strict=True):
                waveforms[index] = sound
        return waveforms

    def stream(self, voice: VoiceOrPath, noise: Noise | None = None) -> SpeechStream:
        """Begin an utterance whose codes come piece by piece.

        Args:
            voice: a recording of 0.2 to 17 seconds, or a voice made of one.
            noise: to start from instead of what the seed gives.

        Raises:
            VoiceError: the recording is missing, empty, too short or too long, or no audio.
        """
        noise = noise or Noise()
        state = self._prompt_state(self.voice(voice), noise.flow).clone()
        source = SourceNoise(self.seed, noise.source)
        return SpeechStream(self.flow, self.vocoder, state, noise.flow, source, self.first_chunk)

    def _prompt_state(self, voice: Voice, noise: Tensor | None) -> FlowState:
        """Return the flow's state after the prompt, kept for the voices that were used last."""
        frames = voice.prompt_mel.shape[1]
        if frames > _LONGEST_STREAM_PROMPT:
            per_second = self.sample_rate // SAMPLES_PER_FRAME
            raise VoiceError(
                f"{voice.name}: the prompt lasts {frames / per_second:.1f} s; "
                f"{_LONGEST_STREAM_PROMPT / per_second:.0f} s is the longest for speech in pieces"
            )
        if noise is not None:
            return self._start(voice, noise)
        with self._lock:
            if voice not in self._states:
                self._states[voice] = self._start(voice, None)
                if len(self._states) > _KEPT_STATES:
                    self._states.popitem(last=False)
            self._states.move_to_end(voice)
            return self._states[voice]

    def _start(self, voice: Voice, noise: Tensor | None) -> FlowState:
        return self.flow.start(voice.prompt_token, voice.prompt_mel, voice.speaker_embedding, self.timesteps, noise)

    def _sound(self, mels: list[Tensor], noise: SourceNoise) -> list[Tensor]:
        """Make waveforms of mel spectrograms [80, frames]."""
        lengths = [mel.shape[1] for mel in mels]
        batch = pad_sequence([mel.T for mel in mels], batch_first=True).transpose(1, 2)
        drawn = noise.take(max(lengths) * SAMPLES_PER_FRAME).to(batch).expand(len(mels), -1, -1)
        uneven = torch.tensor(lengths, device=batch.device) if min(lengths) < max(lengths) else None
        waveforms, _ = self.vocoder(batch, noise=drawn, lengths=uneven)
        return [row[: SAMPLES_PER_FRAME * frames] for row, frames in zip(waveforms.cpu(), lengths, strict=True)]
