"""Checkpoints of the library transformers, on tiny ones with random weights that are loaded like real ones."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.errors import ConfigurationError
from evalkit.types import Request
from model_adapters.transformers.asr import TransformersAsr
from model_adapters.transformers.nemo import Parakeet
from tests.model_adapters.conftest import asking, cached_as_from_the_hub, noise
from tests.model_adapters.tiny_checkpoints import WINDOW_SECONDS, save_wav2vec2, save_whisper
from tests.model_adapters.tiny_speech_models import save_parakeet


def texts(adapter: TransformersAsr, *requests: Request) -> list[str]:
    return [response.text for response in adapter.generate(requests)]


@pytest.mark.slow
def test_a_mixed_batch_of_whisper_gives_what_each_recording_gives_alone(
    tiny_whisper: Path, noise_requests: list[Request], tmp_path: Path
) -> None:
    """Short and long, with and without a language hint, in one call."""
    adapter = TransformersAsr(str(tiny_whisper), device="cpu")
    long = [asking(noise(tmp_path / f"long-{seed}.wav", 9.3, seed=seed)) for seed in (20, 21)]
    hinted = [dataclasses.replace(request, language=code) for request in noise_requests[:2] for code in ("en", "zh")]
    requests = [long[0], *noise_requests, *hinted, long[1]]
    alone = [texts(adapter, request)[0] for request in requests]
    assert texts(adapter, *requests) == alone
    assert len(set(alone)) > len(alone) // 2


def test_recordings_longer_than_the_window_of_whisper_are_heard_to_the_end(tiny_whisper: Path, tmp_path: Path) -> None:
    adapter = TransformersAsr(str(tiny_whisper), device="cpu")
    samples, rate = soundfile.read(noise(tmp_path / "whole.wav", 2.5 * WINDOW_SECONDS))
    soundfile.write(tmp_path / "cut.wav", samples[: WINDOW_SECONDS * rate], rate)
    changed = samples.copy()
    changed[2 * WINDOW_SECONDS * rate :] = np.sin(np.arange(WINDOW_SECONDS * rate // 2) * 0.2)
    soundfile.write(tmp_path / "changed.wav", changed, rate)
    whole, cut, other_ending = texts(
        adapter, *(asking(tmp_path / f"{name}.wav", language="en") for name in ("whole", "cut", "changed"))
    )
    assert len(whole) > len(cut)
    assert whole != other_ending


def test_the_batches_of_a_ctc_model_would_change_its_answers_if_they_were_padded(
    tiny_wav2vec2: Path, noise_requests: list[Request]
) -> None:
    """Guards the test of conformance: the tiny model does notice padding, so equal answers mean there was none."""
    import torch

    adapter = TransformersAsr(str(tiny_wav2vec2), device="cpu")
    answers = texts(adapter, *noise_requests)
    waveforms = [request.audio[0].waveform(16_000) for request in noise_requests]
    inputs = adapter._processor(waveforms, sampling_rate=16_000, padding=True, return_tensors="pt")
    with torch.inference_mode():
        padded = adapter._processor.batch_decode(adapter._model(**inputs).logits.argmax(-1))
    assert padded[2][: len(answers[2])] != answers[2]


def test_double_letters_survive_ctc(
    tiny_wav2vec2: Path, noise_requests: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own decoding without special tokens leaves out the blank first, and writes L once."""
    import torch
    from transformers.modeling_outputs import CausalLMOutput

    adapter = TransformersAsr(str(tiny_wav2vec2), device="cpu")
    tokenizer = adapter._processor.tokenizer
    frames = tokenizer.convert_tokens_to_ids(["<s>", "L", "L", "<pad>", "L", "<unk>", "|", "|", "E", "<pad>", "</s>"])
    assert adapter._processor.batch_decode([frames], skip_special_tokens=True) != ["LL E"]
    logits = torch.nn.functional.one_hot(torch.tensor([frames]), len(tokenizer)).float()
    monkeypatch.setattr(adapter._model, "forward", lambda **_: CausalLMOutput(logits=logits))
    assert texts(adapter, noise_requests[0]) == ["LL E"]


def test_a_parakeet_of_the_kind_ctc_may_be_loaded_here_too(tmp_path: Path, noise_requests: list[Request]) -> None:
    """Its tokenizer knows nothing of CTC: only its processor merges repetitions."""
    folder = str(save_parakeet(tmp_path, "ctc"))
    own = Parakeet(folder, device="cpu").generate(noise_requests)
    assert TransformersAsr(folder, device="cpu").generate(noise_requests) == own


def test_a_language_without_a_token_is_transcribed_as_chinese(
    tiny_whisper: Path, noise_requests: list[Request]
) -> None:
    adapter = TransformersAsr(str(tiny_whisper), device="cpu")
    assert adapter.capabilities.languages == frozenset({"en", "zh", "yue", "wuu", "nan"})
    as_code = {
        code: texts(adapter, *(dataclasses.replace(request, language=code) for request in noise_requests))
        for code in ("en", "zh", "yue")
    }
    assert as_code["yue"] == as_code["zh"] != as_code["en"]


