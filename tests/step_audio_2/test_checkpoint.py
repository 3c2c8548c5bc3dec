"""Loading and saving checkpoints: the published layout, and what is wrong with a damaged one."""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from step_audio_2.checkpoint import check_weights
from step_audio_2.configuration import StepAudio2Config
from step_audio_2.errors import CheckpointError
from step_audio_2.model import StepAudio2ForCausalLM
from step_audio_2.testing.tiny_checkpoint import write_tiny_checkpoint
from tests.evalkit.datasets.hub_server import hub

EXPECTED = {"a": (2, 3), "b": (4,), "c": (2,)}


def write_weights(folder: Path, **shapes: tuple[int, ...]) -> Path:
    save_file({name: torch.ones(shape) for name, shape in shapes.items()}, folder / "model.safetensors")
    return folder


def test_a_whole_folder_passes_and_may_hold_more(tmp_path: Path) -> None:
    check_weights(write_weights(tmp_path, **EXPECTED, d=(1,)), EXPECTED)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"a": (2, 3), "c": (2,)}, "lacks b$"),
        ({}, r"lacks 3 tensors, a, b, c$"),
        ({**EXPECTED, "a": (3, 2)}, r"tensor a has the shape \[3, 2\]; config.json makes it \[2, 3\]"),
    ],
)
def test_a_tensor_that_is_missing_or_of_another_shape_is_named(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        check_weights(write_weights(tmp_path, **shapes), EXPECTED)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def test_a_file_that_is_cut_short_is_named_with_its_first_incomplete_tensor(tmp_path: Path) -> None:
    write_weights(tmp_path, **EXPECTED)
    path = tmp_path / "model.safetensors"
    whole = path.stat().st_size
    header = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    # safetensors lays out tensors of one type by name: a takes 24 bytes, b 16, c 8.
    for size, tensor in ((whole - 1, "c"), (whole - 9, "b"), (header + 1, "a")):
        cut(path, size)
        with pytest.raises(CheckpointError, match=rf"cut short, {size} bytes of {whole}; tensor {tensor} is"):
            check_weights(tmp_path, EXPECTED)
    for size in (header - 1, 7, 0):
        cut(path, size)
        with pytest.raises(CheckpointError, match=r"model\.safetensors: is cut short within its header"):
            check_weights(tmp_path, EXPECTED)


@pytest.mark.parametrize("header", [b"[]", b"{", b'{"a": {}}', b'{"a": {"shape": [1], "data_offsets": []}}'])
def test_a_header_that_is_none_is_refused(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(CheckpointError, match="no readable safetensors header"):
        check_weights(tmp_path, EXPECTED)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("{", "index.json: cannot be read as JSON"),
        ("[]", "index.json: must hold a JSON object"),
        ("{}", "index.json: has no weight_map"),
        ('{"weight_map": {"a": "../model.safetensors"}}', r"names a file outside its folder, \.\./model"),
        ('{"weight_map": {"a": "1.safetensors"}}', r"1\.safetensors: no such file; a and others"),
    ],
)
def test_a_bad_index_is_named(tmp_path: Path, index: str, message: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=message):
        check_weights(tmp_path, EXPECTED)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="absent: no such folder"):
        StepAudio2ForCausalLM.from_pretrained(tmp_path / "absent")
    with pytest.raises(CheckpointError, match=r"config\.json: no such file"):
        StepAudio2ForCausalLM.from_pretrained(tmp_path)
    shutil.copy(config_of(tmp_path, lambda config: None), tmp_path / "config.json")
    with pytest.raises(CheckpointError, match=r"holds neither model\.safetensors nor"):
        StepAudio2ForCausalLM.from_pretrained(tmp_path)


