"""Which models the configurations let answer: services send the requests for one that has ended to another."""

from collections.abc import Mapping
from typing import Any

import pytest
from omegaconf import OmegaConf

from evalkit.errors import RejectedError
from model_adapters.shared.answering_model import ExpectedModel
from tests.conftest import ROOT

_MODELS = ROOT / "configs" / "model"
# By configuration: names that its model may answer by, beside the one it is asked by; and those of others near it.
_NAMES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "gemini_2_0_flash": (("gemini-2.0-flash-001",), ("gemini-2.0-flash-lite", "gemini-3.5-flash-lite")),
    "gemini_2_5_flash": (
        ("models/gemini-2.5-flash", "gemini-2.5-flash-preview-09-2025"),
        ("gemini-3.5-flash-lite", "gemini-2.5-flash-lite", "gemini-2.5-pro"),
    ),
    "gemini_2_5_pro": (("gemini-2.5-pro-001",), ("gemini-3.8-flash", "gemini-2.5-flash")),
    "gemini_3_5_flash_lite": (("gemini-3.5-flash-lite-001",), ("gemini-3.5-flash", "gemini-2.5-flash-lite")),
    "gemini_3_8_flash": (("gemini-3.8-flash-001",), ("gemini-2.5-pro", "gemini-3.8-pro")),
    "gpt_4o_audio": ((), ("gpt-4o-audio-preview-2024-12-17", "gpt-audio-1.5", "gpt-4o-mini-audio-preview")),
    "gpt_4o_mini": (("gpt-4o-mini-2024-07-18",), ("gpt-4o", "gpt-6-luna")),
    "gpt_6_luna": ((), ("gpt-4o-mini",)),
    "gpt_audio": (("gpt-audio-1.5-2026-02-23",), ("gpt-audio", "gpt-audio-mini", "gpt-4o-audio-preview")),
    "gpt_realtime": (("gpt-realtime",), ("gpt-realtime-mini", "gpt-realtime-2.1", "gpt-realtime-1.5")),
    "gpt_realtime_2_1": (("gpt-realtime-2.1-2026-05-07",), ("gpt-realtime-2.1-mini", "gpt-realtime-2")),
    "qwen3_asr_flash": (("qwen3-asr-flash-2025-09-08",), ("qwen3-omni-flash", "fun-asr-flash")),
    "qwen3_omni_flash": (("qwen3-omni-flash",), ("qwen3-omni-flash-2025-09-15", "qwen3.5-omni-flash")),
    "qwen3_omni_flash_realtime": ((), ("qwen3-omni-flash", "qwen3.5-omni-flash-realtime")),
    "qwen_omni_turbo": (("qwen-omni-turbo-latest",), ("qwen2.5-omni-7b", "qwen3-omni-flash")),
    "step_audio_2": ((), ("step-audio-2-mini", "stepaudio-2.5-chat")),
    "step_audio_2_mini_hosted": ((), ("step-audio-2",)),
    "step_audio_2_realtime": ((), ("step-audio-2-mini", "stepaudio-2.5-realtime")),
}


def _configuration(name: str) -> Any:
    return OmegaConf.load(_MODELS / f"{name}.yaml")


@pytest.mark.parametrize("name", _NAMES)
def test_a_model_of_another_name_is_not_taken_for_the_one_that_was_asked(name: str) -> None:
    configuration = _configuration(name)
    expected = ExpectedModel(configuration.model, configuration.answered_by)
    its_own, others = _NAMES[name]
    for answering in (configuration.model, *its_own):
        expected.check(answering)
    for answering in others:
        with pytest.raises(RejectedError, match=f"{configuration.model} was asked, but {answering} answers"):
            expected.check(answering)


def test_every_configuration_that_names_who_may_answer_is_looked_at_here() -> None:
    names = {path.stem for path in _MODELS.glob("*.yaml") if _configuration(path.stem).get("answered_by")}
    assert names == set(_NAMES)