def test_an_english_only_whisper_takes_the_hint_of_its_language(
    tmp_path: Path,
    noise_requests: list[Request],
) -> None:
    adapter = TransformersAsr(str(save_whisper(tmp_path / "english", languages=())), device="cpu")
    assert adapter.capabilities.languages == frozenset({"en"})
    hinted = [dataclasses.replace(request, language="en") for request in noise_requests]
    assert texts(adapter, *hinted) == texts(adapter, *noise_requests)


def test_generation_settings_reach_the_decoder_and_the_fingerprint(
    tiny_whisper: Path, noise_requests: list[Request]
) -> None:
    plain = TransformersAsr(str(tiny_whisper), device="cpu")
    short = TransformersAsr(str(tiny_whisper), device="cpu", generation={"max_new_tokens": 3})
    assert all(len(text) <= 3 for text in texts(short, *noise_requests))
    assert any(len(text) > 3 for text in texts(plain, *noise_requests))
    assert plain.fingerprint() != short.fingerprint()


def test_the_fingerprint_follows_the_weights_and_not_their_place(tiny_wav2vec2: Path, tmp_path: Path) -> None:
    import safetensors.numpy

    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tiny_wav2vec2.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "README.md").write_text("notes")
    original = TransformersAsr(str(tiny_wav2vec2), device="cpu").fingerprint()
    assert TransformersAsr(str(copy), device="cpu").fingerprint() == original
    weights = safetensors.numpy.load_file(copy / "model.safetensors")
    weights["lm_head.bias"] += 1
    safetensors.numpy.save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert TransformersAsr(str(copy), device="cpu").fingerprint() != original


def test_a_checkpoint_of_the_hub_is_known_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it lies in the cache of the hub's client: the library does not say which commit it loaded."""
    import huggingface_hub

    folder = save_whisper(tmp_path / "models--own--whisper" / "snapshots" / ("a" * 40))
    cached_as_from_the_hub(tmp_path, "own/whisper", {"main": folder})
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    adapter = TransformersAsr("own/whisper", device="cpu", local_files_only=True)
    assert adapter.fingerprint()["weights"] == {"hub": "own/whisper", "commit": "a" * 40}


def test_a_checkpoint_that_was_not_trained_for_recognition_is_refused(tmp_path: Path) -> None:
    folder = save_wav2vec2(tmp_path / "pretrained", trained_for_recognition=False)
    with pytest.raises(ConfigurationError, match=r"pretrained: no trained weights for lm_head"):
        TransformersAsr(str(folder), device="cpu")


def test_a_model_that_wants_a_prompt_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "voxtral"}))
    with pytest.raises(ConfigurationError, match="type 'voxtral' is no recogniser that works without a prompt"):
        TransformersAsr(str(tmp_path), device="cpu")


def test_a_whisper_without_its_generation_settings_says_what_to_copy(tiny_whisper: Path, tmp_path: Path) -> None:
    for file in tiny_whisper.iterdir():
        if file.name != "generation_config.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ConfigurationError, match=r"generation_config\.json does not say which languages"):
        TransformersAsr(str(tmp_path), device="cpu")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "absent/checkpoint", "local_files_only": True}, "absent/checkpoint: transformers cannot load it"),
        ({"path": "/absent/checkpoint"}, "^/absent/checkpoint: no such folder, nor a name on the Hugging Face hub"),
        ({"path": "./absent"}, r"^\./absent: no such folder, nor a name on the Hugging Face hub"),
        ({"path": "runs/absent/checkpoint"}, "^runs/absent/checkpoint: no such folder, nor a name"),
        ({"dtype": "int8"}, "'int8' must be float32, float16 or bfloat16"),
        ({"device": "gpu"}, "transformers cannot load it: .*gpu"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(
    tiny_wav2vec2: Path, settings: dict[str, object], message: str
) -> None:
    arguments: dict[str, object] = {"path": str(tiny_wav2vec2), "device": "cpu"} | settings
    with pytest.raises(ConfigurationError, match=message) as raised:
        TransformersAsr(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    program = (
        "import sys; sys.modules['transformers'] = None\n"
        "from model_adapters.transformers.asr import TransformersAsr\n"
        "TransformersAsr('anything')"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert "ConfigurationError" in outcome.stderr
    assert "[transformers]'" in outcome.stderr


def test_whisper_says_that_a_recording_costs_a_window_and_its_own_length(
    tiny_whisper: Path, tiny_wav2vec2: Path, noise_requests: list[Request]
) -> None:
    whisper, ctc = (TransformersAsr(str(path), device="cpu") for path in (tiny_whisper, tiny_wav2vec2))
    for request in noise_requests:
        seconds = len(request.audio[0].waveform(16_000)) / 16_000
        assert whisper.cost(request) == pytest.approx(WINDOW_SECONDS + seconds)
        assert ctc.cost(request) == pytest.approx(seconds)


def test_without_a_gpu_nothing_is_told_of_its_memory(tiny_whisper: Path) -> None:
    adapter = TransformersAsr(str(tiny_whisper), device="cpu")
    adapter.release_memory()
    assert adapter.device_memory() is None
