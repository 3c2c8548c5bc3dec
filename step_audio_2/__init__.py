"""Step-Audio 2: a speech language model that listens, thinks, calls tools, writes and speaks.

An implementation of its own that loads the published checkpoints (mini, mini Base, mini Think). Names are loaded when
they are first used, since PyTorch and transformers take seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from step_audio_2.assistant import Assistant as Assistant
    from step_audio_2.audio_file import load_audio as load_audio
    from step_audio_2.chat import Question as Question
    from step_audio_2.configuration import StepAudio2Config as StepAudio2Config
    from step_audio_2.errors import CheckpointError as CheckpointError
    from step_audio_2.log_mel import audio_token_count as audio_token_count
    from step_audio_2.log_mel import log_mel_spectrogram as log_mel_spectrogram
    from step_audio_2.model import StepAudio2ForCausalLM as StepAudio2ForCausalLM
    from step_audio_2.speech.flow_matching import FlowMatching as FlowMatching
    from step_audio_2.speech.token2wav import Token2Wav as Token2Wav
    from step_audio_2.speech.vocoder import HiFTVocoder as HiFTVocoder

_MODULES = {
    "Assistant": "assistant",
    "CheckpointError": "errors",
    "FlowMatching": "speech.flow_matching",
    "HiFTVocoder": "speech.vocoder",
    "Question": "chat",
    "StepAudio2Config": "configuration",
    "StepAudio2ForCausalLM": "model",
    "Token2Wav": "speech.token2wav",
    "audio_token_count": "log_mel",
    "load_audio": "audio_file",
    "log_mel_spectrogram": "log_mel",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
