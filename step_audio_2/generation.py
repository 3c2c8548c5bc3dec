"""Batch prompts, and generate new tokens row by row: all at once or as they come."""

import queue
import threading
from collections.abc import Collection, Generator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList, StopStringCriteria
from transformers.generation.streamers import BaseStreamer

from step_audio_2.log_mel import padded_mels
from step_audio_2.model import StepAudio2ForCausalLM

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@lru_cache(maxsize=4)
def stop_criterion(tokenizer: "PreTrainedTokenizerFast", strings: tuple[str, ...]) -> StopStringCriteria:
    """Return what ends rows after one of some texts, made once: the whole vocabulary is compared with them.

    Args:
        tokenizer: of the model.
        strings: the texts.
    """
    return StopStringCriteria(tokenizer, list(strings))


def batch(prompts: Sequence[Sequence[int]], mels: Sequence[Sequence[Tensor]], pad_token: int) -> dict[str, Tensor]:
    """Batch prompts of different lengths as one input of the model.

    Args:
        prompts: token ids of each row.
        mels: of each row, its spectrograms [128, frames] in the order of its audio blocks.
        pad_token: what rows are filled up with on the right.
    """
    longest = max(len(prompt) for prompt in prompts)
    rows = [[*prompt, *[pad_token] * (longest - len(prompt))] for prompt in prompts]
    mask = [[1] * len(prompt) + [0] * (longest - len(prompt)) for prompt in prompts]
    inputs = {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(mask)}
    if all_mels := [mel for row in mels for mel in row]:
        inputs["mels"], inputs["mel_lengths"] = padded_mels(all_mels)
    return inputs


def new_tokens(
    sequences: Tensor, prompt_length: int, stop_tokens: Collection[int], pad_token: int | None = None
) -> list[list[int]]:
    """Return the tokens that ``generate`` added to each row, up to and with its stop token.

    Args:
        sequences: [rows, length + new], from ``generate``.
        prompt_length: the length of its input.
        stop_tokens: what ends a row.
        pad_token: what follows the end of a row that a stop string ended; None if there were no stop strings.
    """
    rows = []
    for row in sequences[:, prompt_length:].tolist():
        end = next((index + 1 for index, token in enumerate(row) if token in stop_tokens), None)
        if end is None:
            end = len(row)
            while end and row[end - 1] == pad_token:
                end -= 1
        rows.append(row[:end])
    return rows


class _Tokens(BaseStreamer):
    """Hands on what generation puts into it: first the prompt, then one token a row and step."""

    def __init__(self, steps: "queue.SimpleQueue[list[int] | BaseException | None]") -> None:
        self._steps = steps
        self._prompt_is_past = False

    def put(self, value: Tensor) -> None:
        if self._prompt_is_past:
            self._steps.put(value.tolist())
        self._prompt_is_past = True

    def end(self) -> None:
        pass


class _Cancelled(StoppingCriteria):
    """Stops all rows once nobody waits for them any longer."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def __call__(self, input_ids: Tensor, scores: Any, **further: Any) -> Tensor:  # noqa: ARG002 - as it is called
        return torch.full((len(input_ids),), self.event.is_set(), device=input_ids.device)


def stream(model: StepAudio2ForCausalLM, **arguments: Any) -> Generator[list[int], None, None]:
    """Generate, and give each step's tokens at once.

    A consumer that stops early, by closing the iterator, stops the generation too.

    Args:
        model: see ``StepAudio2ForCausalLM``.
        **arguments: those of its ``generate``; beams cannot be streamed.

    Yields:
        One token for each row; a row that has ended gives the pad token.

    Raises:
        ValueError: beams are wanted, or what ``generate`` raises.
    """
    if arguments.get("num_beams", 1) != 1:
        raise ValueError("a beam search cannot be streamed: its tokens are not known before its end")
    steps: queue.SimpleQueue[list[int] | BaseException | None] = queue.SimpleQueue()
    cancelled = _Cancelled()
    criteria = StoppingCriteriaList([*arguments.pop("stopping_criteria", ()), cancelled])

    def work() -> None:
        try:
            model.generate(**arguments, streamer=_Tokens(steps), stopping_criteria=criteria)
        except BaseException as error:
            steps.put(error)
        else:
            steps.put(None)

    thread = threading.Thread(target=work, name="generation", daemon=True)
    thread.start()
    try:
        while (step := steps.get()) is not None:
            if isinstance(step, BaseException):
                raise step
            yield step
    finally:
        cancelled.event.set()
        thread.join()
