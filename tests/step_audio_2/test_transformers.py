"""The model as one of the library transformers: found by its folder, trained by labels, decoded by settings given."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from step_audio_2.configuration import STOP_TOKENS, StepAudio2Config
from step_audio_2.model import StepAudio2ForCausalLM
from step_audio_2.special_tokens import AUDIO_PATCH
from tests.step_audio_2.test_model import inputs


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> StepAudio2ForCausalLM:
    return StepAudio2ForCausalLM.from_pretrained(tiny_checkpoint)


def rewritten(source: Path, folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a checkpoint whose JSON file of this name is another, or new; weights are shared."""
    shutil.copytree(source, folder, copy_function=lambda from_, to: Path(to).symlink_to(from_))
    path = folder / name
    content = json.loads(path.read_text()) if path.exists() else {}
    change(content)
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForCausalLM])
def test_transformers_finds_the_model_by_its_folder_and_runs_no_code_of_it(
    auto: Any, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "ran.py").write_text("raise AssertionError('code of the folder was run')")

    def as_published(config: dict[str, Any]) -> None:
        config["auto_map"] = {"AutoConfig": "ran.Config", "AutoModelForCausalLM": "ran.Model", "AutoModel": "ran.Model"}

    folder = rewritten(tiny_checkpoint, tmp_path / "checkpoint", "config.json", as_published)
    shutil.copy(tmp_path / "ran.py", folder)
    assert isinstance(AutoConfig.from_pretrained(folder), StepAudio2Config)
    found = auto.from_pretrained(folder)
    assert isinstance(found, StepAudio2ForCausalLM)
    assert found.lm_head.weight.equal(StepAudio2ForCausalLM.from_pretrained(tiny_checkpoint).lm_head.weight)


@pytest.mark.parametrize("sampling", [{"do_sample": False}, {"do_sample": True, "seeds": [3]}])
def test_no_setting_of_a_folder_changes_an_answer(
    sampling: dict[str, Any], model: StepAudio2ForCausalLM, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    # As Qwen2.5 publishes it, which re-saved and fine-tuned folders bring along.
    settings = {
        "do_sample": True,
        "repetition_penalty": 1.5,
        "temperature": 0.3,
        "top_k": 2,
        "top_p": 0.5,
        "max_new_tokens": 3,
    }
    folder = rewritten(
        tiny_checkpoint, tmp_path / "checkpoint", "generation_config.json", lambda said: said.update(settings)
    )
    ids = torch.arange(40, 60)[None]
    wanted = {**sampling, "max_new_tokens": 20, "eos_token_id": STOP_TOKENS[2]}
    other = StepAudio2ForCausalLM.from_pretrained(folder)
    assert other.generate(ids, **wanted).equal(model.generate(ids, **wanted))
    assert other.generation_config.eos_token_id == list(STOP_TOKENS)


def test_a_folder_says_where_its_answers_end(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = rewritten(
        tiny_checkpoint,
        tmp_path / "checkpoint",
        "generation_config.json",
        lambda said: said.update(eos_token_id=[7, 8], pad_token_id=9),
    )
    said = StepAudio2ForCausalLM.from_pretrained(folder).generation_config
    assert (said.eos_token_id, said.pad_token_id) == ([7, 8], 9)


def test_the_loss_is_the_mean_cross_entropy_of_the_labels(golden_model: StepAudio2ForCausalLM) -> None:
    arguments = inputs("two")
    labels = arguments["input_ids"].masked_fill(arguments["input_ids"] == AUDIO_PATCH, -100)
    output = golden_model(**arguments, labels=labels)
    assert output.loss is not None
    expected = functional.cross_entropy(output.logits[0, :-1].float(), labels[0, 1:])
    torch.testing.assert_close(output.loss, expected)
    golden_model.zero_grad()
    output.loss.backward()
    for part in (golden_model.encoder.conv1, golden_model.adapter.linear1, golden_model.lm_head):
        assert part.weight.grad is not None
        assert part.weight.grad.abs().max() > 0
    golden_model.zero_grad()


def test_labels_for_positions_without_logits_are_refused(golden_model: StepAudio2ForCausalLM) -> None:
    arguments = inputs("text")
    with pytest.raises(ValueError, match="leave logits_to_keep out"):
        golden_model(**arguments, labels=arguments["input_ids"], logits_to_keep=1)
