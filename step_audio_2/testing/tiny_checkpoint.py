"""A small checkpoint with random weights in the published form, to try things without the real one.

    python -m step_audio_2.testing.tiny_checkpoint FOLDER

Its answers mean nothing, but they depend on what it hears and reads, hold text and codes of speech, and mostly end by
themselves.
"""

import argparse
from pathlib import Path
from typing import Any

from step_audio_2.checkpoint import DEFAULT_VOICE, TOKEN2WAV
from step_audio_2.special_tokens import END_OF_TURN, FIRST_AUDIO_CODE, PAD, VOCABULARY_SIZE
from step_audio_2.testing.tiny_tokenizer import N_TEXT_TOKENS, write_tiny_tokenizer

TINY: dict[str, dict[str, Any]] = {
    "audio_encoder_config": {"n_audio_state": 32, "n_audio_head": 2, "n_audio_layer": 2, "llm_dim": 32},
    "text_config": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.3,
        "eos_token_id": PAD,
        "pad_token_id": PAD,
    },
}
"""Sizes of the tiny model; all others are those of mini."""
# Of the codes of speech, those that the tiny model speaks in.
_N_CODES = 512
# How much likelier than another token the end of a turn is, so that answers take a few dozen tokens.
_END_OF_TURN_WEIGHT = 2.5


def write_tiny_checkpoint(
    folder: str | Path, *, seed: int = 0, sizes: dict[str, dict[str, Any]] = TINY, shard_size: str = "5GB"
) -> Path:
    """Write a checkpoint of random weights with a small tokenizer, and what it speaks with: a voice and its synthesis.

    Args:
        folder: where to; made if it does not exist.
        seed: decides the weights.
        sizes: of the two parts, as in ``config.json``; what is left out is as in mini.
        shard_size: the most that a file of weights holds, such as ``10MB``.

    Returns:
        The folder.
    """
    import torch

    from step_audio_2.configuration import StepAudio2Config
    from step_audio_2.model import StepAudio2ForCausalLM
    from step_audio_2.testing.tiny_token2wav import write_tiny_token2wav

    folder = Path(folder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = StepAudio2ForCausalLM(StepAudio2Config(**sizes, dtype="float32"))
        with torch.no_grad():
            # Only what the small tokenizer can read is written.
            written = torch.zeros(VOCABULARY_SIZE, 1)
            written[:N_TEXT_TOKENS] = 1
            written[FIRST_AUDIO_CODE : FIRST_AUDIO_CODE + _N_CODES] = 1
            written[END_OF_TURN] = _END_OF_TURN_WEIGHT
            model.lm_head.weight.normal_().mul_(written)
            # Embeddings of audio as large as those of tokens, whatever the sizes.
            for linear in (model.adapter.linear1, model.adapter.linear2):
                linear.weight.normal_(std=linear.in_features**-0.5)
    model.save_pretrained(folder, max_shard_size=shard_size)
    write_tiny_tokenizer(folder)
    write_tiny_token2wav(folder / TOKEN2WAV, seed)
    _write_voice(folder / DEFAULT_VOICE)
    return folder


def _write_voice(path: Path) -> None:
    """Write two seconds of a humming voice, whose pitch and loudness rise and fall."""
    import numpy as np
    import soundfile

    rate = 24_000
    time = np.arange(2 * rate) / rate
    phase = 2 * np.pi * np.cumsum(180 + 40 * np.sin(2 * np.pi * 1.5 * time)) / rate
    hum = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 20))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.15 * hum * np.abs(np.sin(2 * np.pi * 2 * time)), rate)


def main() -> None:
    """Write a tiny checkpoint where the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(write_tiny_checkpoint(options.folder, seed=options.seed))


if __name__ == "__main__":
    main()
