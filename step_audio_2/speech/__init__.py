"""The half of Step-Audio 2 that speaks: codec tokens to sound of 24 kHz, and what makes a voice of a recording."""

from step_audio_2.speech.flow_matching import FlowInput, FlowMatching
from step_audio_2.speech.noise import Noise
from step_audio_2.speech.pcm import to_pcm16
from step_audio_2.speech.speaker_encoder import SpeakerEncoder, SpeakerEncoderConfig
from step_audio_2.speech.speech_tokenizer import SpeechTokenizer, SpeechTokenizerConfig
from step_audio_2.speech.streaming import SpeechStream
from step_audio_2.speech.token2wav import Token2Wav
from step_audio_2.speech.vocoder import HiFTVocoder
from step_audio_2.speech.voice import Voice, VoiceError

__all__ = [
    "FlowInput",
    "FlowMatching",
    "HiFTVocoder",
    "Noise",
    "SpeakerEncoder",
    "SpeakerEncoderConfig",
    "SpeechStream",
    "SpeechTokenizer",
    "SpeechTokenizerConfig",
    "Token2Wav",
    "Voice",
    "VoiceError",
    "to_pcm16",
]
