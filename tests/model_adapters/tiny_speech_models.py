"""Checkpoints with random weights of models that have an adapter of their own, saved by the library's own classes.

Their weights are scaled up so that what they write depends on what they hear.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.model_adapters.tiny_chat_models import byte_tokenizer

LETTERS = "etaoinshrdlu"
_ENCODER = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_kernel_size": 3,
    "subsampling_conv_channels": 4,
    "initializer_range": 0.5,
}


def _strengthen(model: Any, part: str, factor: float) -> None:
    """Scale up the projections of a part, without which a random one says the same token whatever it hears."""
    for name, weights in model.named_parameters():
        if part in name and "_proj" in name:
            weights.data *= factor


def _nemo_tokenizer(specials: Sequence[str]) -> Any:
    """Letters behind special tokens, with ``▁`` for a space as in SentencePiece."""
    import tokenizers
    import transformers

    symbols = ["<unk>", "<s>", "<pad>", "</s>", *specials, "▁", *LETTERS]
    inner = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            vocab={symbol: index for index, symbol in enumerate(symbols)}, merges=[], unk_token="<unk>"
        )
    )
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    inner.decoder = tokenizers.decoders.Metaspace()
    tokenizer = transformers.ParakeetTokenizer(
        tokenizer_object=inner, unk_token="<unk>", bos_token="<s>", pad_token="<pad>", eos_token="</s>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(specials)})
    return tokenizer


def save_parakeet(folder: Path, kind: str) -> Path:
    """A Parakeet with a decoder of kind ``ctc``, ``rnnt`` or ``tdt``."""
    import torch
    import transformers

    torch.manual_seed(1)
    tokenizer = _nemo_tokenizer([] if kind == "ctc" else ["<blank>"])
    if kind == "ctc":
        model = transformers.ParakeetForCTC(
            transformers.ParakeetCTCConfig(
                vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, encoder_config=_ENCODER
            )
        )
    else:
        blank = tokenizer.convert_tokens_to_ids("<blank>")
        config_class, model_class = {
            "rnnt": (transformers.ParakeetRNNTConfig, transformers.ParakeetForRNNT),
            "tdt": (transformers.ParakeetTDTConfig, transformers.ParakeetForTDT),
        }[kind]
        model = model_class(
            config_class(
                vocab_size=len(tokenizer),
                decoder_hidden_size=16,
                num_decoder_layers=1,
                max_symbols_per_step=3,
                pad_token_id=tokenizer.pad_token_id,
                blank_token_id=blank,
                encoder_config=_ENCODER,
            )
        )
        model.generation_config.decoder_start_token_id = blank
    processor = transformers.ParakeetProcessor(transformers.ParakeetFeatureExtractor(), tokenizer, decoder_type=kind)
    processor.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


# The form of the prompt of canary-1b-v2: context, then languages, punctuation and what is not wanted.
_CANARY_TEMPLATE = (
    "{% for part in messages[0].content if part.type == 'text' %}<|startofcontext|><|startoftranscript|>"
    "<|{{ part.source_language }}|><|{{ part.target_language }}|>"
    "<|{{ 'pnc' if part.punctuation else 'nopnc' }}|><|noitn|>{% endfor %}"
)


def save_canary(folder: Path) -> Path:
    """A Canary that has tokens for English, German and French."""
    import torch
    import transformers

    torch.manual_seed(1)
    prompt = ["startofcontext", "startoftranscript", "en", "de", "fr", "pnc", "nopnc", "noitn"]
    tokenizer = _nemo_tokenizer([f"<|{name}|>" for name in prompt])
    ids = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    config = transformers.CanaryConfig(
        vocab_size=len(tokenizer),
        decoder_start_token_id=tokenizer.convert_tokens_to_ids("<|startofcontext|>"),
        encoder_config={"model_type": "parakeet_encoder", **_ENCODER, "num_mel_bins": 128},
        decoder_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "max_position_embeddings": 128,
            "initializer_range": 0.5,
            **ids,
        },
        initializer_range=0.5,
        **ids,
    )
    model = transformers.CanaryForConditionalGeneration(config)
    extractor = transformers.ParakeetFeatureExtractor(feature_size=128)
    transformers.CanaryProcessor(extractor, tokenizer, chat_template=_CANARY_TEMPLATE).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def save_voxtral(folder: Path, *, version: str = "v7", samples_by_itself: bool = False) -> Path:
    """A Voxtral whose tokens are bytes behind the special ones, in a ``tekken.json`` of our own making.

    Args:
        folder: to write.
        version: of the tokenizer; Voxtral's own is v7.
        samples_by_itself: whether its own decoding settings would sample, as published ones may.
    """
    import torch
    import transformers
    from transformers.tokenization_mistral_common import MistralCommonBackend

    torch.manual_seed(1)
    folder.mkdir(parents=True, exist_ok=True)
    specials = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"]
    specials += ["[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]"]
    specials += ["[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"]
    specials += [f"<SPECIAL_{number}>" for number in range(20, 40)]
    specials[24], specials[25], specials[34] = "[AUDIO]", "[BEGIN_AUDIO]", "[TRANSCRIBE]"
    size = len(specials) + 256
    tekken = {
        "config": {
            "pattern": "[a-z]+|[^a-z]+",
            "num_vocab_tokens": 256,
            "default_vocab_size": size,
            "default_num_special_tokens": len(specials),
            "version": version,
        },
        "vocab": [
            {"rank": byte, "token_bytes": base64.b64encode(bytes([byte])).decode(), "token_str": None}
            for byte in range(256)
        ],
        "special_tokens": [
            {"rank": rank, "token_str": token, "is_control": True} for rank, token in enumerate(specials)
        ],
        "audio": {
            "sampling_rate": 16_000,
            "frame_rate": 12.5,
            "audio_encoding_config": {"num_mel_bins": 128, "hop_length": 160, "window_size": 400},
            "chunk_length_s": 30.0,
        },
    }
    (folder / "tekken.json").write_text(json.dumps(tekken))
    width = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "initializer_range": 0.5}
    config = transformers.VoxtralConfig(
        audio_config={**width, "intermediate_size": 32, "max_source_positions": 1500},
        text_config={
            **width,
            "model_type": "llama",
            "vocab_size": size,
            "intermediate_size": 32,
            "num_key_value_heads": 2,
            "head_dim": 4,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 11,
        },
        audio_token_id=24,
    )
    model = transformers.VoxtralForConditionalGeneration(config)
    _strengthen(model, "language_model", 4)
    if samples_by_itself:
        model.generation_config.update(do_sample=True, temperature=5.0, repetition_penalty=1.3)
    model.save_pretrained(folder)
    tokenizer = MistralCommonBackend.from_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor(feature_size=128)
    transformers.VoxtralProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


# Like that of Granite 3.3, it puts texts together and fails on a list of parts.
_GRANITE_TEMPLATE = (
    "{% for message in messages %}{{ '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] "
    "+ '<|end_of_text|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}"
)


def granite_tokenizer() -> Any:
    """Bytes, and the special tokens of Granite Speech."""
    roles = ["<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"]
    tokenizer = byte_tokenizer({"audio_token": "<|audio|>"}, special=roles)
    tokenizer.chat_template = _GRANITE_TEMPLATE
    return tokenizer


def granite_model(*, has_adapter: bool) -> Any:
    """A Granite Speech in memory; ``has_adapter`` is what its configuration says of an adapter for speech."""
    import torch
    import transformers

    torch.manual_seed(1)
    tokenizer = granite_tokenizer()
    text = {"model_type": "granite", "vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 32}
    text |= {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    text |= {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    projector = {"model_type": "blip_2_qformer", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.GraniteSpeechConfig(
        text_config=text,
        encoder_config={"num_layers": 1, "hidden_dim": 16, "num_heads": 2, "dim_head": 8, "output_dim": 8},
        projector_config={**projector, "intermediate_size": 32, "encoder_hidden_size": 16, "vocab_size": 8},
        audio_token_index=tokenizer.convert_tokens_to_ids("<|audio|>"),
        has_lora_adapter=has_adapter,
    )
    return transformers.GraniteSpeechForConditionalGeneration(config)


def save_granite(folder: Path) -> Path:
    """A Granite Speech without an adapter, as its configuration says; needs torchaudio."""
    import transformers

    extractor = transformers.GraniteSpeechFeatureExtractor()
    transformers.GraniteSpeechProcessor(extractor, granite_tokenizer()).save_pretrained(folder)
    granite_model(has_adapter=False).save_pretrained(folder)
    return folder
