"""Sampling whose outcome depends on a row's own seed, not on the other rows of its batch."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor


class SeededChoice(LogitsProcessor):
    """Draws each row's next token: all others get a score of minus infinity.

    The chain of processors in transformers sorts the whole vocabulary for ``top_p``, which takes longer than a step of
    the model; here it is enough to look at the ``top_k`` best.

    Args:
        seeds: one for each row; every row draws from a generator of its own.
        temperature: by which scores are divided.
        top_k: how many of the best tokens to draw from; 0 for all.
        top_p: draw from no more of them than it takes to reach this probability.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(self, seeds: Sequence[int], *, temperature: float = 1.0, top_k: int = 50, top_p: float = 1.0) -> None:
        if temperature <= 0 or top_k < 0 or not 0 < top_p <= 1:
            raise ValueError(
                f"temperature is {temperature}, top_k {top_k} and top_p {top_p}; they must be above 0, at least 0, "
                "and above 0 and at most 1"
            )
        self._seeds = list(seeds)
        self._generators: list[torch.Generator] = []
        self._temperature, self._top_k, self._top_p = temperature, top_k, top_p

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - as the library calls it
        """Return scores [rows, vocabulary]: 0 for the token drawn, minus infinity for all others."""
        if not self._generators:
            self._generators = [torch.Generator(scores.device).manual_seed(seed) for seed in self._seeds]
        count = min(self._top_k or scores.shape[-1], scores.shape[-1])
        best, tokens = (scores / self._temperature).topk(count, dim=-1)
        probabilities = best.softmax(dim=-1)
        best = best.masked_fill(probabilities.cumsum(dim=-1) - probabilities >= self._top_p, -torch.inf)
        noise = torch.empty_like(best)
        for row, generator in zip(noise, self._generators, strict=True):
            row.exponential_(generator=generator)
        # The highest of scores with Gumbel noise is a draw from their distribution.
        drawn = tokens.gather(1, (best - noise.log()).argmax(dim=-1, keepdim=True))
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn, 0.0)


def seeded_sampling(
    settings: Mapping[str, Any], defaults: GenerationConfig, seeds: Sequence[int]
) -> tuple[dict[str, Any], SeededChoice]:
    """Turn sampling settings into a processor whose draws depend on the seeds alone.

    Args:
        settings: of generation, some of ``temperature``, ``top_k`` and ``top_p`` among them.
        defaults: what holds where they say nothing; where it says nothing either, what transformers does.
        seeds: one for each row of output.

    Returns:
        The settings without those, and the processor that takes their place.

    Raises:
        ValueError: a setting is out of its range, or beams are wanted too.
    """
    remaining = dict(settings)
    if remaining.get("num_beams", 1) != 1:
        raise ValueError("beams cannot be sampled from seeds: choose num_beams=1 or do_sample=false")
    wanted = {}
    for name in ("temperature", "top_k", "top_p"):
        value = remaining.pop(name, None)
        if value is None:
            value = getattr(defaults, name, None)
        if value is not None:
            wanted[name] = value
    return {**remaining, "do_sample": False}, SeededChoice(seeds, **wanted)
