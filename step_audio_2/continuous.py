"""Generate rows side by side, each for as long as it takes: one that has ended leaves at once, and another enters.

In a batch that stays together, short answers wait for the longest. The continuous batching of transformers reads token
ids only, and so cannot hear; its rows do not draw from seeds of their own.
"""

from collections import deque
from collections.abc import Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache

from step_audio_2.chat import Prompt
from step_audio_2.generation import batch, stop_criterion
from step_audio_2.model import StepAudio2ForCausalLM
from step_audio_2.sampling import Decoding
from step_audio_2.slotted_cache import SlottedCache
from step_audio_2.special_tokens import PAD

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Key = TypeVar("Key")
Result = TypeVar("Result")

# Positions of newcomers, padding included, that are read between two steps, so that the others do not wait long.
_READ_AT_ONCE = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Continuation:
    """Tokens that are wanted.

    Attributes:
        prompt: what they follow.
        decoding: how they are chosen.
        seed: of what is drawn.
        cancelled: once it is set, from whatever thread, they end where they are.
    """

    prompt: Prompt
    decoding: Decoding
    seed: int = 0
    cancelled: Flag | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for them any longer."""
        return self.cancelled is not None and self.cancelled.is_set()


Chain = Generator[Continuation, list[int], Result]
"""Wants tokens, once or several times, is sent them, stop token included, and returns what it makes of them."""


class Row:
    """One continuation under way.

    Args:
        wanted: what it is.

    Attributes:
        wanted: what it is.
        ids: its tokens so far.
        generator: from which it draws, where it is sampled.
        known: [vocabulary], true for what it has read or written, where a penalty needs it.
    """

    def __init__(self, wanted: Continuation) -> None:
        self.wanted = wanted
        self.ids: list[int] = []
        self.generator: torch.Generator | None = None
        self.known: Tensor | None = None

    def enter(self, scores: Tensor) -> None:
        """Get ready to choose from scores of this kind [vocabulary]."""
        if self.wanted.decoding.sampling is not None:
            self.generator = torch.Generator(scores.device).manual_seed(self.wanted.seed)
        if self.wanted.decoding.repetition_penalty != 1:
            self.known = torch.zeros_like(scores, dtype=torch.bool)
            self.known[self.wanted.prompt.input_ids] = True

    def add(self, token: int) -> None:
        """Take in its next token."""
        self.ids.append(token)
        if self.known is not None:
            self.known[token] = True

    def tail(self, length: int) -> list[int]:
        """Return its last ids, those of the prompt before those that are new; the first one is repeated before it."""
        ids = [*self.wanted.prompt.input_ids[-length:], *self.ids[-length:]][-length:]
        return [self.wanted.prompt.input_ids[0]] * (length - len(ids)) + ids


class RunningBatch:
    """The rows under way, and their keys and values.

    Args:
        model: on its device.
        tokenizer: of the same checkpoint.
        stop_tokens: what ends a row.
        slots: the most rows at once.

    Attributes:
        slots: the most rows at once.
        rows: those under way.
    """

    def __init__(
        self,
        model: StepAudio2ForCausalLM,
        tokenizer: "PreTrainedTokenizerFast",
        stop_tokens: Collection[int],
        slots: int,
    ) -> None:
        if slots < 1:
            raise ValueError(f"slots is {slots}; it must be at least 1")
        self.slots = slots
        self.rows: list[Row] = []
        self._model = model
        self._tokenizer = tokenizer
        self._stop_tokens = stop_tokens
        self._cache = SlottedCache(slots)

    @torch.no_grad()
    def begin(self, rows: Sequence[Row]) -> list[Row]:
        """Read the prompts of newcomers together, and choose the first token of each.

        Returns:
            Those that have ended with it.
        """
        prompts = [row.wanted.prompt for row in rows]
        lengths = [len(prompt.input_ids) for prompt in prompts]
        inputs = batch([prompt.input_ids for prompt in prompts], [prompt.mels for prompt in prompts], PAD)
        inputs.pop("attention_mask")  # no position sees the padding, which is behind it
        device = self._model.get_input_embeddings().weight.device
        embeddings = self._model.embed(**{name: tensor.to(device) for name, tensor in inputs.items()})
        read = DynamicCache()
        states = self._model.model(inputs_embeds=embeddings, past_key_values=read, use_cache=True).last_hidden_state
        self._cache.take_in(read, lengths)
        self.rows += rows
        scores = self._scores(states[torch.arange(len(rows)), torch.tensor(lengths) - 1])
        for row, row_scores in zip(rows, scores, strict=True):
            row.enter(row_scores)
        return self._choose(scores, rows)

    @torch.no_grad()
    def step(self) -> list[Row]:
        """Compute one position of every row, and choose its next token.

        Returns:
            The rows that have ended with it.
        """
        if not self.rows:
            return []
        device = self._model.get_input_embeddings().weight.device
        tokens = torch.tensor([[row.ids[-1]] for row in self.rows], device=device)
        places = torch.tensor(self._cache.lengths, device=device)[:, None]
        self._cache.begin_step()
        states = self._model.model(
            inputs_embeds=self._model.model.embed_tokens(tokens),
            attention_mask=torch.arange(max(self._cache.lengths) + 1, device=device) <= places,
            position_ids=places,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        self._cache.end_step()
        return self._choose(self._scores(states[:, -1]), self.rows)

    def close(self) -> None:
        """Drop all rows, and give the cache's memory back."""
        self.rows.clear()
        self._cache.clear()

    def _scores(self, states: Tensor) -> Tensor:
        scores: Tensor = self._model.lm_head(states).float()
        return scores

    def _choose(self, scores: Tensor, rows: Sequence[Row]) -> list[Row]:
        """Add a token to each row by its scores [rows, vocabulary], and let go those that end with it."""
        alike: dict[Decoding, list[int]] = {}
        for index, row in enumerate(rows):
            alike.setdefault(row.wanted.decoding, []).append(index)
        ended: list[Row] = []
        for decoding, members in alike.items():
            together = [rows[index] for index in members]
            tokens = decoding.choose(
                scores if len(members) == len(rows) else scores[members],
                [row.known for row in together if row.known is not None],
                [row.generator for row in together if row.generator is not None],
            )
            for row, token in zip(together, tokens.tolist(), strict=True):
                row.add(token)
            ended += self._ended(together, decoding)
        for row in ended:
            self._drop(row)
        return ended

    def _ended(self, rows: Sequence[Row], decoding: Decoding) -> list[Row]:
        stopped = self._stopped(rows, decoding.stop_strings) if decoding.stop_strings else [False] * len(rows)
        return [
            row
            for row, is_stopped in zip(rows, stopped, strict=True)
            if is_stopped
            or row.ids[-1] in self._stop_tokens
            or len(row.ids) >= decoding.max_new_tokens
            or row.wanted.is_cancelled
        ]

    def _stopped(self, rows: Sequence[Row], strings: tuple[str, ...]) -> list[bool]:
        criterion = stop_criterion(self._tokenizer, strings)
        stopped: list[bool] = criterion(
            torch.tensor([row.tail(criterion.maximum_token_len) for row in rows]), None
        ).tolist()
        return stopped

    def _drop(self, row: Row) -> None:
        slot = self.rows.index(row)
        self._cache.drop(slot)
        self.rows[slot] = self.rows[-1]
        self.rows.pop()


