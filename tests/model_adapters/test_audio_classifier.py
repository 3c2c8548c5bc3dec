"""Audio classifiers of the library transformers, on tiny ones with random weights that are loaded like real ones."""

import json
import sys
from pathlib import Path

import pytest

from evalkit.errors import ConfigurationError
from evalkit.types import Request
from model_adapters.transformers.audio_classifier import AudioClassifier
from tests.model_adapters.conftest import asking, noise
from tests.model_adapters.tiny_checkpoints import save_wav2vec2
from tests.model_adapters.tiny_classifiers import (
    EMOTIONS,
    save_spectrogram_transformer,
    save_wav2vec2_classifier,
    save_wav2vec2_encoder,
)


@pytest.fixture(scope="module")
def tiny_wav2vec2_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_wav2vec2_classifier(tmp_path_factory.mktemp("wav2vec2-classifier"))


@pytest.fixture(scope="module")
def tiny_spectrogram_transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_spectrogram_transformer(tmp_path_factory.mktemp("ast"))


@pytest.fixture(scope="module", params=["tiny_wav2vec2_classifier", "tiny_spectrogram_transformer"])
def checkpoint(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def probabilities(adapter: AudioClassifier, *requests: Request) -> list[dict[str, float]]:
    return [json.loads(response.text) for response in adapter.generate(requests)]


def test_probabilities_sum_to_one_and_differ_between_recordings(
    checkpoint: Path, noise_requests: list[Request]
) -> None:
    heard = probabilities(AudioClassifier(str(checkpoint), device="cpu"), *noise_requests)
    for by_label in heard:
        assert tuple(by_label) == EMOTIONS
        assert sum(by_label.values()) == pytest.approx(1, abs=1e-6)
        assert all(0 <= value <= 1 for value in by_label.values())
    assert len({json.dumps(by_label) for by_label in heard}) == len(heard)


def test_a_batch_gives_what_each_recording_gives_alone(checkpoint: Path, noise_requests: list[Request]) -> None:
    adapter = AudioClassifier(str(checkpoint), device="cpu")
    together = probabilities(adapter, *noise_requests)
    for request, by_label in zip(noise_requests, together, strict=True):
        assert probabilities(adapter, request) == [pytest.approx(by_label, abs=1e-5)]
    assert adapter.generate([]) == []


def test_the_batches_would_change_answers_if_they_were_padded(
    tiny_wav2vec2_classifier: Path, noise_requests: list[Request]
) -> None:
    """Guards the test before: the tiny model does notice padding, so equal answers mean there was none."""
    import torch

    adapter = AudioClassifier(str(tiny_wav2vec2_classifier), device="cpu")
    waveforms = [request.audio[0].waveform(16_000) for request in noise_requests]
    inputs = adapter._extractor(waveforms, sampling_rate=16_000, padding=True, return_tensors="pt")
    with torch.inference_mode():
        padded = adapter._model(**inputs).logits.softmax(-1)
    unpadded = probabilities(adapter, noise_requests[2])[0]
    assert padded[2].tolist() != pytest.approx(list(unpadded.values()), abs=1e-3)


def test_probabilities_are_those_of_the_model_itself(
    tiny_wav2vec2_classifier: Path, noise_requests: list[Request]
) -> None:
    import torch
    import transformers

    model = transformers.AutoModelForAudioClassification.from_pretrained(tiny_wav2vec2_classifier).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tiny_wav2vec2_classifier)
    waveform = noise_requests[0].audio[0].waveform(16_000)
    with torch.inference_mode():
        logits = model(**extractor(waveform, sampling_rate=16_000, return_tensors="pt")).logits[0]
    expected = dict(zip(EMOTIONS, logits.softmax(-1).tolist(), strict=True))
    adapter = AudioClassifier(str(tiny_wav2vec2_classifier), device="cpu")
    assert probabilities(adapter, noise_requests[0]) == [pytest.approx(expected, abs=1e-6)]


