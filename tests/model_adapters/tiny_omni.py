"""Whole checkpoints of Qwen2.5-Omni and Qwen3-Omni with random weights: what writes and what speaks."""

from pathlib import Path
from typing import Any

from tests.model_adapters.tiny_chat_models import (
    WINDOW,
    omni_tokenizer,
    qwen2_5_omni_thinker_config,
    qwen3_omni_thinker_config,
    save_omni_front_end,
)


def save_qwen2_5_omni(folder: Path) -> Path:
    """Qwen2.5-Omni, with the speakers Chelsie and Ethan in a ``spk_dict.pt`` beside its weights."""
    import torch
    import transformers

    torch.manual_seed(1)
    tokenizer = omni_tokenizer()
    thinker = qwen2_5_omni_thinker_config(tokenizer)
    width = thinker.text_config.hidden_size
    text = {name: tokenizer.convert_tokens_to_ids(f"<tts_{name}>") for name in ("pad", "bos", "eos")}
    talker = {
        "vocab_size": 32,
        "tts_codec_pad_token_id": 28,
        "tts_codec_start_token_id": 29,
        "tts_codec_end_token_id": 30,
        "tts_codec_mask_token_id": 31,
        "tts_text_start_token_id": text["bos"],
        "tts_text_end_token_id": text["eos"],
        "tts_text_pad_token_id": text["pad"],
        "audio_token_index": thinker.audio_token_index,
        "image_token_index": thinker.image_token_index,
        "video_token_index": thinker.video_token_index,
        "audio_start_token_id": thinker.audio_start_token_id,
        "audio_end_token_id": thinker.audio_end_token_id,
        "vision_start_token_id": thinker.vision_start_token_id,
        "vision_end_token_id": thinker.vision_end_token_id,
        "embedding_size": width,
        "hidden_size": width,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]},
        "initializer_range": 0.3,
    }
    dit = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 8,
        "emb_dim": 8,
        "num_embeds": 33,
        "mel_dim": 8,
        "enc_emb_dim": 8,
        "enc_dim": 8,
        "enc_channels": [8, 8, 8, 8, 24],
        "enc_kernel_sizes": [5, 3, 3, 3, 1],
        "enc_dilations": [1, 2, 3, 4, 1],
        "enc_attention_channels": 8,
        "enc_se_channels": 8,
        "look_ahead_layers": [0],
        "look_backward_layers": [0],
    }
    vocoder = {
        "mel_dim": 8,
        "upsample_initial_channel": 16,
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 3, 5]],
        "upsample_rates": [5, 3],
        "upsample_kernel_sizes": [11, 7],
    }
    config = transformers.Qwen2_5OmniConfig(
        thinker_config=thinker.to_dict(),
        talker_config=talker,
        token2wav_config={"dit_config": dit, "bigvgan_config": vocoder},
    )
    return _save(folder, transformers.Qwen2_5OmniForConditionalGeneration(config), tokenizer, 4 * WINDOW)


def save_qwen3_omni(folder: Path) -> Path:
    """Qwen3-Omni, whose configuration names the speakers Ethan and Chelsie in lower case."""
    import torch
    import transformers

    torch.manual_seed(1)
    tokenizer = omni_tokenizer()
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in ("system", "user", "assistant", "<|im_start|>")}
    text = {name: tokenizer.convert_tokens_to_ids(f"<tts_{name}>") for name in ("pad", "bos", "eos")}
    thinker = qwen3_omni_thinker_config(tokenizer).to_dict()
    size: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    size |= {"intermediate_size": 32, "initializer_range": 0.3}
    talker = {
        "text_config": {
            **size,
            "vocab_size": 1024 + 32,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "head_dim": 8,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]},
        },
        "code_predictor_config": {**size, "vocab_size": 32, "head_dim": 8, "num_code_groups": 2},
        "num_code_groups": 2,
        "thinker_hidden_size": thinker["text_config"]["hidden_size"],
        "accept_hidden_layer": 1,
        "codec_eos_token_id": 1030,
        "codec_nothink_id": 24,
        "codec_think_bos_id": 25,
        "codec_think_eos_id": 26,
        "codec_pad_id": 27,
        "codec_bos_id": 28,
        "audio_token_id": thinker["audio_token_id"],
        "image_token_id": thinker["image_token_id"],
        "video_token_id": thinker["video_token_id"],
        "vision_start_token_id": thinker["vision_start_token_id"],
        "audio_start_token_id": thinker["audio_start_token_id"],
        "speaker_id": {"ethan": 22, "chelsie": 23},
        "initializer_range": 0.3,
        "spatial_merge_size": 2,
    }
    codec = {
        "codebook_size": 32,
        "hidden_size": 16,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_quantizers": 2,
        "upsample_rates": [4, 3],
        "upsampling_ratios": [2],
        "decoder_dim": 16,
    }
    config = transformers.Qwen3OmniMoeConfig(
        thinker_config=thinker,
        talker_config=talker,
        code2wav_config=codec,
        initializer_range=0.3,
        im_start_token_id=ids["<|im_start|>"],
        im_end_token_id=tokenizer.eos_token_id,
        tts_pad_token_id=text["pad"],
        tts_bos_token_id=text["bos"],
        tts_eos_token_id=text["eos"],
        system_token_id=ids["system"],
        user_token_id=ids["user"],
        assistant_token_id=ids["assistant"],
    )
    model = transformers.Qwen3OmniMoeForConditionalGeneration(config)
    for name, weights in model.talker.named_parameters():
        if "experts" in name:  # which the library leaves as the memory happens to be
            torch.nn.init.normal_(weights, std=0.02)
    return _save(folder, model, tokenizer)


def _save(folder: Path, model: Any, tokenizer: Any, window: int | None = None) -> Path:
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    # So that what is said is loud enough for 16 bits.
    vocoder = model.token2wav.code2wav_bigvgan_model if hasattr(model, "token2wav") else model.code2wav
    (vocoder.conv_post if hasattr(model, "token2wav") else vocoder.decoder[-1].conv).weight.data *= 3000
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if hasattr(model, "speaker_map"):
        speakers = {
            name: {
                "bos_token": tokenizer.convert_tokens_to_ids("<tts_bos>"),
                "cond": torch.randn(1, 8),
                "ref_mel": torch.randn(1, 20, 8),
            }
            for name in ("Chelsie", "Ethan")
        }
        torch.save(speakers, folder / "spk_dict.pt")
    return save_omni_front_end(folder, **({} if window is None else {"chunk_length": window}))