def run_each(
    running: RunningBatch, chains: Iterable[tuple[Key, Chain[Result]]]
) -> Generator[tuple[Key, Result | ValueError], None, None]:
    """Run chains side by side, each until it returns; the next is pulled when there is a slot for it.

    Args:
        running: an empty batch; it is closed at the end, whatever ends it.
        chains: as many as there are, each with what it is to be known by.

    Yields:
        What a chain is known by, and what it returned, or the ValueError that it raised.

    Raises:
        Exception: what the model raises; the rows under way are lost.
    """
    arriving = iter(chains)
    under_way: dict[Row, tuple[Key, Chain[Result]]] = {}
    waiting: deque[Row] = deque()

    def go_on(
        key: Key, chain: Chain[Result], ids: list[int] | None
    ) -> Generator[tuple[Key, Result | ValueError], None, None]:
        try:
            wanted = next(chain) if ids is None else chain.send(ids)
            while wanted.is_cancelled:
                wanted = chain.send([])
        except StopIteration as end:
            yield key, end.value
        except ValueError as error:
            yield key, error
        else:
            row = Row(wanted)
            under_way[row] = (key, chain)
            waiting.append(row)

    try:
        while True:
            while len(under_way) < running.slots and (newcomer := next(arriving, None)) is not None:
                yield from go_on(*newcomer, None)
            if not under_way:
                return
            ended = running.begin(_read_together(waiting)) if waiting else []
            for row in (*ended, *running.step()):
                yield from go_on(*under_way.pop(row), row.ids)
    finally:
        running.close()


def _read_together(waiting: deque[Row]) -> list[Row]:
    """Take rows off the front of the queue whose prompts may be read at once; one at least."""
    taken: list[Row] = []
    longest = 0
    while waiting:
        longest = max(longest, len(waiting[0].wanted.prompt.input_ids))
        if taken and longest * (len(taken) + 1) > _READ_AT_ONCE:
            break
        taken.append(waiting.popleft())
    return taken
