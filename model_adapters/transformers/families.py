"""What families of chat checkpoints need beyond the common way, by ``model_type`` of their configuration.

Each entry was read in the source of transformers 5.23, or measured on a checkpoint of the real format with random
weights. What only a model card or a repository says, such as a prompt or the length beyond which its authors cut,
stands in ``configs/``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Family:
    """How checkpoints of one family are loaded, asked and read.

    Attributes:
        model_class: the class of transformers to load with; empty for the one that an Auto class chooses.
        libraries: optional ones that its processor or model does not work without.
        sound_of: the class of a processor that is used for text and sound alone, as that of pictures wants torchvision,
            which has no build for every PyTorch; empty to use what the checkpoint names.
        stop: tokens that end an answer, beside those that the checkpoint names.
        longest_audio: returns the seconds of one recording beyond which its processor cuts, or None for no limit.
        equal_lengths: whether only recordings of equal length may share a batch, as padding changes its answers.
        trailing_silence: whether recordings are padded past the longest of a batch, so that the last frame of features
            does not depend on what else is in it: extractors like Whisper's reflect at the end of the padded samples.
        most_recordings: in one conversation, or None for any number.
        transcribes: whether each request is put by the processor's ``apply_transcription_request``, its authors' way:
            what only transcribes has no other.
        takes_language: whether that request may name the language.
        reading: arguments of the processor's ``decode`` that make a transcript of the answer to a request for one.
        instead: the configuration of the adapter that it has of its own, as the common way does not fit it.
    """

    model_class: str = ""
    libraries: tuple[str, ...] = ()
    sound_of: str = ""
    stop: tuple[str, ...] = ()
    longest_audio: Callable[[Any], float | None] = lambda _: None
    equal_lengths: bool = False
    trailing_silence: bool = False
    most_recordings: int | None = None
    transcribes: bool = False
    takes_language: bool = False
    reading: Mapping[str, Any] = field(default_factory=dict)
    instead: str = ""


def family_of(model_type: str) -> Family:
    """Return what the family of a checkpoint needs; nothing in particular for one that is not listed."""
    return _FAMILIES.get(model_type, Family())


def _window(processor: Any) -> float:
    """Return the window of an extractor that cuts at it without a word (WhisperFeatureExtractor, truncation=True)."""
    return float(processor.feature_extractor.chunk_length)


def _whole_windows(processor: Any) -> float:
    """Return the windows that a processor keeps of a recording: whole ones, so that 655 s are 630 s."""
    window = processor.feature_extractor.chunk_length
    return float(processor.max_audio_len // window * window)


def _half_a_minute(_: Any) -> float:
    return 30.0  # max_length=480_000 in the extractors of Gemma 3n and Gemma 4


_QWEN_STOP = ("<|im_end|>", "<|endoftext|>")
_QWEN2_5_OMNI = Family(
    model_class="Qwen2_5OmniThinkerForConditionalGeneration",
    sound_of="Qwen2_5OmniProcessor",
    stop=_QWEN_STOP,  # the thinker, loaded alone, has no stop token of its own
    longest_audio=_window,
)
_QWEN3_OMNI = Family(
    model_class="Qwen3OmniMoeThinkerForConditionalGeneration",
    sound_of="Qwen3OmniMoeProcessor",
    stop=_QWEN_STOP,
    trailing_silence=True,
)
_FAMILIES: Mapping[str, Family] = {
    "qwen2_audio": Family(stop=_QWEN_STOP, longest_audio=_window),
    # The thinker is loaded from the whole checkpoint, or from a folder of its own.
    "qwen2_5_omni": _QWEN2_5_OMNI,
    "qwen2_5_omni_thinker": _QWEN2_5_OMNI,
    "qwen3_omni_moe": _QWEN3_OMNI,
    "qwen3_omni_moe_thinker": _QWEN3_OMNI,
    "qwen3_asr": Family(
        stop=_QWEN_STOP,
        trailing_silence=True,
        most_recordings=1,
        transcribes=True,
        takes_language=True,
        reading={"return_format": "transcription_only"},
    ),
    "audioflamingo3": Family(
        stop=_QWEN_STOP, longest_audio=_whole_windows, most_recordings=1, reading={"strip_prefix": True}
    ),
    "glmasr": Family(longest_audio=_whole_windows, most_recordings=1, transcribes=True),
    "gemma3n": Family(libraries=("timm",), stop=("<end_of_turn>",), longest_audio=_half_a_minute, equal_lengths=True),
    "gemma4": Family(libraries=("torchvision",), longest_audio=_half_a_minute),
    "phi4_multimodal": Family(libraries=("torchvision",), stop=("<|end|>",), equal_lengths=True),
    "fun_asr_nano": Family(
        libraries=("torchaudio",),
        stop=_QWEN_STOP,
        equal_lengths=True,
        most_recordings=1,
        transcribes=True,
        takes_language=True,
    ),
    "voxtral": Family(instead="voxtral_mini"),
    "granite_speech": Family(instead="granite_speech"),
    "granite_speech_plus": Family(instead="granite_speech"),
    "canary": Family(instead="canary"),
    "parakeet_ctc": Family(instead="parakeet"),
    "parakeet_rnnt": Family(instead="parakeet"),
    "parakeet_tdt": Family(instead="parakeet"),
}
