"""The model's configuration: ``config.json`` as published, checked against what the architecture takes for granted."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig, Qwen2Config
from transformers.activations import ACT2FN

from step_audio_2.checkpoint import read_json
from step_audio_2.errors import CheckpointError

# <|endoftext|>, <|im_end|> and <|EOT|>: where the original's configuration lets generation stop.
STOP_TOKENS = (151643, 151645, 151665)
PAD_TOKEN = 151643
# The last id that means something is <audio_6561>.
_LEAST_VOCABULARY = 158258
# 25 seconds, at two mel frames a position.
_LEAST_POSITIONS = 1251

# Far beyond what anybody trains; a configuration that asks for more would build for minutes, or without end.
_MOST_LAYERS, _MOST_WIDTH, _MOST_POSITIONS = 1_000, 1 << 20, 1 << 24
_AUDIO_SIZES = {
    "n_audio_ctx": (1, 100_000),
    "n_audio_state": (1, _MOST_WIDTH),
    "n_audio_head": (1, _MOST_WIDTH),
    "n_audio_layer": (1, _MOST_LAYERS),
    "llm_dim": (1, _MOST_WIDTH),
}
_TEXT_SIZES = {
    "vocab_size": (1, _MOST_POSITIONS),
    "hidden_size": (1, _MOST_WIDTH),
    "intermediate_size": (1, _MOST_WIDTH),
    "num_hidden_layers": (1, _MOST_LAYERS),
    "num_attention_heads": (1, _MOST_WIDTH),
    "num_key_value_heads": (1, _MOST_WIDTH),
    "max_position_embeddings": (1, _MOST_POSITIONS),
}
_AUDIO_FIELDS = (
    "n_mels",
    "n_audio_ctx",
    "n_audio_state",
    "n_audio_head",
    "n_audio_layer",
    "llm_dim",
    "kernel_size",
    "adapter_stride",
)
_TEXT_FIELDS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
    "hidden_act",
    "initializer_range",
    "eos_token_id",
    "pad_token_id",
)


class AudioEncoderConfig(PreTrainedConfig):
    """Sizes of the audio encoder and of the adaptor after it; the defaults are those of Step-Audio 2 mini."""

    model_type = "step_audio_2_audio_encoder"

    n_mels: int = 128
    n_audio_ctx: int = 1500
    n_audio_state: int = 1280
    n_audio_head: int = 20
    n_audio_layer: int = 32
    llm_dim: int = 3584
    kernel_size: int = 3
    adapter_stride: int = 2


class TextConfig(Qwen2Config):
    """Sizes of the language model, a Qwen2; the defaults are those of Step-Audio 2 mini.

    ``num_attention_groups`` is the original's second name of ``num_key_value_heads``.
    """

    model_type = "step_audio_2_text"

    vocab_size: int = 158720
    hidden_size: int = 3584
    intermediate_size: int = 18944
    num_hidden_layers: int = 28
    num_attention_heads: int = 28
    num_attention_groups: int | None = None
    num_key_value_heads: int | None = 4
    max_position_embeddings: int = 16384
    default_theta = 1_000_000.0


class StepAudio2Config(PreTrainedConfig):
    """What ``config.json`` of a Step-Audio 2 checkpoint says.

    Args:
        audio_encoder_config: an ``AudioEncoderConfig``, or a dict of some of its fields.
        text_config: a ``TextConfig``, or a dict of some of its fields.

    Raises:
        CheckpointError: a value is not one that the architecture works with, or two contradict each other.
    """

    model_type = "step_audio_2"
    sub_configs_defaults = {"audio_encoder_config": AudioEncoderConfig, "text_config": TextConfig}  # noqa: RUF012

    audio_encoder_config: Any = None
    text_config: Any = None

    def __post_init__(self, **further: Any) -> None:
        # The published file names classes of its own code, which is neither needed nor run.
        further.pop("auto_map", None)
        super().__post_init__(**further)
        _check(self.audio_encoder_config, self.text_config)

    def to_diff_dict(self) -> dict[str, Any]:
        """Return what ``save_pretrained`` writes: the published layout, whatever the library would leave out."""
        audio, text = self.audio_encoder_config, self.text_config
        rope = dict(text.rope_parameters)
        rope_theta = rope.pop("rope_theta")
        return {
            "architectures": ["StepAudio2ForCausalLM"],
            "model_type": self.model_type,
            "torch_dtype": None if self.dtype is None else str(self.dtype).removeprefix("torch."),
            "audio_encoder_config": {name: getattr(audio, name) for name in _AUDIO_FIELDS},
            "text_config": {name: getattr(text, name) for name in _TEXT_FIELDS}
            | {
                "num_attention_groups": text.num_key_value_heads,
                "rope_theta": rope_theta,
                "rope_scaling": None if rope.get("rope_type") == "default" else rope,
            },
        }


def read_configuration(folder: Path) -> StepAudio2Config:
    """Read the ``config.json`` of a checkpoint folder.

    Raises:
        CheckpointError: it is missing, or not one that the architecture works with.
    """
    content = read_json(folder / "config.json")
    try:
        config: StepAudio2Config = StepAudio2Config.from_dict(content)
    except (TypeError, ValueError, KeyError, AttributeError, StrictDataclassError) as error:
        raise CheckpointError(f"config.json: {' '.join(str(error).split())}") from error
    return config


def _check_sizes(section: str, config: Any, bounds: Mapping[str, tuple[int, int]]) -> None:
    for field, (least, most) in bounds.items():
        value = getattr(config, field)
        if not isinstance(value, int) or not least <= value <= most:
            raise CheckpointError(f"config.json: {section}.{field} is {value}; it must be from {least} to {most}")


def _check_numbers(text: Any) -> None:
    numbers = {"rms_norm_eps": text.rms_norm_eps, "rope_theta": text.rope_parameters.get("rope_theta")}
    for field, value in numbers.items():
        if not isinstance(value, int | float) or not 0 < value < math.inf:
            raise CheckpointError(f"config.json: text_config.{field} is {value}; it must be a number above 0")
    if text.hidden_act not in ACT2FN:
        raise CheckpointError(f"config.json: text_config.hidden_act is {text.hidden_act}, which is not known")


def _check(audio: Any, text: Any) -> None:
    """Compare what was read with what the code, the token table and the front end rely on."""
    _check_sizes("audio_encoder_config", audio, _AUDIO_SIZES)
    _check_sizes("text_config", text, _TEXT_SIZES)
    _check_numbers(text)
    if text.num_attention_groups not in (None, text.num_key_value_heads):
        raise CheckpointError(
            f"config.json: text_config.num_attention_groups is {text.num_attention_groups}, "
            f"but num_key_value_heads is {text.num_key_value_heads}; they mean the same"
        )
    wanted = (
        ("audio_encoder_config.n_mels", audio.n_mels, audio.n_mels == 128, "128, as the front end makes them"),
        ("audio_encoder_config.kernel_size", audio.kernel_size, audio.kernel_size == 3, "3, as tokens are counted"),
        ("audio_encoder_config.adapter_stride", audio.adapter_stride, audio.adapter_stride == 2, "2, likewise"),
        (
            "audio_encoder_config.n_audio_ctx",
            audio.n_audio_ctx,
            audio.n_audio_ctx >= _LEAST_POSITIONS,
            f"at least {_LEAST_POSITIONS}, for pieces of 25 seconds",
        ),
        (
            "audio_encoder_config.n_audio_state",
            audio.n_audio_state,
            audio.n_audio_state % audio.n_audio_head == 0,
            f"a multiple of n_audio_head, {audio.n_audio_head}",
        ),
        (
            "audio_encoder_config.llm_dim",
            audio.llm_dim,
            audio.llm_dim == text.hidden_size,
            f"text_config.hidden_size, {text.hidden_size}",
        ),
        (
            "text_config.num_key_value_heads",
            text.num_key_value_heads,
            text.num_attention_heads % text.num_key_value_heads == 0,
            f"a divisor of num_attention_heads, {text.num_attention_heads}",
        ),
        (
            "text_config.hidden_size",
            text.hidden_size,
            text.hidden_size % text.num_attention_heads == 0,
            f"a multiple of num_attention_heads, {text.num_attention_heads}",
        ),
        (
            "text_config.vocab_size",
            text.vocab_size,
            text.vocab_size >= _LEAST_VOCABULARY,
            f"at least {_LEAST_VOCABULARY}, to hold all audio codes",
        ),
    )
    for name, value, right, expected in wanted:
        if not right:
            raise CheckpointError(f"config.json: {name} is {value}; it must be {expected}")


# In place of one of the same name, should the library ever bring one.
AutoConfig.register(StepAudio2Config.model_type, StepAudio2Config, exist_ok=True)