def config_of(folder: Path, change: Callable[[Any], Any]) -> Path:
    """A configuration file in the published layout, with something changed."""
    config = {
        "architectures": ["StepAudio2ForCausalLM"],
        "auto_map": {"AutoConfig": "configuration_step_audio_2.StepAudio2Config"},
        "model_type": "step_audio_2",
        "torch_dtype": "bfloat16",
        "audio_encoder_config": {"n_codebook_size": 4096, "n_audio_state": 32, "n_audio_head": 2, "llm_dim": 32},
        "text_config": {
            "hidden_size": 32,
            "num_attention_heads": 4,
            "num_attention_groups": 2,
            "num_key_value_heads": 2,
            "vocab_size": 158720,
            "max_seq_len": 16384,
            "rope_theta": 1000000.0,
            "rope_scaling": None,
            "eos_token_id": 151643,
        },
    }
    change(config)
    path = folder / "changed.json"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    ("part", "name", "value", "message"),
    [
        ("audio_encoder_config", "n_mels", 80, "n_mels is 80; it must be 128"),
        ("audio_encoder_config", "kernel_size", 5, "kernel_size is 5; it must be 3"),
        ("audio_encoder_config", "adapter_stride", -1, "adapter_stride is -1; it must be 2"),
        ("audio_encoder_config", "n_audio_ctx", 1000, "n_audio_ctx is 1000; it must be at least 1251"),
        ("audio_encoder_config", "n_audio_head", 3, "n_audio_state is 32; it must be a multiple of n_audio_head, 3"),
        ("audio_encoder_config", "llm_dim", 64, "llm_dim is 64; it must be text_config.hidden_size, 32"),
        ("text_config", "vocab_size", 151936, "vocab_size is 151936; it must be at least 158258"),
        ("text_config", "num_attention_groups", 4, "num_attention_groups is 4, but num_key_value_heads is 2"),
        ("text_config", "num_hidden_layers", -1, "num_hidden_layers is -1; it must be from 1 to 1000"),
        ("text_config", "num_hidden_layers", 1001, "num_hidden_layers is 1001; it must be from 1 to 1000"),
        ("text_config", "num_hidden_layers", "28", "num_hidden_layers"),
        ("audio_encoder_config", "n_audio_layer", 10**6, "n_audio_layer is 1000000; it must be from 1 to 1000"),
        ("audio_encoder_config", "n_audio_head", 0, "n_audio_head is 0; it must be from 1 to"),
        ("text_config", "num_attention_heads", 5, "num_key_value_heads is 2; it must be a divisor of"),
        (
            "text_config",
            "num_attention_heads",
            64,
            "hidden_size is 32; it must be a multiple of num_attention_heads, 64",
        ),
        ("text_config", "rms_norm_eps", -1.0, "rms_norm_eps is -1.0; it must be a number above 0"),
        ("text_config", "rms_norm_eps", math.nan, "NaN is no JSON number"),
        ("text_config", "rope_theta", "x", "rope_theta is x; it must be a number above 0"),
        ("text_config", "rope_scaling", {"type": "yarn"}, "describes no model that can be built"),
        ("text_config", "rope_scaling", 5, "rope"),
        ("text_config", "hidden_act", "eval", "hidden_act is eval, which is not known"),
    ],
)
def test_a_configuration_that_the_code_cannot_follow_is_refused(
    tmp_path: Path, part: str, name: str, value: Any, message: str
) -> None:
    config_of(tmp_path, lambda config: config[part].update({name: value})).rename(tmp_path / "config.json")
    with pytest.raises(CheckpointError, match=rf"config\.json(: | ).*{message}"):
        StepAudio2ForCausalLM.from_pretrained(tmp_path)


def test_parts_of_a_checkpoint_are_put_together_again(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "parts", shard_size="10MB")
    parts = sorted(path.name for path in (tmp_path / "parts").glob("*.safetensors"))
    assert len(parts) > 2
    model = StepAudio2ForCausalLM.from_pretrained(tmp_path / "parts")
    stored: dict[str, torch.Tensor] = {}
    for name in parts:
        stored |= load_file(tmp_path / "parts" / name)
    loaded = model.state_dict()
    assert loaded.keys() == stored.keys()
    assert all(loaded[name].equal(tensor) for name, tensor in stored.items())
    (tmp_path / "parts" / parts[1]).unlink()
    with pytest.raises(CheckpointError, match=rf"{parts[1]}: no such file"):
        StepAudio2ForCausalLM.from_pretrained(tmp_path / "parts")


def test_what_is_saved_is_what_was_loaded_in_the_published_layout(golden_folder: Path, tmp_path: Path) -> None:
    StepAudio2ForCausalLM.from_pretrained(golden_folder).save_pretrained(tmp_path)
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (golden_folder, tmp_path))
    for part in ("audio_encoder_config", "text_config"):
        assert before[part].items() <= after[part].items()
    assert {**before, **{part: after[part] for part in ("audio_encoder_config", "text_config")}} == after
    one, other = (load_file(folder / "model.safetensors") for folder in (golden_folder, tmp_path))
    assert one.keys() == other.keys()
    assert all(one[name].equal(other[name]) for name in one)


