"""Chat checkpoints with random weights in the real format, small enough for a test.

Their templates are short ones in the manner of the published ones, which cannot be had here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.types import Request
from model_adapters.transformers.conversation import model_inputs

if TYPE_CHECKING:
    from model_adapters.transformers.chat import TransformersChat

EOS, PAD = "<|im_end|>", "<|endoftext|>"
WINDOW = 2
"""Seconds of the windows of those checkpoints whose extractors cut at one."""

_HIDDEN = 32
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'audio' %}AUDIO{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save_qwen2_audio(folder: Path, **generation: Any) -> Path:
    """Qwen2-Audio; its processor brings a template of its own."""
    import transformers

    tokens = {"audio_token": "<|AUDIO|>", "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>"}
    tokenizer = byte_tokenizer(tokens)
    config = transformers.Qwen2AudioConfig(
        audio_config=_whisper_encoder(max_source_positions=50 * WINDOW),
        text_config={"model_type": "qwen2", **_llm(tokenizer)},
        audio_token_index=tokenizer.audio_token_id,
    )
    extractor = transformers.WhisperFeatureExtractor(feature_size=128, chunk_length=WINDOW)
    processor = transformers.Qwen2AudioProcessor(extractor, tokenizer)
    return _save(folder, transformers.Qwen2AudioForConditionalGeneration, config, processor, generation)


def save_qwen3_asr(folder: Path, **generation: Any) -> Path:
    """Qwen3-ASR."""
    import transformers

    tokens = {"audio_token": "<|audio_pad|>", "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>"}
    tokenizer = byte_tokenizer(tokens, ordinary=["<asr_text>"])
    config = transformers.Qwen3ASRConfig(
        audio_config={
            "num_mel_bins": 128,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "d_model": 16,
            "downsample_hidden_size": 8,
            "output_dim": _HIDDEN,
            "n_window": 50,
            "n_window_infer": 800,
        },
        text_config={"model_type": "qwen3", **_llm(tokenizer), "head_dim": 16},
        audio_token_id=tokenizer.audio_token_id,
    )
    template = _TEMPLATE.replace("AUDIO", "<|audio_start|><|audio_pad|><|audio_end|>")
    processor = transformers.Qwen3ASRProcessor(
        transformers.Qwen3ASRFeatureExtractor(feature_size=128), tokenizer, chat_template=template
    )
    return _save(folder, transformers.Qwen3ASRForConditionalGeneration, config, processor, generation)


def save_audio_flamingo_3(folder: Path, **generation: Any) -> Path:
    """Audio Flamingo 3, with two windows at most."""
    import transformers

    tokenizer = byte_tokenizer({"audio_token": "<sound>"})
    config = transformers.AudioFlamingo3Config(
        audio_config={
            "model_type": "audioflamingo3_encoder",
            "num_mel_bins": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "hidden_size": 16,
            "max_source_positions": 50 * WINDOW,
        },
        text_config={"model_type": "qwen2", **_llm(tokenizer)},
        audio_token_id=tokenizer.audio_token_id,
    )
    processor = transformers.AudioFlamingo3Processor(
        transformers.WhisperFeatureExtractor(feature_size=128, chunk_length=WINDOW),
        tokenizer,
        chat_template=_TEMPLATE.replace("AUDIO", "<sound>"),
        max_audio_len=2.5 * WINDOW,
    )
    return _save(folder, transformers.AudioFlamingo3ForConditionalGeneration, config, processor, generation)


def save_glm_asr(folder: Path, **generation: Any) -> Path:
    """GLM-ASR, with two windows at most."""
    import transformers

    tokenizer = byte_tokenizer({"audio_token": "<|pad|>"}, special=["<|begin_of_audio|>", "<|end_of_audio|>"])
    config = transformers.GlmAsrConfig(
        audio_config={
            "num_mel_bins": 128,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "hidden_size": 16,
            "intermediate_size": 64,
        },
        text_config={"model_type": "llama", **_llm(tokenizer)},
        audio_token_id=tokenizer.audio_token_id,
    )
    processor = transformers.GlmAsrProcessor(
        transformers.WhisperFeatureExtractor(feature_size=128, chunk_length=WINDOW),
        tokenizer,
        chat_template=_TEMPLATE.replace("AUDIO", "<|begin_of_audio|><|pad|><|end_of_audio|>"),
        max_audio_len=2.5 * WINDOW,
    )
    return _save(folder, transformers.GlmAsrForConditionalGeneration, config, processor, generation)


def save_qwen2_5_omni_thinker(folder: Path, **generation: Any) -> Path:
    """The part of Qwen2.5-Omni that writes; its checkpoints name no stop token."""
    import transformers

    tokenizer = omni_tokenizer()
    config = qwen2_5_omni_thinker_config(tokenizer)
    _save(folder, transformers.Qwen2_5OmniThinkerForConditionalGeneration, config, tokenizer, generation)
    return save_omni_front_end(folder, chunk_length=4 * WINDOW)


def qwen2_5_omni_thinker_config(tokenizer: Any) -> Any:
    """The configuration of the part that writes."""
    import transformers

    return transformers.Qwen2_5OmniThinkerConfig(
        audio_config={**_whisper_encoder(), "model_type": "qwen2_5_omni_audio_encoder", "output_dim": _HIDDEN},
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": _HIDDEN,
            "fullatt_block_indexes": [0],
        },
        text_config={**_llm(tokenizer), **_MROPE, "eos_token_id": None, "pad_token_id": None},
        audio_token_index=tokenizer.audio_token_id,
        image_token_index=tokenizer.image_token_id,
        video_token_index=tokenizer.video_token_id,
        audio_start_token_id=tokenizer.audio_bos_token_id,
        audio_end_token_id=tokenizer.audio_eos_token_id,
        vision_start_token_id=tokenizer.vision_bos_token_id,
        vision_end_token_id=tokenizer.vision_eos_token_id,
    )


def save_qwen3_omni_thinker(folder: Path, **generation: Any) -> Path:
    """The part of Qwen3-Omni that writes."""
    import transformers

    tokenizer = omni_tokenizer()
    config = qwen3_omni_thinker_config(tokenizer)
    _save(folder, transformers.Qwen3OmniMoeThinkerForConditionalGeneration, config, tokenizer, generation)
    return save_omni_front_end(folder)


def qwen3_omni_thinker_config(tokenizer: Any) -> Any:
    """The configuration of the part that writes."""
    import transformers

    return transformers.Qwen3OmniMoeThinkerConfig(
        audio_config={**_whisper_encoder(), "model_type": "qwen3_omni_moe_audio_encoder", "output_dim": _HIDDEN}
        | {"downsample_hidden_size": 8},
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": _HIDDEN,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        text_config={**_llm(tokenizer), **_MROPE, "moe_intermediate_size": 32, "num_experts": 4}
        | {"num_experts_per_tok": 2, "head_dim": 16},
        audio_token_id=tokenizer.audio_token_id,
        image_token_id=tokenizer.image_token_id,
        video_token_id=tokenizer.video_token_id,
        audio_start_token_id=tokenizer.audio_bos_token_id,
        audio_end_token_id=tokenizer.audio_eos_token_id,
        vision_start_token_id=tokenizer.vision_bos_token_id,
        vision_end_token_id=tokenizer.vision_eos_token_id,
    )


def save_omni_front_end(folder: Path, **settings: Any) -> Path:
    """The files of an Omni's processor as they are published, written without the parts that deal with pictures."""
    import transformers

    transformers.WhisperFeatureExtractor(feature_size=128, **settings).save_pretrained(folder)
    template = _TEMPLATE.replace("AUDIO", "<|audio_bos|><|AUDIO|><|audio_eos|>")
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    return folder


