"""A tiny checkpoint of Step-Audio 2 that calls a tool: its last layer is fitted to write one call to any question."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from evalkit.task import Task
from evalkit.types import Request
from step_audio_2.special_tokens import END_OF_TURN

CALL = "<tool_call>function\nget_date_time\n{}</tool_call>"

_SHARPNESS = 200.0


def write_calling_checkpoint(checkpoint: Path, folder: Path, task: Task) -> Path:
    """Copy a checkpoint into a folder, changed so that it answers the first questions of a task with ``CALL``.

    The states that the network has when each token of the call is due are gathered by dictating the call, and the
    rows of its last layer are fitted to them; nothing else is changed.
    """
    from transformers import AutoTokenizer

    from model_adapters.step_audio_2.local import StepAudio2
    from step_audio_2.model import StepAudio2ForCausalLM

    shutil.copytree(checkpoint, folder)
    written = AutoTokenizer.from_pretrained(checkpoint)(CALL)["input_ids"] + [END_OF_TURN]
    adapter = StepAudio2(str(checkpoint), device="cpu")
    dictation = _Dictation(written, adapter._assistant.model.lm_head)
    adapter._assistant.model.lm_head = dictation
    for request in _questions(task):
        adapter.generate([request])
    model = StepAudio2ForCausalLM.from_pretrained(checkpoint)
    with torch.no_grad():
        model.lm_head.weight.zero_()
        tokens, rows = _fitted(torch.cat(dictation.states), torch.tensor(dictation.due))
        model.lm_head.weight[tokens] = rows
    model.save_pretrained(folder)
    return folder


def _questions(task: Task) -> list[Request]:
    return [next(task.chain(sample)).request for sample in task.samples()]


class _Dictation(nn.Module):
    """In place of a last layer: makes every answer the same tokens, and keeps the states at which each was due."""

    def __init__(self, tokens: Sequence[int], replaced: nn.Linear) -> None:
        super().__init__()
        self._tokens = tokens
        self._vocabulary = replaced.out_features
        self.states: list[Tensor] = []
        self.due: list[int] = []

    def forward(self, states: Tensor) -> Tensor:
        token = self._tokens[len(self.due) % len(self._tokens)]
        self.states.append(states[:, -1].detach())
        self.due.append(token)
        # So far above all others that sampling draws nothing else.
        return nn.functional.one_hot(torch.tensor([[token]]), self._vocabulary) * 1e4


def _fitted(states: Tensor, due: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct tokens, and for each a row whose product with a state is largest where the token is due."""
    tokens, wanted = due.unique(return_inverse=True)
    rows = torch.zeros(len(tokens), states.shape[1], requires_grad=True)
    others = torch.zeros(len(states), 1)  # what all other tokens of the vocabulary get
    optimizer = torch.optim.LBFGS([rows], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = torch.cat([states @ rows.T, others], dim=1)
        value = nn.functional.cross_entropy(logits, wanted)
        value.backward()
        return value

    optimizer.step(loss)
    return tokens, rows.detach() * _SHARPNESS
