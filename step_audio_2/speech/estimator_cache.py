"""What the diffusion transformer remembers of an utterance that is synthesised piece by piece.

Its attention has no positions, so the order in which frames lie in memory does not matter to it. Which frames are
forgotten does follow from an order, that of section 6.6 of the technical description: a new piece goes in front of all
others, and beyond a limit everything is dropped but the first frames and the last 100. Here a new frame is written
where a dropped one was, and only the order is rearranged.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from step_audio_2.speech.flow_config import EstimatorConfig

KEPT_TAIL = 100
_HISTORY = 2


@dataclass(frozen=True)
class BlockCache:
    """The part of one block at one step, as the block sees it while a piece goes through.

    Attributes:
        attention: [2, n, heads, room, head width], keys and values.
        convolution: [2, n, 2, width], the last frames before either convolution.
        slots: [frames], where the piece's own frames go.
        used: up to where frames lie.
    """

    attention: Tensor
    convolution: Tensor
    slots: Tensor
    used: int

    def attend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keep keys and values [n, heads, frames, head width] of the piece; returns those of all frames."""
        for kept, new in zip(self.attention, (keys, values), strict=True):
            kept.index_copy_(2, self.slots, new.to(kept.dtype))
        return self.attention[0, :, :, : self.used], self.attention[1, :, :, : self.used]

    def precede(self, states: Tensor, place: int) -> Tensor:
        """Return states [n, frames, width] after the frames before them; keep the last for the next piece."""
        history = self.convolution[place]
        states = torch.cat((history.to(states.dtype), states), dim=1)
        history.copy_(states[:, -_HISTORY:])
        return states


@dataclass
class EstimatorCache:
    """All that is remembered, for all steps of the solver.

    Attributes:
        attention: [steps, depth, 2, n, heads, room, head width].
        convolution: [steps, depth, 2, n, 2, width].
        order: for each frame remembered the place where it lies, in the order that decides which are dropped.
    """

    attention: Tensor
    convolution: Tensor
    order: list[int]

    @classmethod
    def empty(
        cls, config: EstimatorConfig, steps: int, rows: int, dtype: torch.dtype, like: Tensor
    ) -> "EstimatorCache":
        """Return the cache before the first frame: keys and values of ``dtype``, the rest of ``like``'s."""
        attention = like.new_zeros((steps, config.depth, 2, rows, config.num_heads, 0, config.head_dim), dtype=dtype)
        return cls(attention, like.new_zeros(steps, config.depth, 2, rows, _HISTORY, config.hidden_size), [])

    def clone(self, spare: int = 0) -> "EstimatorCache":
        """Copy the cache, with room for so many frames more, so that extending the copy leaves this one as it is."""
        room = self.attention.shape[-2]
        attention = self.attention.new_empty(*self.attention.shape[:-2], room + spare, self.attention.shape[-1])
        attention[..., :room, :] = self.attention
        # What is masked must still be a number.
        attention[..., room:, :] = 0
        return replace(self, attention=attention, convolution=self.convolution.clone())

    def admit(self, frames: int) -> tuple[list[list[BlockCache]], Tensor | None]:
        """Make room for a piece of so many frames.

        Returns:
            Views for every step and block; and the mask [1, used] of places that hold a frame, None if all do.
        """
        free = sorted(set(range(len(self.order) + frames)) - set(self.order))[:frames]
        self.order = free + self.order
        used = max(self.order) + 1
        if used > self.attention.shape[-2]:
            grown = self.clone(spare=used - self.attention.shape[-2])
            self.attention = grown.attention
        slots = torch.tensor(free, device=self.attention.device)
        views = [
            [BlockCache(*block, slots, used) for block in zip(*step, strict=True)]
            for step in zip(self.attention, self.convolution, strict=True)
        ]
        if used == len(self.order):
            return views, None
        mask = torch.zeros(1, used, dtype=torch.bool, device=self.attention.device)
        mask[0, self.order] = True
        return views, mask

    def trim(self, prompt_frames: int) -> None:
        """Forget frames so that no more remain than the prompt has and 100."""
        if len(self.order) > prompt_frames + KEPT_TAIL:
            self.order = self.order[:prompt_frames] + self.order[-KEPT_TAIL:]