def omni_tokenizer() -> Any:
    """Bytes, the tokens that an Omni's processor looks for by name, and the roles, which are tokens too."""
    return byte_tokenizer(_OMNI_TOKENS, special=["system", "user", "assistant", "<tts_pad>", "<tts_bos>", "<tts_eos>"])


def save_gemma_4(folder: Path, **generation: Any) -> Path:
    """Gemma 4."""
    import transformers

    tokenizer = byte_tokenizer(_GEMMA_TOKENS, bos_token="<bos>")
    text = {
        **_llm(tokenizer),
        "head_dim": 16,
        "global_head_dim": 16,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": len(tokenizer) + 1,
        "vocab_size": len(tokenizer) + 1,
        "layer_types": ["sliding_attention", "full_attention"],
        "bos_token_id": tokenizer.bos_token_id,
    }
    config = transformers.Gemma4Config(
        text_config=text,
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
        },
        audio_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "subsampling_conv_channels": [128, 8],
            "output_proj_dims": 16,
        },
        boi_token_id=tokenizer.boi_token_id,
        eoi_token_id=tokenizer.eoi_token_id,
        image_token_id=tokenizer.image_token_id,
        boa_token_id=tokenizer.boa_token_id,
        eoa_token_id=tokenizer.eoa_token_id,
        audio_token_id=tokenizer.audio_token_id,
        video_token_id=len(tokenizer),
    )
    processor = transformers.Gemma4Processor(
        transformers.Gemma4AudioFeatureExtractor(),
        transformers.Gemma4ImageProcessor(),
        tokenizer,
        transformers.Gemma4VideoProcessor(),
        chat_template="{{ bos_token }}" + _TEMPLATE.replace("AUDIO", "<audio_soft_token>"),
    )
    return _save(folder, transformers.Gemma4ForConditionalGeneration, config, processor, generation)


