"""A model that says what it is told to: its sampling is steered, all else is as it is."""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from step_audio_2.special_tokens import END_OF_TURN, FIRST_AUDIO_CODE, TTS_END
from step_audio_2.tool_calls import ToolCall


class Script(LogitsProcessor):
    """Has each answer be the next of a list, and keeps what the model read before it.

    Args:
        answers: tokens of each, up to and with what ends it.

    Attributes:
        prompts: the tokens before each answer.
    """

    def __init__(self, *answers: Sequence[int]) -> None:
        self._answers = [list(answer) for answer in answers]
        self._current: list[int] = []
        self._length = 0
        self.prompts: list[list[int]] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        # An answer that was broken off is followed by a prompt that is more than a token longer, or shorter.
        begins, self._length = len(input_ids[0]) != self._length + 1, len(input_ids[0])
        if begins:
            self._current = self._answers.pop(0)
            self.prompts.append(input_ids[0].tolist())
        token = self._current.pop(0)
        return torch.full_like(scores, -torch.inf).index_fill_(1, torch.tensor([token]), 0.0)

    @property
    def settings(self) -> dict[str, Any]:
        """Decoding settings that follow the script."""
        return {"max_new_tokens": 300, "logits_processor": LogitsProcessorList([self])}


def spoken(tokenizer: Any, words: str, codes: int = 8) -> list[int]:
    """Speech as the model writes it: a text token and four codes by turns."""
    ids = []
    for number, token in enumerate(tokenizer.encode(words, add_special_tokens=False)):
        ids += [token, *(FIRST_AUDIO_CODE + (4 * number + code) % 500 for code in range(4))]
    return [*ids, *(FIRST_AUDIO_CODE + code for code in range(codes)), TTS_END]


def called(tokenizer: Any, name: str, arguments: str) -> list[int]:
    """A call as the model writes it."""
    ids: list[int] = tokenizer.encode(ToolCall(name, arguments).text, add_special_tokens=False)
    return ids


def ended(ids: Sequence[int]) -> list[int]:
    """An answer that ends by itself."""
    return [*ids, END_OF_TURN]


def never() -> threading.Event:
    """What cancels nothing."""
    return threading.Event()
