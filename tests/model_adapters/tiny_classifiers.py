"""Checkpoints of audio classifiers with random weights, small enough for a test, complete enough to be loaded."""

from pathlib import Path
from typing import Any

import yaml

from tests.model_adapters.tiny_checkpoints import WAV2VEC2

EMOTIONS = ("ang", "hap", "neu", "sad")


def save_wav2vec2_classifier(folder: Path, *, seed: int = 1, **settings: Any) -> Path:
    """A Wav2Vec 2.0 classifier of the kind whose answers change when a recording is padded (group normalisation)."""
    import torch
    import transformers

    torch.manual_seed(seed)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    config = transformers.Wav2Vec2Config(
        **WAV2VEC2,
        classifier_proj_size=8,
        id2label=dict(enumerate(EMOTIONS)),
        **settings,
    )
    transformers.Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    return folder


def save_wav2vec2_encoder(folder: Path) -> Path:
    """The same network before anybody trained a classifier on it."""
    import transformers

    save_wav2vec2_classifier(folder)
    transformers.Wav2Vec2ForSequenceClassification.from_pretrained(folder).wav2vec2.save_pretrained(folder)
    return folder


def save_spectrogram_transformer(folder: Path) -> Path:
    """An audio spectrogram transformer (AST) that hears a window of a second."""
    import torch
    import transformers

    torch.manual_seed(1)
    transformers.ASTFeatureExtractor(max_length=100, num_mel_bins=32).save_pretrained(folder)
    config = transformers.ASTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_length=100,
        num_mel_bins=32,
        initializer_range=1.0,
        id2label=dict(enumerate(EMOTIONS)),
    )
    transformers.ASTForAudioClassification(config).save_pretrained(folder)
    return folder


def save_emotion2vec(folder: Path) -> Path:
    """An emotion2vec+ checkpoint, as FunASR reads it: three labels in use and one that is not."""
    import torch
    from funasr.models.emotion2vec.model import Emotion2vec

    torch.manual_seed(1)
    sizes = _emotion2vec_sizes(width=16, heads=2)
    model = Emotion2vec(model_conf=sizes, vocab_size=4)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    # The names that the authors' own training gives to weights, which scope_map translates.
    torch.save({"model": {f"d2v_model.{key}": value for key, value in model.state_dict().items()}}, folder / "model.pt")
    (folder / "tokens.txt").write_text("生气/angry\nunuse_0\n开心/happy\n<unk>\n", encoding="utf-8")
    config = {"model": "Emotion2vec", "model_conf": sizes, "scope_map": ["d2v_model.", "none"]}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def _emotion2vec_sizes(width: int, heads: int) -> dict[str, Any]:
    """The settings of emotion2vec's ``model_conf`` that FunASR looks at when it is not training."""
    nothing = dict.fromkeys(
        ("start_drop_path_rate", "end_drop_path_rate", "encoder_dropout", "post_mlp_drop", "attention_dropout"), 0.0
    )
    rest = dict.fromkeys(("activation_dropout", "dropout_input", "layerdrop"), 0.0)
    audio = {
        "type": "AUDIO",
        "prenet_depth": 1,
        "prenet_layerdrop": 0.0,
        "prenet_dropout": 0.0,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "num_extra_tokens": 2,
        "init_extra_token_zero": True,
        "mask_noise_std": 0.01,
        "mask_prob": 0.5,
        "inverse_mask": False,
        "mask_prob_adjust": 0.05,
        "mask_length": 5,
        "encoder_zero_mask": True,
        "local_grad_mult": 1.0,
        "use_alibi_encoder": True,
        "alibi_scale": 1.0,
        "learned_alibi": False,
        "alibi_max_pos": None,
        "learned_alibi_scale": True,
        "learned_alibi_scale_per_head": True,
        "learned_alibi_scale_per_layer": False,
        "num_alibi_heads": heads,
        "model_depth": 1,
        "decoder": None,
        "extractor_mode": "layer_norm",
        "feature_encoder_spec": f"[({width}, 10, 10)] + [({width}, 8, 8)] * 2",
        "conv_pos_width": 9,
        "conv_pos_groups": 2,
        "conv_pos_depth": 2,
        "conv_pos_pre_ln": False,
    }
    return {
        **nothing,
        **rest,
        "depth": 1,
        "num_heads": heads,
        "norm_eps": 1e-5,
        "norm_affine": True,
        "embed_dim": width,
        "mlp_ratio": 2.0,
        "layer_norm_first": False,
        "average_top_k_layers": 1,
        "end_of_block_targets": False,
        "clone_batch": 1,
        "normalize": True,
        "modalities": {"audio": audio},
    }