def save_gemma_3n(folder: Path, **generation: Any) -> Path:
    """Gemma 3n, with the smallest vision tower that timm has for it."""
    import transformers

    tokenizer = byte_tokenizer(_GEMMA_TOKENS, bos_token="<bos>")
    words = len(tokenizer)
    text = {
        **_llm(tokenizer),
        "head_dim": 16,
        "vocab_size": words + 256,
        "vocab_size_per_layer_input": words,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 4,
        "num_kv_shared_layers": 0,
        "activation_sparsity_pattern": [0.0, 0.0],
        "layer_types": ["sliding_attention", "full_attention"],
        "bos_token_id": tokenizer.bos_token_id,
    }
    config = transformers.Gemma3nConfig(
        text_config=text,
        vision_config={"model_args": {"channel_multiplier": 0.1}, "vocab_offset": words},
        audio_config={
            "vocab_offset": words + 128,
            "hidden_size": 16,
            "conf_num_attention_heads": 2,
            "conf_num_hidden_layers": 1,
            "sscp_conv_channel_size": [8, 4],
        },
        boi_token_id=tokenizer.boi_token_id,
        eoi_token_id=tokenizer.eoi_token_id,
        image_token_id=tokenizer.image_token_id,
        boa_token_id=tokenizer.boa_token_id,
        eoa_token_id=tokenizer.eoa_token_id,
        audio_token_id=tokenizer.audio_token_id,
    )
    processor = transformers.Gemma3nProcessor(
        transformers.Gemma3nAudioFeatureExtractor(),
        transformers.SiglipImageProcessor(),
        tokenizer,
        chat_template="{{ bos_token }}" + _TEMPLATE.replace("AUDIO", "<audio_soft_token>"),
    )
    return _save(folder, transformers.Gemma3nForConditionalGeneration, config, processor, generation)


def save_phi_4_multimodal(folder: Path, **generation: Any) -> Path:
    """Phi-4-multimodal, whose processor loses its template when it is saved."""
    import transformers

    tokens = {"image_token": "<|image|>", "audio_token": "<|audio|>"}
    tokenizer = byte_tokenizer(tokens, special=["<|end|>", "<|user|>", "<|assistant|>"])
    tokenizer.chat_template = (
        "{% for message in messages %}<|{{ message['role'] }}|>{% for part in message['content'] %}"
        "{% if part['type'] == 'audio' %}<|audio|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|end|>"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    config = transformers.Phi4MultimodalConfig(
        **_llm(tokenizer),
        original_max_position_embeddings=4096,
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_token_id": tokenizer.image_token_id,
        },
        audio_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_blocks": 2,
            "num_attention_heads": 2,
            "ext_pw_out_channel": 16,
            "depthwise_separable_out_channel": 16,
            "nemo_conv_channels": 16,
            "audio_token_id": tokenizer.audio_token_id,
        },
    )
    processor = transformers.Phi4MultimodalProcessor(
        transformers.Phi4MultimodalImageProcessor(), transformers.Phi4MultimodalFeatureExtractor(), tokenizer
    )
    return _save(folder, transformers.Phi4MultimodalForCausalLM, config, processor, generation)


