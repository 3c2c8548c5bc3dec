"""Transformers checkpoints with random weights, small enough for a test, complete enough to be loaded.

Whisper's weights are scaled up so that what it writes depends on what it hears.
"""

import json
from pathlib import Path

WINDOW_SECONDS = 4
_LETTERS = "etaoinshrdlu"
_MOST_TOKENS = 24


# The smallest Wav2Vec 2.0 whose random weights still tell recordings apart.
WAV2VEC2 = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 8, 8),
    "conv_stride": (10, 8, 4),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "initializer_range": 1.0,
}


def save_whisper(folder: Path, *, languages: tuple[str, ...] = ("en", "zh")) -> Path:
    """A Whisper checkpoint with a window of ``WINDOW_SECONDS``; with no languages, an English-only one."""
    import torch
    import transformers

    torch.manual_seed(1)
    tokenizer = transformers.WhisperTokenizer(vocab={letter: index for index, letter in enumerate(_LETTERS)}, merges=[])
    tasks = ["translate", "transcribe"]
    specials = ["endoftext", "startoftranscript", *languages, *tasks, "startofprev", "notimestamps"]
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<|{name}|>" for name in specials]})
    timestamps = [f"<|{0.02 * step:.2f}|>" for step in range(50 * WINDOW_SECONDS + 1)]
    tokenizer.add_tokens(timestamps)
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in specials}
    config = transformers.WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=50 * WINDOW_SECONDS,
        max_target_positions=_MOST_TOKENS + 8,
        init_std=0.5,
        pad_token_id=ids["endoftext"],
        bos_token_id=ids["endoftext"],
        eos_token_id=ids["endoftext"],
        decoder_start_token_id=ids["startoftranscript"],
        begin_suppress_tokens=None,
    )
    model = transformers.WhisperForConditionalGeneration(config)
    generation = model.generation_config
    generation._from_model_config = False  # or loading it again would drop what follows
    generation.max_length = _MOST_TOKENS
    generation.is_multilingual = bool(languages)
    generation.no_timestamps_token_id = ids["notimestamps"]
    generation.prev_sot_token_id = ids["startofprev"]
    generation.return_timestamps = False
    # A random model's timestamps need not move forward, and long-form decoding would never end.
    generation.suppress_tokens = tokenizer.convert_tokens_to_ids(timestamps)
    if languages:
        generation.lang_to_id = {f"<|{code}|>": ids[code] for code in languages}
        generation.task_to_id = {task: ids[task] for task in tasks}
    extractor = transformers.WhisperFeatureExtractor(chunk_length=WINDOW_SECONDS)
    transformers.WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def save_wav2vec2(folder: Path, *, trained_for_recognition: bool = True) -> Path:
    """A Wav2Vec 2.0 checkpoint of the kind whose answers change when a recording is padded (group normalisation)."""
    import torch
    import transformers

    torch.manual_seed(1)
    folder.mkdir(parents=True, exist_ok=True)
    symbols = ["<pad>", "<s>", "</s>", "<unk>", "|", *_LETTERS.upper()]
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({symbol: index for index, symbol in enumerate(symbols)}))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(vocabulary))
    extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False)
    transformers.Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)
    config = transformers.Wav2Vec2Config(
        vocab_size=len(symbols),
        **WAV2VEC2,
        num_codevectors_per_group=4,
        codevector_dim=8,
        proj_codevector_dim=8,
    )
    model_class = transformers.Wav2Vec2ForCTC if trained_for_recognition else transformers.Wav2Vec2ForPreTraining
    model_class(config).save_pretrained(folder)
    return folder


def save_vits(folder: Path, alphabet: str = " abcdefghijklmnopqrstuvwxyz'-012") -> Path:
    """A VITS checkpoint in the form of MMS-TTS, whose alphabet has neither the digits from 3 on nor Chinese."""
    import torch
    import transformers

    torch.manual_seed(1)
    symbols = ["<pad>", *alphabet, "<unk>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({symbol: index for index, symbol in enumerate(symbols)}), encoding="utf-8")
    transformers.VitsTokenizer(str(vocabulary), language="eng", phonemize=False).save_pretrained(folder)
    config = transformers.VitsConfig(
        vocab_size=len(symbols),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=16,
        flow_size=16,
        spectrogram_bins=9,
        duration_predictor_filter_channels=16,
        depth_separable_num_layers=1,
        duration_predictor_num_flows=1,
        prior_encoder_num_flows=1,
        prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1,
        upsample_initial_channel=16,
        upsample_rates=[8, 8],
        upsample_kernel_sizes=[16, 16],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
        wavenet_kernel_size=3,
    )
    transformers.VitsModel(config).save_pretrained(folder)
    return folder


def save_bark(folder: Path) -> Path:
    """A Bark checkpoint: three language models and a codec, with the numbers of codes that its code takes for given."""
    import torch
    import transformers

    torch.manual_seed(1)
    small = {"hidden_size": 16, "num_layers": 1, "num_heads": 2}
    fine = {"input_vocab_size": 1056, "output_vocab_size": 1056, "n_codes_total": 8, "n_codes_given": 1}
    config = transformers.BarkConfig(
        semantic_config={"input_vocab_size": 129_600, "output_vocab_size": 10_048, **small},
        coarse_acoustics_config={"input_vocab_size": 12_096, "output_vocab_size": 12_096, **small},
        fine_acoustics_config={**fine, **small},
        codec_config={"model_type": "encodec", "num_filters": 2, "hidden_size": 8, "codebook_dim": 8},
    )
    model = transformers.BarkModel(config)
    for layer in model.codec_model.quantizer.layers:
        layer.codebook.embed.normal_()  # untrained, all codes sound alike
    model.save_pretrained(folder)
    settings = {
        "model_type": "bark",
        "sample_rate": 24_000,
        "codebook_size": 1_024,
        "semantic_config": {"eos_token_id": 10_000, "max_new_tokens": 20, "do_sample": True},
        "coarse_acoustics_config": {"max_new_tokens": 20, "do_sample": True},
        "fine_acoustics_config": {"temperature": 0.5},
    }
    (folder / "generation_config.json").write_text(json.dumps(settings), encoding="utf-8")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
    transformers.BarkProcessor(tokenizer).save_pretrained(folder)
    return folder
