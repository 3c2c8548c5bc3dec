"""How the next token of a row is chosen: by its own settings and seed, and by nothing else of its batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor

MOST_NEW_TOKENS = 2048
"""The most tokens of an answer unless another number is asked for, as in the original."""
_SAMPLING = ("temperature", "top_k", "top_p")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is drawn by its scores.

    The chain of processors in transformers sorts the whole vocabulary for ``top_p``, which takes longer than a step of
    the model; here it is enough to look at the ``top_k`` best.

    Attributes:
        temperature: by which scores are divided.
        top_k: how many of the best tokens to draw from; 0 for all.
        top_p: draw from no more of them than it takes to reach this probability.

    Raises:
        ValueError: a setting is out of its range.
    """

    temperature: float = 1.0
    top_k: int = 50
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if self.temperature <= 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"temperature is {self.temperature}, top_k {self.top_k} and top_p {self.top_p}; they must be above 0, "
                "at least 0, and above 0 and at most 1"
            )

    def draw(self, scores: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Draw a token for each row.

        Args:
            scores: [rows, vocabulary].
            generators: one for each row, on the device of the scores.

        Returns:
            Token ids [rows].
        """
        count = min(self.top_k or scores.shape[-1], scores.shape[-1])
        best, tokens = (scores / self.temperature).topk(count, dim=-1)
        probabilities = best.softmax(dim=-1)
        best = best.masked_fill(probabilities.cumsum(dim=-1) - probabilities >= self.top_p, -torch.inf)
        noise = torch.empty_like(best)
        for row, generator in zip(noise, generators, strict=True):
            row.exponential_(generator=generator)
        # The highest of scores with Gumbel noise is a draw from their distribution.
        return tokens.gather(1, (best - noise.log()).argmax(dim=-1, keepdim=True))[:, 0]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the tokens of one row are chosen, and where it ends besides its stop token.

    Attributes:
        max_new_tokens: where it is cut.
        sampling: how tokens are drawn; None takes the best.
        repetition_penalty: by which the scores of tokens that were read or written before are reduced.
        stop_strings: texts after which it ends.

    Raises:
        ValueError: a setting is out of its range.
    """

    max_new_tokens: int = MOST_NEW_TOKENS
    sampling: Sampling | None = None
    repetition_penalty: float = 1.0
    stop_strings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.repetition_penalty <= 0:
            raise ValueError(
                f"max_new_tokens is {self.max_new_tokens} and repetition_penalty {self.repetition_penalty}; "
                "they must be at least 1, and above 0"
            )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Read settings by the names that ``StepAudio2ForCausalLM.generate`` has for them.

        Raises:
            ValueError: a setting is out of its range, or means nothing to a row by itself, as a beam search.
        """
        remaining = dict(settings)
        drawn = {name: remaining.pop(name) for name in _SAMPLING if name in remaining}
        sampling = Sampling(**drawn) if remaining.pop("do_sample", False) else None
        stop_strings = tuple(remaining.pop("stop_strings", ()))
        known = {name: remaining.pop(name) for name in ("max_new_tokens", "repetition_penalty") if name in remaining}
        if remaining.pop("num_beams", 1) != 1 or remaining:
            raise ValueError(f"{', '.join(remaining) or 'num_beams'}: only for batches that stay together")
        return cls(sampling=sampling, stop_strings=stop_strings, **known)

    def choose(self, scores: Tensor, known: Sequence[Tensor], generators: Sequence[torch.Generator]) -> Tensor:
        """Choose the next token of rows that are decoded alike.

        Args:
            scores: [rows, vocabulary].
            known: of each row [vocabulary], true for what it has read or written; needed for a penalty only.
            generators: of each row; needed for sampling only.

        Returns:
            Token ids [rows].
        """
        if self.repetition_penalty != 1:
            reduced = torch.where(scores < 0, scores * self.repetition_penalty, scores / self.repetition_penalty)
            scores = torch.where(torch.stack(list(known)), reduced, scores)
        return scores.argmax(dim=-1) if self.sampling is None else self.sampling.draw(scores, generators)


class SeededChoice(LogitsProcessor):
    """Draws each row's next token: all others get a score of minus infinity.

    Args:
        seeds: one for each row; every row draws from a generator of its own.
        sampling: how to draw.
    """

    def __init__(self, seeds: Sequence[int], sampling: Sampling) -> None:
        self._seeds = list(seeds)
        self._generators: list[torch.Generator] = []
        self._sampling = sampling

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - as the library calls it
        """Return scores [rows, vocabulary]: 0 for the token drawn, minus infinity for all others."""
        if not self._generators:
            self._generators = [torch.Generator(scores.device).manual_seed(seed) for seed in self._seeds]
        drawn = self._sampling.draw(scores, self._generators)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn[:, None], 0.0)


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
    for name in _SAMPLING:
        value = remaining.pop(name, None)
        if value is None:
            value = getattr(defaults, name, None)
        if value is not None:
            wanted[name] = value
    return {**remaining, "do_sample": False}, SeededChoice(seeds, Sampling(**wanted))
