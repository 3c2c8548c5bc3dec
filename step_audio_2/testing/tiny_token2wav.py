"""A token2wav folder of random weights, laid out as the published one, to try things out and to test with.

What it says is noise, but everything that is done with a published folder can be done with it, in milliseconds.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from step_audio_2.speech import pretrained
from step_audio_2.speech.flow_matching import FlowMatching
from step_audio_2.speech.speaker_encoder import SpeakerEncoder, SpeakerEncoderConfig
from step_audio_2.speech.speech_tokenizer import SpeechTokenizer, SpeechTokenizerConfig
from step_audio_2.speech.vocoder import HiFTVocoder

FLOW: dict[str, Any] = {
    "input_size": 32,
    "output_size": 80,
    "spk_embed_dim": 192,
    "output_type": "mel",
    "vocab_size": 6561,
    "encoder": {
        "input_size": 32,
        "output_size": 32,
        "input_layer": "linear",
        "pre_lookahead_len": 3,
        "num_blocks": 1,
        "num_up_blocks": 1,
        "up_stride": 2,
        "up_scale_factor": 2,
        "attention_heads": 2,
        "pos_enc_layer_type": "rel_pos_espnet",
        "selfattention_layer_type": "rel_selfattn",
        "key_bias": True,
        "linear_units": 64,
        "dropout_rate": 0.1,
        "positional_dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "normalize_before": True,
    },
    "decoder": {
        "inference_cfg_rate": 0.7,
        "estimator": {
            "in_channels": 320,
            "out_channels": 80,
            "mlp_ratio": 2.0,
            "depth": 1,
            "num_heads": 2,
            "head_dim": 16,
            "hidden_size": 32,
        },
    },
}
VOCODER: dict[str, Any] = {"base_channels": 32, "f0_predictor": {"cond_channels": 16}}
TOKENIZER = SpeechTokenizerConfig(n_audio_state=32, n_audio_head=2, n_audio_layer=1)
SPEAKER = SpeakerEncoderConfig(growth_rate=4, bn_size=2, init_channels=16)

_TAGS = {
    "flow": "!new:cosyvoice2.flow.flow.CausalMaskedDiffWithXvec",
    "encoder": "!new:cosyvoice2.transformer.upsample_encoder_v2.UpsampleConformerEncoderV2",
    "decoder": "!new:cosyvoice2.flow.flow_matching.CausalConditionalCFM",
    "estimator": "!new:cosyvoice2.flow.decoder_dit.DiT",
}


def write_tiny_token2wav(folder: str | os.PathLike[str], seed: int = 0) -> Path:
    """Write a folder that ``Token2Wav.from_pretrained`` loads: about 1.5 MB.

    The speech tokenizer and the speaker model are safetensors files, for writing ONNX takes more than is needed here.

    Args:
        folder: made if it is not there.
        seed: of the weights.

    Returns:
        The folder.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors.torch import save_file

    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        flow, vocoder = FlowMatching.from_config(FLOW), HiFTVocoder.from_config(VOCODER)
        models: dict[str, tuple[Any, nn.Module]] = {
            pretrained.SPEECH_TOKENIZER: (TOKENIZER, SpeechTokenizer(TOKENIZER)),
            pretrained.SPEAKER_ENCODER: (SPEAKER, SpeakerEncoder(SPEAKER)),
        }
    (path / pretrained.FLOW_SETTINGS).write_text("\n".join(_yaml("flow", FLOW)) + "\n", encoding="utf-8")
    torch.save(flow.state_dict(), path / pretrained.FLOW_WEIGHTS)
    (path / pretrained.VOCODER_SETTINGS).write_text(json.dumps(VOCODER) + "\n", encoding="utf-8")
    torch.save(_prefixed(vocoder.state_dict()), path / pretrained.VOCODER_WEIGHTS)
    for name, (config, model) in models.items():
        metadata = {"config": json.dumps(dataclasses.asdict(config))}
        save_file(model.state_dict(), path / f"{name}.safetensors", metadata)
    return path


def _prefixed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {pretrained.VOCODER_PREFIX + name: tensor for name, tensor in weights.items()}


def _yaml(name: str, fields: dict[str, Any], indent: str = "") -> list[str]:
    """Render a mapping as the published file writes it, with the class to build as a tag."""
    lines = [f"{indent}{name}: {_TAGS[name]}"]
    for field, value in fields.items():
        if isinstance(value, dict):
            lines += _yaml(field, value, indent + "    ")
        else:
            lines.append(f"{indent}    {field}: {json.dumps(value)}")
    return lines
