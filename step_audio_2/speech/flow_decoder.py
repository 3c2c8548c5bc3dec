"""From noise to a mel spectrogram: Euler's method along the velocities of the estimator, with guidance.

Follows section 6.4 of the technical description, and section 6.6 for an utterance in pieces.
"""

import math

import torch
from torch import Tensor, nn

from step_audio_2.speech.diffusion_transformer import DiffusionTransformer, Modulation
from step_audio_2.speech.estimator_cache import EstimatorCache
from step_audio_2.speech.flow_config import EstimatorConfig


def time_schedule(steps: int) -> Tensor:
    """Return the times [steps + 1] from 0 to 1, closer to each other at the beginning: 1 - cos(pi / 2 * i / steps)."""
    return 1 - torch.cos(torch.linspace(0, 1, steps + 1) * (math.pi / 2))


class FlowDecoder(nn.Module):
    """The solver and its estimator.

    The estimator sees every utterance twice, with its conditions and without; the difference is exaggerated.

    Args:
        config: sizes of the estimator.
        guidance: by how much, 0 for not at all.
    """

    def __init__(self, config: EstimatorConfig, guidance: float) -> None:
        super().__init__()
        self.estimator = DiffusionTransformer(config)
        self.guidance = guidance

    def modulations(self, steps: int) -> list[Modulation]:
        """Compute how the time modulates the estimator at every step; always in full precision."""
        weight = self.estimator.in_proj.weight
        with torch.autocast(weight.device.type, enabled=False):
            return self.estimator.modulations(time_schedule(steps)[:-1].to(weight))

    def forward(
        self, noise: Tensor, mu: Tensor, speaker: Tensor, prompt: Tensor, steps: int, mask: Tensor | None = None
    ) -> Tensor:
        """Solve for whole utterances.

        Args:
            noise: [1, frames, 80], the same for each utterance.
            mu: [n, frames, 80], what the encoder made of the codes.
            speaker: [n, 80].
            prompt: [n, frames, 80], the mel spectrogram where it is given, and zeros.
            steps: how many times the estimator is asked.
            mask: [n, frames], true where there is something; None where all rows are full.

        Returns:
            [n, frames, 80].
        """
        conditions = self._conditions(mu, speaker, prompt)
        both = None if mask is None else mask.repeat(2, 1)
        state = noise.expand(len(mu), -1, -1)
        for step, modulation in zip(_step_sizes(steps), self.modulations(steps), strict=True):
            velocity = self.estimator(state.repeat(2, 1, 1), conditions, modulation, both)
            state = state + step * self._guided(velocity)
        return state

    def extend(
        self,
        noise: Tensor,
        mu: Tensor,
        speaker: Tensor,
        prompt: Tensor,
        modulations: list[Modulation],
        cache: EstimatorCache,
    ) -> Tensor:
        """Solve for the next piece of utterances: as ``forward``, but attending to what is remembered of each step."""
        conditions = self._conditions(mu, speaker, prompt)
        views, mask = cache.admit(mu.shape[1])
        state = noise.expand(len(mu), -1, -1)
        for step, modulation, blocks in zip(_step_sizes(len(modulations)), modulations, views, strict=True):
            velocity = self.estimator(state.repeat(2, 1, 1), conditions, modulation, mask, blocks)
            state = state + step * self._guided(velocity)
        return state

    def _conditions(self, mu: Tensor, speaker: Tensor, prompt: Tensor) -> Tensor:
        """Compute the first layer's share of the conditions, then of their absence."""
        given = self.estimator.condition(mu, speaker, prompt)
        absent = self.estimator.in_proj.bias.to(given.dtype).expand_as(given)
        return torch.cat((given, absent))

    def _guided(self, velocity: Tensor) -> Tensor:
        given, absent = velocity.to(torch.float32).chunk(2)
        return (1 + self.guidance) * given - self.guidance * absent


def _step_sizes(steps: int) -> list[float]:
    times = time_schedule(steps)
    sizes: list[float] = (times[1:] - times[:-1]).tolist()
    return sizes
