"""UTMOS, on random weights in the layout of the published file."""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigurationError
from evalkit.types import Request
from model_adapters.transformers.utmos import Utmos
from tests.model_adapters.conftest import asking, noise
from tests.model_adapters.tiny_utmos import save_utmos


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    pytest.importorskip("transformers", reason="transformers is not installed")
    return save_utmos(tmp_path / "tiny.pt")


def test_scores_are_those_of_the_network_of_speechmos(weights: Path, tmp_path: Path) -> None:
    """The figures are what the network of SpeechMOS v1.2.0, cut to these sizes, says with these weights."""
    known = {1.3: -0.54105, 2.1: -0.78136, 0.7: -0.24133, 3.13: -0.92493}
    requests = [asking(noise(tmp_path / f"{seconds}.wav", seconds, seed=7)) for seconds in known]
    scores = [float(response.text) for response in Utmos(str(weights), device="cpu").generate(requests)]
    assert scores == pytest.approx(list(known.values()), abs=1e-3)


def test_a_score_depends_on_its_recording_alone(weights: Path, noise_requests: list[Request]) -> None:
    adapter = Utmos(str(weights), device="cpu")
    together = adapter.generate(noise_requests)
    assert together == [adapter.generate([request])[0] for request in noise_requests]
    assert len({response.text for response in together}) == len(noise_requests)


def test_weights_that_would_run_code_are_refused(tmp_path: Path) -> None:
    class Surprise:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "surprise.pt"
    path.write_bytes(pickle.dumps({"domain_emb": Surprise()}, protocol=2))
    with pytest.raises(ConfigurationError, match=r"surprise\.pt: does not hold the weights of utmos22_strong"):
        Utmos(str(path), device="cpu")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("missing", ["judge_emb", "wav2vec2.encoder.layers.1.fc1.bias", "blstm.weight_ih_l0_reverse"])
def test_incomplete_weights_are_refused(weights: Path, missing: str) -> None:
    import torch

    saved = torch.load(weights)
    del saved[missing]
    torch.save(saved, weights)
    with pytest.raises(ConfigurationError, match="does not hold the weights of utmos22_strong"):
        Utmos(str(weights), device="cpu")


def test_weights_of_another_kind_are_refused(weights: Path) -> None:
    import torch

    torch.save(torch.zeros(3), weights)
    with pytest.raises(ConfigurationError, match="does not hold the weights of utmos22_strong"):
        Utmos(str(weights), device="cpu")
    weights.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="does not hold the weights of utmos22_strong"):
        Utmos(str(weights), device="cpu")


def test_the_fingerprint_knows_the_weights(weights: Path) -> None:
    import torch

    fingerprint = dict(Utmos(str(weights), device="cpu").fingerprint())
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    saved = torch.load(weights)
    saved["projection.2.bias"] += 1
    torch.save(saved, weights)
    assert Utmos(str(weights), device="cpu").fingerprint() != fingerprint


def test_an_absent_file_and_absent_libraries_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    with pytest.raises(ConfigurationError, match="nowhere: no such file"):
        Utmos(str(tmp_path / "nowhere"))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[transformers\]'"):
        Utmos("anywhere")