def save_fun_asr_nano(folder: Path, **generation: Any) -> Path:
    """Fun-ASR-Nano, with the parts of its structured request in the template."""
    import transformers

    tokenizer = byte_tokenizer({}, special=["<|object_ref_start|>"])
    config = transformers.FunAsrNanoConfig(
        audio_config={
            "hidden_size": 16,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_timestamp_prediction_layers": 1,
        },
        adaptor_config={
            "hidden_size": _HIDDEN,
            "num_attention_heads": 2,
            "intermediate_size": _HIDDEN // 4,
            "num_hidden_layers": 1,
            "projector_hidden_size": 32,
        },
        text_config={"model_type": "qwen3", **_llm(tokenizer), "head_dim": 16},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|object_ref_start|>"),
    )
    template = _TEMPLATE.replace("AUDIO", "<|object_ref_start|>").replace(
        "{% else %}", "{% elif part['type'] == 'language' %}语音转写成{{ part['language'] }}：{% else %}"
    )
    processor = transformers.FunAsrNanoProcessor(
        transformers.FunAsrNanoFeatureExtractor(), tokenizer, chat_template=template
    )
    return _save(folder, transformers.FunAsrNanoForConditionalGeneration, config, processor, generation)


_OMNI_TOKENS = {
    "image_token": "<|IMAGE|>",
    "audio_token": "<|AUDIO|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}
_GEMMA_TOKENS = {
    "image_token": "<image_soft_token>",
    "audio_token": "<audio_soft_token>",
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "boa_token": "<start_of_audio>",
    "eoa_token": "<end_of_audio>",
}
_MROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}}


def prompt_of(adapter: "TransformersChat", request: Request) -> str:
    """What the model is given, with one token of sound in place of all."""
    tokenizer, audio_token = adapter._processor.tokenizer, adapter._processor.audio_token
    ids = model_inputs(adapter._processor, adapter._family, [request])["input_ids"][0]
    text = tokenizer.decode(ids)
    while audio_token * 2 in text:
        text = text.replace(audio_token * 2, audio_token)
    return str(text)


BUILDERS: Mapping[str, Callable[..., Path]] = {
    "qwen2_audio": save_qwen2_audio,
    "qwen3_asr": save_qwen3_asr,
    "audio_flamingo_3": save_audio_flamingo_3,
    "glm_asr": save_glm_asr,
    "qwen2_5_omni": save_qwen2_5_omni_thinker,
    "qwen3_omni": save_qwen3_omni_thinker,
    "gemma_4": save_gemma_4,
    "gemma_3n": save_gemma_3n,
    "phi_4_multimodal": save_phi_4_multimodal,
    "fun_asr_nano": save_fun_asr_nano,
}
"""By family."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "gemma_4": ("torchvision",),
    "gemma_3n": ("timm",),
    "phi_4_multimodal": ("torchvision",),
    "fun_asr_nano": ("torchaudio",),
}
"""The optional libraries of those families that have any."""


def byte_tokenizer(
    named: Mapping[str, str], *, special: Sequence[str] = (), ordinary: Sequence[str] = (), **further: Any
) -> Any:
    """A tokenizer of bytes, with the tokens that a processor looks for by name and others."""
    import transformers
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    tokenizer = transformers.Qwen2Tokenizer(
        vocab={letter: index for index, letter in enumerate(bytes_to_unicode().values())},
        merges=[],
        eos_token=EOS,
        pad_token=PAD,
        unk_token=None,
        extra_special_tokens=dict(named),
        **further,
    )
    tokenizer.add_tokens(["<|im_start|>", *special], special_tokens=True)
    if ordinary:
        tokenizer.add_tokens(list(ordinary))
    return tokenizer


def _whisper_encoder(**changes: Any) -> dict[str, Any]:
    return {
        "model_type": "qwen2_audio_encoder",
        "num_mel_bins": 128,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "d_model": 16,
        **changes,
    }


def _llm(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": _HIDDEN,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 4096,
        "initializer_range": 0.5,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _save(folder: Path, model_class: Any, config: Any, processor: Any, generation: Mapping[str, Any]) -> Path:
    import torch

    torch.manual_seed(1)
    config.initializer_range = 0.3  # enough for answers to depend on what is heard
    model = model_class(config)
    for name, value in generation.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
