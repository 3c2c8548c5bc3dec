"""A token2wav folder that is complete, and the many ways in which one can be incomplete."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from step_audio_2.errors import CheckpointError
from step_audio_2.speech.flow_matching import FlowMatching
from step_audio_2.speech.flow_yaml import read_flow_yaml
from step_audio_2.speech.token2wav import Token2Wav
from step_audio_2.speech.vocoder import HiFTVocoder
from step_audio_2.testing.tiny_token2wav import FLOW, write_tiny_token2wav


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_token2wav(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "token2wav")


def error(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        Token2Wav.from_pretrained(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_settings_are_those_written(original: Path) -> None:
    text = (original / "flow.yaml").read_text()
    assert text.startswith("flow: !new:cosyvoice2.flow.flow.CausalMaskedDiffWithXvec\n    input_size: 32\n")
    assert read_flow_yaml(original / "flow.yaml") == FLOW


def test_weights_are_loaded_from_the_published_names(original: Path) -> None:
    model = Token2Wav.from_pretrained(original)
    weights = torch.load(original / "hift.pt", weights_only=True)
    assert all(name.startswith("generator.") for name in weights)
    norm, direction = (weights[f"generator.conv_pre.parametrizations.weight.original{part}"] for part in (0, 1))
    folded = direction * norm / direction.norm(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(model.vocoder.conv_pre.weight, folded)
    assert torch.equal(
        model.flow.encoder_proj.weight, torch.load(original / "flow.pt", weights_only=True)["encoder_proj.weight"]
    )


def test_the_same_seed_writes_the_same_folder(original: Path, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    again, other = (write_tiny_token2wav(tmp_path / str(seed), seed) for seed in (0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    first, second, third = (load_file(path / "campplus.safetensors") for path in (original, again, other))
    assert torch.equal(first["head.conv1.weight"], second["head.conv1.weight"])
    assert not torch.equal(first["head.conv1.weight"], third["head.conv1.weight"])


def test_the_published_sizes() -> None:
    """As counted in the published model: 605 and 328 tensors."""
    fields = {
        **FLOW,
        "input_size": 512,
        "encoder": {
            **FLOW["encoder"],
            **{"input_size": 512, "output_size": 512, "num_blocks": 6, "num_up_blocks": 4},
            **{"attention_heads": 8, "linear_units": 2048},
        },
        "decoder": {
            "inference_cfg_rate": 0.7,
            "estimator": {
                **{"in_channels": 320, "out_channels": 80, "mlp_ratio": 4.0, "depth": 16},
                **{"num_heads": 8, "head_dim": 64, "hidden_size": 512},
            },
        },
    }
    with torch.device("meta"):
        vocoder = HiFTVocoder().state_dict()
    assert (len(vocoder), sum(tensor.numel() for tensor in vocoder.values())) == (328, 20_821_295)
    generator = torch.Generator
    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        patch.setattr(torch, "Generator", lambda: generator("cpu"))
        patch.setattr(torch, "randn", lambda *shape, generator: torch.empty(shape))
        flow = FlowMatching.from_config(fields).state_dict()
    assert (len(flow), sum(tensor.numel() for tensor in flow.values())) == (605, 155_802_352)


@pytest.mark.parametrize("name", ["flow.yaml", "flow.pt", "hift.pt"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert error(folder) == f"{folder / name}: no such file"


def test_missing_prompt_models_and_folder(folder: Path) -> None:
    (folder / "campplus.safetensors").unlink()
    assert error(folder) == f"{folder}: holds neither campplus.onnx nor campplus.safetensors"
    (folder / "speech_tokenizer_v2_25hz.safetensors").unlink()
    assert error(folder).startswith(f"{folder}: holds neither speech_tokenizer_v2_25hz.onnx nor")
    shutil.rmtree(folder)
    assert error(folder) == f"{folder}: no such folder"


CLASS = "!new:cosyvoice2.flow."
YAML_CHANGES = [
    ("CausalMaskedDiffWithXvec", "Other", f"flow must be !new:...CausalMaskedDiffWithXvec, not {CLASS}flow.Other"),
    (f"{CLASS}decoder_dit.DiT", "!!python/object/apply:os.system", "must be !new:...DiT, not a plain value"),
    (
        f"{CLASS}flow_matching.CausalConditionalCFM",
        "",
        "flow.decoder must be !new:...CausalConditionalCFM, not a plain",
    ),
    ("encoder: !new:", "encoder: !call:", "flow.encoder must be !new:...UpsampleConformerEncoderV2, not !call:"),
    ("input_size: 32\n    o", "input_size: !new:os.system {}\n    o", "must be a plain value, not !new:os"),
    ("input_size: 32\n    o", "input_size: !!python/name:os.system a\n    o", "could not determine a constructor"),
    ("input_size: 32\n    o", "input_size: 32\n    input_size: 32\n    o", "flow states a key twice"),
    ("input_size: 32\n    o", "input_size: [\n    o", "cannot be read (while parsing"),
    ("vocab_size: 6561", "vocab_size: !ref <codes>", "flow.vocab_size refers to <codes>, which is not a plain value"),
    ("    vocab_size: 6561\n", "", "flow lacks vocab_size"),
    ("vocab_size: 6561", "vocab_size: -1", "flow.vocab_size is -1; a positive whole number is wanted"),
    ("output_type", "output_types", "flow has fields that are not known: output_types"),
    ("key_bias: true", "key_bias: false", "flow.encoder.key_bias is False; only True is supported"),
    ("depth: 1", "depth: one", "flow.decoder.estimator.depth is 'one'; a positive whole number is wanted"),
    ("in_channels: 320", "in_channels: 240", "in_channels is 240; it must be 320, as 4 * flow.output_size is"),
    ("attention_heads: 2", "attention_heads: 3", "must be even and a multiple of attention_heads, 3"),
    ("flow: ", "flaw: ", "there is no key flow"),
]


@pytest.mark.parametrize(("old", "new", "problem"), YAML_CHANGES)
def test_wrong_settings(folder: Path, old: str, new: str, problem: str) -> None:
    path = folder / "flow.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    message = error(folder)
    assert message.startswith(f"{path}: ")
    assert problem in message


def test_settings_that_are_no_mapping(folder: Path) -> None:
    for text, problem in (
        ("", "the file must hold keys and values"),
        ("flow: !new:a.CausalMaskedDiffWithXvec 3", "flow must"),
    ):
        (folder / "flow.yaml").write_text(text)
        assert error(folder).startswith(f"{folder / 'flow.yaml'}: {problem}")


def test_a_reference_to_another_value(folder: Path) -> None:
    path = folder / "flow.yaml"
    path.write_text("codes: 6561\n" + path.read_text().replace("vocab_size: 6561", "vocab_size: !ref <codes>"))
    assert read_flow_yaml(path)["vocab_size"] == 6561


def change_weights(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    weights = torch.load(path, weights_only=True)
    change(weights)
    torch.save(weights, path)


FIRST_NORM = "generator.conv_pre.parametrizations.weight.original0"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("flow.pt", lambda weights: weights.pop("encoder_proj.bias"), "lacks encoder_proj.bias"),
        ("flow.pt", lambda weights: weights.clear(), "tensors, decoder.estimator.blocks.0"),
        ("flow.pt", lambda weights: weights.update(extra=torch.zeros(1)), "holds extra, which the model does not have"),
        (
            "flow.pt",
            lambda weights: weights.update({"encoder_proj.bias": torch.zeros(81)}),
            "encoder_proj.bias has the shape [81] where the model has [80]",
        ),
        ("flow.pt", lambda weights: weights.update(epoch=3), "must hold tensors by name and nothing else"),
        ("hift.pt", lambda weights: weights.pop(FIRST_NORM), "lacks conv_pre.parametrizations.weight.original0"),
        (
            "hift.pt",
            lambda weights: weights.update({FIRST_NORM: torch.zeros(32)}),
            "conv_pre.parametrizations.weight.original0 has the shape [32] where the model has [32, 1, 1]",
        ),
    ],
)
def test_weights_that_do_not_fit(
    folder: Path, name: str, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change_weights(folder / name, change)
    found = error(folder)
    assert found.startswith(f"{folder / name}: ")
    assert message in found


@pytest.mark.parametrize("name", ["flow.pt", "hift.pt", "speech_tokenizer_v2_25hz.safetensors", "campplus.safetensors"])
@pytest.mark.parametrize("part", [0, 0.5, 0.999])
def test_a_file_that_is_cut_short(folder: Path, name: str, part: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(part * len(content))])
    assert error(folder).startswith(f"{folder / name}: is ")


def test_a_file_that_would_run_something(folder: Path) -> None:
    torch.save({"weight": Path("anything")}, folder / "flow.pt")
    assert error(folder) == f"{folder / 'flow.pt'}: is damaged, or holds more than weights, which is not read"


def test_other_sizes_of_the_vocoder(folder: Path) -> None:
    path = folder / "hift.json"
    path.write_text("{")
    assert error(folder).startswith(f"{path}: Expecting property name")
    path.write_text(json.dumps({"width": 3}))
    assert error(folder).startswith(f"{path}: the vocoder's settings do not fit")
    path.unlink()
    assert "f0_predictor.condnet.0.bias has the shape [16] where the model has [512]" in error(folder)