def test_no_code_of_a_checkpoint_is_run(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint", symlinks=True)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    marker = tmp_path / "was_run"
    for name in ("evil.py", "custom_generate/generate.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"open({str(marker)!r}, 'w')")
    model = StepAudio2ForCausalLM.from_pretrained(folder)
    model.generate(torch.tensor([[1, 2]]), max_new_tokens=2)
    assert not marker.exists()


@pytest.mark.slow
def test_a_checkpoint_is_fetched_from_the_hub_without_its_code(tiny_checkpoint: Path, tmp_path: Path) -> None:
    files = {
        str(path.relative_to(tiny_checkpoint)): path.read_bytes()
        for path in tiny_checkpoint.rglob("*")
        if path.is_file()
    }
    further = {"modeling_step_audio_2.py": b"raise SystemExit", "README.md": b"card", "assets/other.wav": b"RIFF"}
    loading = (
        "from step_audio_2 import Assistant, Token2Wav; from step_audio_2.checkpoint import checkpoint_folder\n"
        "Assistant.from_pretrained('org/tiny')\n"
        "folder = checkpoint_folder('org/tiny')\n"
        "token2wav = Token2Wav.from_pretrained(folder / 'token2wav')\n"
        "print(token2wav.voice(folder / 'assets' / 'default_female.wav').prompt_token.shape)"
    )
    with hub("org/tiny", {**files, **further}, kind="models") as server:
        environment = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path)}
        command = [sys.executable, "-c", loading]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2_000:]
        assert set(server.fetched) == files.keys()
    # What was fetched is there without the hub, and what was not is told in one line.
    offline = {**environment, "HF_HUB_OFFLINE": "1"}
    assert subprocess.run(command, env=offline, capture_output=True, timeout=120).returncode == 0
    done = subprocess.run(
        [sys.executable, "-c", loading.replace("org/tiny", "org/absent")],
        env=offline,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "CheckpointError: org/absent: no such folder, and not to be had from the hub (" in done.stderr


def test_a_model_can_be_spread_over_devices_by_name(tiny_checkpoint: Path) -> None:
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    whole = StepAudio2ForCausalLM.from_pretrained(tiny_checkpoint)
    placed = StepAudio2ForCausalLM.from_pretrained(
        tiny_checkpoint, device_map={"encoder": "cpu", "adapter": "cpu", "model": "cpu", "lm_head": "cpu"}
    )
    ids = torch.tensor([[1, 2, 3]])
    assert placed(ids).logits.equal(whole(ids).logits)


def test_a_configuration_as_published_makes_the_published_sizes() -> None:
    """The counts are those of the original's classes, made with the same values."""
    config = StepAudio2Config.from_dict(
        {
            "architectures": ["StepAudio2ForCausalLM"],
            "auto_map": {"AutoModelForCausalLM": "modeling_step_audio_2.StepAudio2ForCausalLM"},
            "model_type": "step_audio_2",
            "torch_dtype": "bfloat16",
            "audio_encoder_config": {
                "n_mels": 128,
                "n_audio_ctx": 1500,
                "n_audio_state": 1280,
                "n_audio_head": 20,
                "n_audio_layer": 32,
                "n_codebook_size": 4096,
                "llm_dim": 3584,
                "kernel_size": 3,
                "adapter_stride": 2,
            },
            "text_config": {
                "model_type": "step_audio_2_text",
                "hidden_size": 3584,
                "intermediate_size": 18944,
                "num_hidden_layers": 28,
                "num_attention_heads": 28,
                "num_attention_groups": 4,
                "num_key_value_heads": 4,
                "vocab_size": 158720,
                "max_seq_len": 16384,
                "max_position_embeddings": 16384,
                "rms_norm_eps": 1e-06,
                "rope_theta": 1000000.0,
                "rope_scaling": None,
                "eos_token_id": 151643,
                "pad_token_id": 151643,
                "torch_dtype": "bfloat16",
            },
        }
    )
    with torch.device("meta"):
        model = StepAudio2ForCausalLM(config)
        default = StepAudio2ForCausalLM(StepAudio2Config())
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert sizes == {"model": 7_094_474_240, "lm_head": 568_852_480, "encoder": 636_968_960, "adapter": 14_883_584}
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert len(shapes) == 832
    assert shapes == {name: tensor.shape for name, tensor in default.state_dict().items()}
    assert model.model.config.rope_parameters["rope_theta"] == 1e6
