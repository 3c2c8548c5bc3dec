"""The flow model: codes in, mel spectrogram out, in the voice of a prompt.

Follows sections 6.3, 6.4 and 6.6 of the technical description; names and shapes of the weights are those of
``flow.pt``.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from step_audio_2.speech.diffusion_transformer import Modulation
from step_audio_2.speech.estimator_cache import KEPT_TAIL, EstimatorCache
from step_audio_2.speech.flow_config import FlowConfig
from step_audio_2.speech.flow_decoder import FlowDecoder
from step_audio_2.speech.int8_layers import to_int8_layers
from step_audio_2.speech.upsample_encoder import UPSAMPLING, EncoderCache, UpsampleEncoder

STEPS = 10
# Ten minutes at 50 frames a second, as long as the original's.
NOISE_FRAMES = 30_000
_PRECISIONS = (torch.float32, torch.float16, torch.bfloat16)
# A chunk of 25 codes, or the 27 that may remain at the end.
_USUAL_PIECE = UPSAMPLING * 27


@dataclass(frozen=True)
class FlowInput:
    """One utterance to be made.

    Attributes:
        token: [codes], what is to be said.
        prompt_token: [prompt codes], what the prompt says.
        prompt_mel: [2 * prompt codes, 80], how it sounds.
        speaker_embedding: [192], who says it.
    """

    token: Tensor
    prompt_token: Tensor
    prompt_mel: Tensor
    speaker_embedding: Tensor


@dataclass
class FlowState:
    """An utterance in the making, or a prompt with nothing said yet; ``FlowMatching.extend`` goes on from it.

    Attributes:
        encoder: what the encoder remembers.
        estimator: what the estimator remembers.
        speaker: [1, 80], the speaker as the estimator sees it.
        modulations: what time does to the estimator at every step.
        prompt_frames: how many mel frames the prompt has.
    """

    encoder: EncoderCache
    estimator: EstimatorCache
    speaker: Tensor
    modulations: list[Modulation]
    prompt_frames: int

    def clone(self) -> "FlowState":
        """Copy the state, so that going on from the copy leaves this one as it is."""
        return replace(
            self, encoder=self.encoder.clone(), estimator=self.estimator.clone(spare=KEPT_TAIL + _USUAL_PIECE)
        )


class FlowMatching(nn.Module):
    """Codes to mel spectrograms by flow matching.

    Args:
        config: its sizes.
        seed: of the noise that every utterance starts from; frame i always starts from the same column.
        precision: what products are computed in; ``torch.float32``, or ``float16`` or ``bfloat16`` for speed.
    """

    noise: Tensor

    def __init__(self, config: FlowConfig, seed: int = 0, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        if precision not in _PRECISIONS:
            raise ValueError(f"precision is {precision}; one of {', '.join(map(str, _PRECISIONS))} is wanted")
        self.config = config
        self.precision = precision
        self.input_embedding = nn.Embedding(config.vocab_size, config.input_size)
        self.spk_embed_affine_layer = nn.Linear(config.spk_embed_dim, config.output_size)
        self.encoder = UpsampleEncoder(config.encoder)
        self.encoder_proj = nn.Linear(config.encoder.output_size, config.output_size)
        self.decoder = FlowDecoder(config.estimator, config.inference_cfg_rate)
        noise = torch.randn(1, config.output_size, NOISE_FRAMES, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("noise", noise, persistent=False)
        self.eval()

    @classmethod
    def from_config(
        cls, fields: Mapping[str, Any], seed: int = 0, precision: torch.dtype = torch.float32
    ) -> "FlowMatching":
        """Build it with random weights from the fields under ``flow`` in ``flow.yaml``.

        Raises:
            CheckpointError: a field is missing, unknown or not supported.
        """
        return cls(FlowConfig.from_dict(fields), seed, precision)

    def quantize(self) -> "FlowMatching":
        """Make the blocks of the estimator, where nearly all time is spent, compute in 8-bit whole numbers.

        What is loaded after that must be so too.

        Returns:
            The model itself.
        """
        for block in self.decoder.estimator.blocks:
            for part in ("attn", "conv", "mlp"):
                to_int8_layers(block.get_submodule(part))
        return self

    def inference(
        self,
        token: Tensor,
        prompt_token: Tensor,
        prompt_mel: Tensor,
        speaker_embedding: Tensor,
        timesteps: int = STEPS,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Make the mel spectrogram of one utterance in one go.

        Args:
            token: [1, codes], whole numbers.
            prompt_token: [1, prompt codes].
            prompt_mel: [1, 2 * prompt codes, 80].
            speaker_embedding: [1, 192] of any length.
            timesteps: how many times the estimator is asked.
            noise: [1, 80, frames or more] to start from instead of the model's own.

        Returns:
            [1, 80, 2 * codes].

        Raises:
            ValueError: a code is out of range, shapes do not fit, or there is not enough noise.
        """
        utterance = FlowInput(token[0], prompt_token[0], prompt_mel[0], speaker_embedding[0])
        return self.inference_batch([utterance], timesteps, noise)[0][None]

    def inference_batch(
        self, utterances: Sequence[FlowInput], timesteps: int = STEPS, noise: Tensor | None = None
    ) -> list[Tensor]:
        """Make the mel spectrograms [80, 2 * codes] of several utterances, each as if it were made alone.

        Args:
            utterances: of any lengths and voices, at least one.
            timesteps: how many times the estimator is asked.
            noise: [1, 80, frames or more] to start from instead of the model's own.

        Raises:
            ValueError: a code is out of range, shapes do not fit, or there is not enough noise.
        """
        for utterance in utterances:
            self._check(utterance)
        tokens = [torch.cat((utterance.prompt_token, utterance.token)) for utterance in utterances]
        counts = torch.tensor([len(row) for row in tokens])
        frames = UPSAMPLING * int(counts.max())
        start = self._noise(noise, 0, frames)
        device = start.device
        mask = None
        if int(counts.min()) < int(counts.max()):
            mask = (torch.arange(int(counts.max())) < counts[:, None]).to(device)
        with torch.inference_mode(), self._autocast():
            embeddings = self.input_embedding(pad_sequence(tokens, batch_first=True).to(device))
            mu = self.encoder_proj(self.encoder(embeddings, mask)).to(torch.float32)
            prompt = torch.zeros_like(mu)
            for row, utterance in zip(prompt, utterances, strict=True):
                row[: len(utterance.prompt_mel)] = utterance.prompt_mel
            speaker = self._speaker(torch.stack([utterance.speaker_embedding for utterance in utterances]))
            frame_mask = None if mask is None else mask.repeat_interleave(UPSAMPLING, dim=1)
            mels = self.decoder(start, mu, speaker, prompt, timesteps, frame_mask)
        return [
            mel[len(utterance.prompt_mel) : UPSAMPLING * int(count)].T
            for mel, utterance, count in zip(mels, utterances, counts, strict=True)
        ]

    def start(
        self,
        prompt_token: Tensor,
        prompt_mel: Tensor,
        speaker_embedding: Tensor,
        timesteps: int = STEPS,
        noise: Tensor | None = None,
    ) -> FlowState:
        """Take in a prompt, after which utterances can be made piece by piece.

        Args:
            prompt_token: [1, prompt codes], at least three.
            prompt_mel: [1, 2 * prompt codes, 80].
            speaker_embedding: [1, 192].
            timesteps: how many times the estimator is asked for each piece.
            noise: [1, 80, frames or more] to start from instead of the model's own.

        Raises:
            ValueError: a code is out of range, shapes do not fit, or there is not enough noise.
        """
        lookahead = self.config.encoder.pre_lookahead_len
        # What comes after the prompt is not known yet; the original lets it be followed by its own beginning.
        token = prompt_token[:, :lookahead]
        self._check(FlowInput(token[0], prompt_token[0], prompt_mel[0], speaker_embedding[0]))
        if token.shape[1] < lookahead:
            raise ValueError(f"the prompt has {token.shape[1]} codes; at least {lookahead} are wanted")
        weight = self.encoder_proj.weight
        with torch.inference_mode(), self._autocast():
            estimator = EstimatorCache.empty(self.config.estimator, timesteps, 2, self.precision, weight)
            state = FlowState(
                self.encoder.new_cache(1, weight),
                estimator,
                self._speaker(speaker_embedding),
                self.decoder.modulations(timesteps),
                prompt_mel.shape[1],
            )
            self._extend(state, torch.cat((prompt_token, token), dim=1), False, prompt_mel, noise)
        return state

    def extend(self, state: FlowState, token: Tensor, last: bool = False, noise: Tensor | None = None) -> Tensor:
        """Make the mel spectrogram of the next piece of an utterance.

        Args:
            state: what came before; it is left as it is after this piece.
            token: [1, codes]; unless it is the last piece, the final three are only looked at, and come again.
            last: whether nothing follows.
            noise: [1, 80, frames or more] to start from instead of the model's own.

        Returns:
            [1, 80, 2 * codes], six frames fewer unless it is the last piece.

        Raises:
            ValueError: a code is out of range, there are too few of them, or there is not enough noise.
        """
        self._check_codes(token[0])
        lookahead = 0 if last else self.config.encoder.pre_lookahead_len
        if token.shape[1] <= lookahead:
            raise ValueError(f"a piece has {token.shape[1]} codes; more than {lookahead} are wanted")
        with torch.inference_mode(), self._autocast():
            mel = self._extend(state, token, last, None, noise)
        state.estimator.trim(state.prompt_frames)
        return mel.transpose(1, 2)

    def _extend(
        self, state: FlowState, token: Tensor, last: bool, prompt_mel: Tensor | None, noise: Tensor | None
    ) -> Tensor:
        device = self.noise.device
        encoded = self.encoder.extend(self.input_embedding(token.to(device)), state.encoder, last)
        mu = self.encoder_proj(encoded).to(torch.float32)
        prompt = torch.zeros_like(mu) if prompt_mel is None else prompt_mel.to(mu)
        # Once frames are dropped, later pieces start from the same columns again and again, as in the original.
        start = self._noise(noise, len(state.estimator.order), mu.shape[1])
        return self.decoder.extend(start, mu, state.speaker, prompt, state.modulations, state.estimator)

    def _autocast(self) -> AbstractContextManager[None]:
        device, lower = self.noise.device.type, self.precision != torch.float32
        context: AbstractContextManager[None] = torch.autocast(device, dtype=self.precision, enabled=lower)
        return context

    def _speaker(self, embeddings: Tensor) -> Tensor:
        """Normalise and project embeddings [n, 192] to what the estimator takes, [n, 80]."""
        directions = functional.normalize(embeddings.to(self.spk_embed_affine_layer.weight), dim=1)
        projected: Tensor = self.spk_embed_affine_layer(directions)
        return projected.to(torch.float32)

    def _noise(self, noise: Tensor | None, begin: int, frames: int) -> Tensor:
        """Take columns of the noise, as [1, frames, 80]."""
        noise = self.noise if noise is None else noise.to(self.noise)
        if noise.shape[2] < begin + frames:
            raise ValueError(f"there is noise for {noise.shape[2]} mel frames; {begin + frames} are wanted")
        return noise[:, :, begin : begin + frames].transpose(1, 2)

    def _check(self, utterance: FlowInput) -> None:
        self._check_codes(utterance.token)
        self._check_codes(utterance.prompt_token)
        frames, bins = UPSAMPLING * len(utterance.prompt_token), self.config.output_size
        if utterance.prompt_mel.shape != (frames, bins):
            raise ValueError(
                f"the prompt's mel spectrogram has the shape {[*utterance.prompt_mel.shape]}; its "
                f"{len(utterance.prompt_token)} codes make it {[frames, bins]}"
            )
        if utterance.speaker_embedding.shape != (self.config.spk_embed_dim,):
            raise ValueError(
                f"the speaker embedding has the shape {[*utterance.speaker_embedding.shape]}; "
                f"{[self.config.spk_embed_dim]} is wanted"
            )

    def _check_codes(self, codes: Tensor) -> None:
        wrong = codes[(codes < 0) | (codes >= self.config.vocab_size)]
        if len(wrong):
            raise ValueError(f"code {int(wrong[0])} is out of range: codes are 0 to {self.config.vocab_size - 1}")
