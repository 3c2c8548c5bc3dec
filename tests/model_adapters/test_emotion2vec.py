"""emotion2vec on FunASR, on a tiny checkpoint with random weights; what needs no FunASR comes last."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.errors import ConfigurationError
from evalkit.types import Request
from model_adapters.emotion2vec import Emotion2vec, _architecture
from tests.model_adapters.tiny_classifiers import save_emotion2vec


@pytest.fixture
def tiny_emotion2vec(tmp_path: Path) -> Path:
    pytest.importorskip("funasr", reason="FunASR is not installed")
    folder = tmp_path / "emotion2vec"
    folder.mkdir()
    return save_emotion2vec(folder)


def test_the_labels_in_use_get_probabilities_that_depend_on_the_recording_alone(
    tiny_emotion2vec: Path, noise_requests: list[Request]
) -> None:
    adapter = Emotion2vec(str(tiny_emotion2vec), device="cpu")
    together = [response.text for response in adapter.generate(noise_requests)]
    assert together == [adapter.generate([request])[0].text for request in noise_requests]
    assert len(set(together)) == len(together)
    for text in together:
        probabilities = json.loads(text)
        assert list(probabilities) == ["生气/angry", "开心/happy", "<unk>"]
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-6)


def test_nothing_is_printed_among_the_tables(
    tiny_emotion2vec: Path, noise_requests: list[Request], capsys: pytest.CaptureFixture[str]
) -> None:
    Emotion2vec(str(tiny_emotion2vec), device="cpu").generate(noise_requests[:1])
    assert capsys.readouterr().out == ""


def test_the_fingerprint_knows_which_labels_are_in_use(tiny_emotion2vec: Path) -> None:
    before = dict(Emotion2vec(str(tiny_emotion2vec), device="cpu").fingerprint())
    assert json.loads(json.dumps(before)) == before
    (tiny_emotion2vec / "tokens.txt").write_text("生气/angry\n其他/other\n开心/happy\n<unk>\n", encoding="utf-8")
    assert Emotion2vec(str(tiny_emotion2vec), device="cpu").fingerprint() != before


def test_weights_that_are_missing_are_not_made_up(tiny_emotion2vec: Path) -> None:
    import torch

    path = tiny_emotion2vec / "model.pt"
    saved = torch.load(path)
    del saved["model"]["d2v_model.proj.weight"]
    torch.save(saved, path)
    with pytest.raises(ConfigurationError, match=r"model\.pt: no trained weights for proj\.weight"):
        Emotion2vec(str(tiny_emotion2vec), device="cpu")


def test_weights_that_would_run_code_are_refused(tiny_emotion2vec: Path) -> None:
    import pickle

    class Surprise:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tiny_emotion2vec / "ran",))

    (tiny_emotion2vec / "model.pt").write_bytes(pickle.dumps({"model": Surprise()}))
    with pytest.raises(ConfigurationError, match="FunASR cannot load it"):
        Emotion2vec(str(tiny_emotion2vec), device="cpu")
    assert not (tiny_emotion2vec / "ran").exists()


def test_a_folder_must_hold_every_file(tiny_emotion2vec: Path) -> None:
    (tiny_emotion2vec / "tokens.txt").unlink()
    with pytest.raises(ConfigurationError, match=r"no tokens\.txt"):
        Emotion2vec(str(tiny_emotion2vec), device="cpu")


def test_a_configuration_that_would_run_code_is_refused(tmp_path: Path) -> None:
    spec = "[(16, 10, 10)] + ([].append(open('ran', 'w')) or [])"
    config = {"model": "Emotion2vec", "model_conf": {"modalities": {"audio": {"feature_encoder_spec": spec}}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="feature_encoder_spec must be a sum of lists of numbers"):
        _architecture(tmp_path)


def test_settings_beside_the_architecture_never_reach_the_library(tmp_path: Path) -> None:
    sizes = {"modalities": {"audio": {"feature_encoder_spec": "[(16, 10, 10)] * 2"}}}
    config = {"model": "Emotion2vec", "model_conf": sizes, "trust_remote_code": True, "remote_code": "x.py"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert _architecture(tmp_path) == {"model_conf": sizes, "scope_map": []}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "model: Paraformer\nmodel_conf: {modalities: {audio: {feature_encoder_spec: ''}}}",
            "the model is 'Paraformer'",
        ),
        ("model: Emotion2vec", "not the configuration of a FunASR model"),
        ("[", "not the configuration of a FunASR model"),
        ("- 1", "not the configuration of a FunASR model"),
    ],
)
def test_other_configurations_are_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"config\.yaml: {complaint}"):
        _architecture(tmp_path)


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.setitem(sys.modules, "funasr", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[emotion2vec\]'"):
        Emotion2vec("anywhere")
