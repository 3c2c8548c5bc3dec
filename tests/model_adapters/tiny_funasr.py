"""Checkpoints of FunASR with random weights, in the form of the published folders."""

import io
import json
from pathlib import Path
from typing import Any

import yaml

_FRONT_END = {
    "frontend": "WavFrontend",
    "frontend_conf": {
        "fs": 16_000,
        "window": "hamming",
        "n_mels": 80,
        "frame_length": 25,
        "frame_shift": 10,
        "lfr_m": 7,
        "lfr_n": 6,
        "dither": 1.0,
    },
}
_ENCODER: dict[str, Any] = {
    "output_size": 16,
    "attention_heads": 2,
    "linear_units": 16,
    "num_blocks": 2,
    "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1,
    "attention_dropout_rate": 0.1,
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "kernel_size": 11,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}
_LETTERS = "etaoinshrdlu"
_DECODER = {
    "attention_heads": 2,
    "linear_units": 16,
    "num_blocks": 1,
    "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1,
    "self_attention_dropout_rate": 0.1,
    "src_attention_dropout_rate": 0.1,
    "att_layer_num": 1,
    "kernel_size": 11,
    "sanm_shfit": 0,
}


def save_sensevoice(folder: Path) -> Path:
    """A SenseVoice whose ``configuration.json`` names its vocabulary, which has the tags of the real one."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    tags = ["<|zh|>", "<|en|>", "<|NEUTRAL|>", "<|HAPPY|>", "<|Speech|>", "<|woitn|>", "<|withitn|>"]
    vocabulary = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the cat sat on the mat", "and the dog ate it all"]),
        model_writer=vocabulary,
        vocab_size=40,
        user_defined_symbols=tags,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "chn_en.bpe.model").write_bytes(vocabulary.getvalue())
    roles = {"tokenizer_conf": {"bpemodel": "chn_en.bpe.model"}, "frontend_conf": {"cmvn_file": "am.mvn"}}
    meta = {"file_path_metas": {"init_param": "model.pt", "config": "config.yaml", **roles}}
    (folder / "configuration.json").write_text(json.dumps(meta))
    config = {
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": {**_ENCODER, "tp_blocks": 1},
        "model": "SenseVoiceSmall",
        "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
        **_FRONT_END,
    }
    pieces = sentencepiece.SentencePieceProcessor(model_proto=vocabulary.getvalue()).get_piece_size()
    return _save(folder, config, vocab_size=pieces)


def save_paraformer(folder: Path) -> Path:
    """A Paraformer whose files have their usual names."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = ["<blank>", "<s>", "</s>", *_LETTERS, "<unk>"]
    (folder / "tokens.json").write_text(json.dumps(tokens))
    (folder / "seg_dict").write_text("the t h e\n")
    config = {
        "model": "Paraformer",
        "model_conf": {"ctc_weight": 0.0, "length_normalized_loss": True, "predictor_bias": 1, "sampling_ratio": 0.75},
        "encoder": "SANMEncoder",
        "encoder_conf": _ENCODER,
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": _DECODER,
        "predictor": "CifPredictorV2",
        "predictor_conf": {"idim": 16, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        **_FRONT_END,
    }
    return _save(folder, config, vocab_size=len(tokens))


def save_vad(folder: Path, *, hears_speech: bool = True) -> Path:
    """A detector of speech that takes everything for speech, or else nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = {"input_dim": 400, "input_affine_dim": 8, "fsmn_layers": 1, "linear_dim": 8, "proj_dim": 8}
    encoder |= {"lorder": 20, "rorder": 0, "lstride": 1, "rstride": 0, "output_affine_dim": 8, "output_dim": 4}
    config = {
        "frontend": "WavFrontendOnline",
        "frontend_conf": {**_FRONT_END["frontend_conf"], "lfr_m": 5, "lfr_n": 1},  # type: ignore[dict-item]
        "model": "FsmnVADStreaming",
        "model_conf": {"sample_rate": 16_000, "max_single_segment_time": 60_000, "speech_noise_thres": -1.0},
        "encoder": "FSMN",
        "encoder_conf": encoder,
    }
    return _save(folder, config, silence=-5 if hears_speech else 5)


def _save(folder: Path, config: dict[str, Any], *, silence: float | None = None, **sizes: Any) -> Path:
    """Write ``config.yaml`` and the weights, of a detector so that silence has a fixed score against three others."""
    import torch
    from funasr.register import tables

    torch.manual_seed(4)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    parts = {
        name: value
        for name, value in config.items()
        if name != "model" and not name.startswith(("tokenizer", "frontend", "model"))
    }
    model = tables.model_classes[config["model"]](**config["model_conf"], **parts, input_size=560, **sizes)
    for weights in model.parameters():
        if weights.dim() > 1:
            weights.data.normal_(0, 0.5)
    if silence is not None:
        scores = model.encoder.out_linear2.linear
        scores.weight.data.zero_()
        scores.bias.data = torch.tensor([silence, 0.0, 0.0, 0.0])
    torch.save(model.state_dict(), folder / "model.pt")
    return folder
