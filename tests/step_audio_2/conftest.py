"""What tests of Step-Audio 2 share: the small tokenizer and models, written once."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from step_audio_2.model import StepAudio2ForCausalLM
from step_audio_2.special_tokens import SpecialTokens, load_tokenizer
from step_audio_2.testing.tiny_checkpoint import write_tiny_checkpoint
from step_audio_2.testing.tiny_tokenizer import write_tiny_tokenizer
from tests.step_audio_2.golden import golden_json, golden_state_dict


@pytest.fixture(scope="session")
def tiny_tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small tokenizer; tests must not change it."""
    return write_tiny_tokenizer(tmp_path_factory.mktemp("tiny_tokenizer"))


@pytest.fixture(scope="session")
def tokenizer(tiny_tokenizer_folder: Path) -> Any:
    """The small tokenizer."""
    return load_tokenizer(tiny_tokenizer_folder)


@pytest.fixture(scope="session")
def special(tokenizer: Any) -> SpecialTokens:
    """Its special tokens."""
    return SpecialTokens.of(tokenizer)


@pytest.fixture(scope="session")
def golden_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder with the recorded weights."""
    folder = tmp_path_factory.mktemp("golden_checkpoint")
    save_file(golden_state_dict("llm"), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(golden_json("llm_config")))
    return folder


@pytest.fixture(scope="session")
def golden_model(golden_folder: Path) -> StepAudio2ForCausalLM:
    """The model that the recorded outputs are of."""
    return StepAudio2ForCausalLM.from_pretrained(golden_folder)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder with random weights; tests must not change it."""
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny_checkpoint"))
