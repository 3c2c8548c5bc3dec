"""Random weights in the layout of the published file of UTMOS, a fraction of its size."""

from pathlib import Path

import numpy as np

_LAYERS = 2
_SHAPES: dict[str, tuple[int, ...]] = {
    "domain_emb": (1, 4),
    "judge_emb": (1, 3),
    "wav2vec2.mask_emb": (128,),
    "wav2vec2.feature_extractor.conv_layers.0.2.weight": (16,),
    "wav2vec2.feature_extractor.conv_layers.0.2.bias": (16,),
    **{
        f"wav2vec2.feature_extractor.conv_layers.{layer}.0.weight": (16, 16 if layer else 1, kernel)
        for layer, kernel in enumerate((10, 3, 3, 3, 3, 2, 2))
    },
    "wav2vec2.layer_norm.weight": (16,),
    "wav2vec2.layer_norm.bias": (16,),
    "wav2vec2.post_extract_proj.weight": (128, 16),
    "wav2vec2.post_extract_proj.bias": (128,),
    "wav2vec2.encoder.pos_conv.0.bias": (128,),
    "wav2vec2.encoder.pos_conv.0.weight_g": (1, 1, 128),
    "wav2vec2.encoder.pos_conv.0.weight_v": (128, 8, 128),
    "wav2vec2.encoder.layer_norm.weight": (128,),
    "wav2vec2.encoder.layer_norm.bias": (128,),
    **{
        f"wav2vec2.encoder.layers.{layer}.{name}.{kind}": (out, width) if kind == "weight" and width else (out,)
        for layer in range(_LAYERS)
        for name, out, width in (
            *((f"self_attn.{part}_proj", 128, 128) for part in ("q", "k", "v", "out")),
            ("self_attn_layer_norm", 128, 0),
            ("fc1", 32, 128),
            ("fc2", 128, 32),
            ("final_layer_norm", 128, 0),
        )
        for kind in ("weight", "bias")
    },
    **{
        f"blstm.{name}_l0{direction}": shape
        for direction in ("", "_reverse")
        for name, shape in (
            ("weight_ih", (32, 135)),
            ("weight_hh", (32, 8)),
            ("bias_ih", (32,)),
            ("bias_hh", (32,)),
        )
    },
    "projection.0.weight": (12, 16),
    "projection.0.bias": (12,),
    "projection.2.weight": (1, 12),
    "projection.2.bias": (1,),
}


def save_utmos(path: Path) -> Path:
    """The file, with the same weights on every machine."""
    import torch

    rng = np.random.default_rng(0)
    weights = {name: torch.from_numpy(rng.normal(0, 0.5, shape).astype("float32")) for name, shape in _SHAPES.items()}
    torch.save(weights, path)
    return path