def test_labels_are_called_what_the_benchmark_calls_them(
    tiny_wav2vec2_classifier: Path, noise_requests: list[Request]
) -> None:
    own = probabilities(AudioClassifier(str(tiny_wav2vec2_classifier), device="cpu"), noise_requests[0])[0]
    names = {"ang": "angry", "neu": "calm or sad", "sad": "calm or sad"}
    adapter = AudioClassifier(str(tiny_wav2vec2_classifier), device="cpu", labels=names)
    renamed = probabilities(adapter, noise_requests[0])[0]
    expected = {"angry": own["ang"], "hap": own["hap"], "calm or sad": own["neu"] + own["sad"]}
    assert renamed == pytest.approx(expected, abs=1e-6)


def test_a_label_that_the_checkpoint_does_not_have_is_refused(tiny_wav2vec2_classifier: Path) -> None:
    with pytest.raises(ConfigurationError, match="no label 'angry'; it has ang, hap, neu, sad"):
        AudioClassifier(str(tiny_wav2vec2_classifier), device="cpu", labels={"angry": "angry"})


def test_a_recogniser_and_an_untrained_classifier_are_refused(tmp_path: Path) -> None:
    untrained = save_wav2vec2_encoder(tmp_path / "encoder")
    with pytest.raises(ConfigurationError, match=r"no trained weights for classifier\.bias, classifier\.weight"):
        AudioClassifier(str(untrained), device="cpu")
    with pytest.raises(ConfigurationError, match="no trained weights for classifier"):
        AudioClassifier(str(save_wav2vec2(tmp_path / "recogniser")), device="cpu")


def test_classes_that_do_not_exclude_one_another_are_refused(tmp_path: Path) -> None:
    folder = save_wav2vec2_classifier(tmp_path, problem_type="multi_label_classification")
    with pytest.raises(ConfigurationError, match="problem_type is multi_label_classification"):
        AudioClassifier(str(folder), device="cpu")


def test_code_that_comes_with_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    folder = save_wav2vec2_classifier(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "remote"
    config["auto_map"] = {"AutoConfig": "remote.Remote", "AutoModelForAudioClassification": "remote.Remote"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "remote.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ConfigurationError, match="transformers cannot load it"):
        AudioClassifier(str(folder), device="cpu")
    assert not (tmp_path / "ran").exists()


def test_the_fingerprint_knows_weights_and_labels(tiny_wav2vec2_classifier: Path, tmp_path: Path) -> None:
    adapter = AudioClassifier(str(tiny_wav2vec2_classifier), device="cpu")
    fingerprint = dict(adapter.fingerprint())
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    other_names = AudioClassifier(str(tiny_wav2vec2_classifier), device="cpu", labels={"ang": "angry"})
    assert other_names.fingerprint() != fingerprint
    other_weights = save_wav2vec2_classifier(tmp_path, seed=2)
    assert AudioClassifier(str(other_weights), device="cpu").fingerprint()["weights"] != fingerprint["weights"]


def test_absent_weights_and_absent_libraries_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    with pytest.raises(ConfigurationError, match="nowhere: no such folder, nor a name on the Hugging Face hub"):
        AudioClassifier(str(tmp_path / "nowhere"), local_files_only=True)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[transformers\]'"):
        AudioClassifier("anywhere")


def test_real_emotional_speech_is_taken_as_it_comes(checkpoint: Path, shared_data: Path) -> None:
    """Of 48 and 22.05 kHz."""
    recordings = [sorted((shared_data / name / "audio").iterdir())[0] for name in ("ravdess", "emodb")]
    adapter = AudioClassifier(str(checkpoint), device="cpu")
    for by_label in probabilities(adapter, *map(asking, recordings)):
        assert sum(by_label.values()) == pytest.approx(1, abs=1e-6)


def test_a_window_is_all_that_a_spectrogram_transformer_hears(
    tiny_spectrogram_transformer: Path, tmp_path: Path
) -> None:
    import soundfile

    samples, rate = soundfile.read(noise(tmp_path / "long.wav", 3.0))
    soundfile.write(tmp_path / "cut.wav", samples[: 2 * rate], rate)
    adapter = AudioClassifier(str(tiny_spectrogram_transformer), device="cpu")
    whole, cut = probabilities(adapter, asking(tmp_path / "long.wav"), asking(tmp_path / "cut.wav"))
    assert whole == pytest.approx(cut, abs=1e-5)
