"""Qwen2.5-Omni and Qwen3-Omni, written and spoken, on tiny whole checkpoints with random weights."""

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import configs
from evalkit.errors import ConfigurationError
from evalkit.testing import check_adapter
from evalkit.types import Request, Response
from model_adapters.transformers.omni import QwenOmni
from tests.model_adapters.conftest import cached_as_from_the_hub
from tests.model_adapters.tiny_chat_models import (
    save_qwen2_5_omni_thinker,
    save_qwen2_audio,
    save_qwen3_omni_thinker,
)
from tests.model_adapters.tiny_omni import save_qwen2_5_omni, save_qwen3_omni

pytest.importorskip("transformers", reason="transformers is not installed")

TALKERS: dict[str, dict[str, Any]] = {
    "qwen2_5_omni": {"max_new_tokens": 12, "eos_token_id": [28, 30]},  # as the tiny codec has them
    "qwen3_omni": {"max_new_tokens": 12},
}
BUILDERS: dict[str, Callable[[Path], Path]] = {"qwen2_5_omni": save_qwen2_5_omni, "qwen3_omni": save_qwen3_omni}
FAMILIES = tuple(BUILDERS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: save(tmp_path_factory.mktemp(family)) for family, save in BUILDERS.items()}


@pytest.fixture(scope="module")
def speaking(folders: dict[str, Path]) -> dict[str, QwenOmni]:
    return {family: speaker(family, folder) for family, folder in folders.items()}


def speaker(family: str, folder: Path, **settings: Any) -> QwenOmni:
    arguments: dict[str, Any] = {"device": "cpu", "speech": True, "max_new_tokens": 8, "talker": TALKERS[family]}
    return QwenOmni(str(folder), **arguments | settings)


def spoken(request: Request) -> Request:
    return dataclasses.replace(request, output="speech")


def sound(response: Response) -> np.ndarray[Any, Any]:
    assert response.speech is not None
    return response.speech.waveform(24_000)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_part_that_writes_is_the_same_with_and_without_the_part_that_speaks(
    folders: dict[str, Path], speaking: dict[str, QwenOmni], noise_requests: list[Request], family: str
) -> None:
    """It is loaded from the whole checkpoint; and stop tokens are named, of which such a folder has none."""
    silent = QwenOmni(str(folders[family]), device="cpu", max_new_tokens=8)
    assert not silent.capabilities.speech_output
    check_adapter(silent, noise_requests)
    assert silent.generate(noise_requests) == speaking[family].generate(noise_requests)
    assert silent._model.generation_config.eos_token_id, "a thinker alone has none"
    assert sum(weights.numel() for weights in silent._model.parameters()) < sum(
        weights.numel() for weights in speaking[family]._whole.parameters()
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_text_and_speech_of_an_answer_belong_together_and_to_its_question_alone(
    speaking: dict[str, QwenOmni], noise_requests: list[Request], family: str
) -> None:
    """One question at a time, with a seed of its own: what speaks draws at random."""
    adapter = speaking[family]
    assert adapter.capabilities.speech_output
    requests = [spoken(request) for request in noise_requests[:2]]
    together = adapter.generate([*requests, noise_requests[0]])
    alone = [adapter.generate([request])[0] for request in reversed(requests)][::-1]
    for one, other in zip(together, alone, strict=False):
        assert one.text == other.text
        assert np.array_equal(sound(one), sound(other))
        assert np.abs(sound(one)).max() > 0.01
    assert [answer.text for answer in alone] == [answer.text for answer in adapter.generate(noise_requests[:2])]
    assert len({sound(answer).tobytes() for answer in alone}) == 2
    assert together[2].speech is None, "what is to be written is not spoken"


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_settings_of_the_answer_and_of_its_speech_reach_the_parts_that_they_are_for(
    speaking: dict[str, QwenOmni], folders: dict[str, Path], noise_requests: list[Request], family: str
) -> None:
    """Under its plain name the library ignores max_new_tokens."""
    adapter, asked = speaking[family], spoken(noise_requests[1])
    request = dataclasses.replace(asked, generation={"max_new_tokens": 3})
    (short,), (usual,) = adapter.generate([request]), adapter.generate([asked])
    assert short.usage is not None
    assert short.usage.output_tokens <= 3
    assert short.finish_reason == "length"
    brief, long = (
        speaker(family, folders[family], talker={**TALKERS[family], "min_new_tokens": count, "max_new_tokens": count})
        for count in (4, 12)
    )
    assert len(sound(brief.generate([asked])[0])) < len(sound(long.generate([asked])[0]))
    other_seed = speaker(family, folders[family], seed=1).generate([asked])[0]
    assert other_seed.text == usual.text
    assert not np.array_equal(sound(other_seed), sound(usual))
    fingerprints = [one.fingerprint() for one in (adapter, brief, speaker(family, folders[family], seed=1))]
    assert fingerprints[0] != fingerprints[1] != fingerprints[2]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_the_speaker_is_heard_and_an_unknown_one_is_refused_at_once(
    folders: dict[str, Path], speaking: dict[str, QwenOmni], noise_requests: list[Request], family: str
) -> None:
    """The library would refuse it at the first question, and Qwen2.5-Omni in writing too."""
    ethan = speaker(family, folders[family], speaker="Ethan")
    requests = [spoken(request) for request in noise_requests]
    pairs = zip(ethan.generate(requests), speaking[family].generate(requests), strict=True)
    assert any(not np.array_equal(sound(one), sound(other)) for one, other in pairs)
    assert ethan.fingerprint() != speaking[family].fingerprint()
    with pytest.raises(ConfigurationError, match=r"has no speaker 'Etan', did you mean '[Ee]than'\?; it has "):
        speaker(family, folders[family], speaker="Etan")


def test_speech_is_made_in_full_precision_where_the_rest_is_not(
    folders: dict[str, Path], noise_requests: list[Request]
) -> None:
    """As Qwen2.5-Omni's own way of loading has it, which is not used here; Qwen3-Omni's has nothing of the kind."""
    adapter = speaker("qwen2_5_omni", folders["qwen2_5_omni"], dtype="bfloat16")
    dtypes = {part: str(next(getattr(adapter._whole, part).parameters()).dtype) for part in ("talker", "token2wav")}
    assert dtypes == {"talker": "torch.bfloat16", "token2wav": "torch.float32"}
    (response,) = adapter.generate([spoken(noise_requests[0])])
    assert response.speech is not None
    assert response.speech.read_mono()[1] == 24_000
    assert np.abs(sound(response)).max() > 0.01


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("qwen2_5_omni_7b", "Qwen2_5OmniForConditionalGeneration"),
        ("qwen3_omni_30b", "Qwen3OmniMoeForConditionalGeneration"),
    ],
)
def test_the_configurations_decode_speech_as_the_library_does(name: str, library: str) -> None:
    import transformers

    settings = yaml.safe_load((Path(next(iter(configs.__path__))) / "model" / f"{name}.yaml").read_text("utf-8"))
    defaults = inspect.signature(getattr(transformers, library).generate).parameters
    assert settings["talker"] == {setting: defaults[f"talker_{setting}"].default for setting in settings["talker"]}
    assert settings["speaker"] == defaults["speaker"].default


def test_the_librarys_own_way_to_turn_speech_off_is_broken(speaking: dict[str, QwenOmni], tmp_path: Path) -> None:
    """Why written answers come from the part that writes, and never from the whole."""
    import copy

    import torch

    whole = copy.deepcopy(speaking["qwen2_5_omni"]._whole)
    whole.disable_talker()
    with pytest.raises(AttributeError, match="talker"):
        whole.generate(input_ids=torch.tensor([[1, 2]]), generation_mode="text")


@pytest.mark.slow
def test_weights_speakers_and_the_part_that_speaks_must_be_there(tmp_path: Path) -> None:
    import json

    import safetensors.torch

    folder = save_qwen2_5_omni(tmp_path / "omni")
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    missing = next(name for name in weights if name.startswith("talker."))
    kept = {name: tensor for name, tensor in weights.items() if name != missing}
    safetensors.torch.save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigurationError, match=rf"no trained weights for {missing}"):
        speaker("qwen2_5_omni", folder)
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "spk_dict.pt").unlink()
    with pytest.raises(ConfigurationError, match=r"no spk_dict\.pt, in which its speakers lie"):
        speaker("qwen2_5_omni", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "enable_audio_output": False}))
    with pytest.raises(ConfigurationError, match="has no part that speaks"):
        speaker("qwen2_5_omni", folder)
    with pytest.raises(ConfigurationError, match=r"not a checkpoint of Qwen2\.5-Omni or Qwen3-Omni"):
        speaker("qwen2_5_omni", save_qwen2_audio(tmp_path / "other"))


@pytest.mark.slow
def test_speakers_are_those_of_the_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes them in their newest version. In a cache as that of the hub, with two commits."""
    import shutil

    import huggingface_hub
    import torch

    repository = tmp_path / "models--own--omni"
    newest = save_qwen2_5_omni(repository / "snapshots" / ("a" * 40))
    older = shutil.copytree(newest, repository / "snapshots" / ("b" * 40))
    speakers = torch.load(older / "spk_dict.pt", weights_only=True)
    torch.save({"Aiden": speakers["Ethan"]}, older / "spk_dict.pt")
    cached_as_from_the_hub(tmp_path, "own/omni", {"main": newest, "older": older})
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    hub: dict[str, Any] = {"device": "cpu", "speech": True, "local_files_only": True}
    adapter = QwenOmni("own/omni", speaker="Aiden", revision="older", **hub)
    assert adapter.fingerprint()["weights"] == {"hub": "own/omni", "commit": "b" * 40}
    with pytest.raises(ConfigurationError, match="own/omni: has no speaker 'Aiden'; it has Chelsie, Ethan"):
        QwenOmni("own/omni", speaker="Aiden", **hub)


@pytest.mark.parametrize("save", [save_qwen2_5_omni_thinker, save_qwen3_omni_thinker])
def test_the_part_that_writes_is_not_filled_up_with_a_random_voice(
    save: Callable[[Path], Path], tmp_path: Path
) -> None:
    """The library would make the rest in the published size."""
    folder = save(tmp_path)
    with pytest.raises(ConfigurationError, match=r"is the part that writes alone; with model\.speech=false"):
        QwenOmni(str(folder), device="cpu", speech=True)
    assert not QwenOmni(str(folder), device="cpu").capabilities.speech_output


def test_speakers_that_would_run_code_are_refused(tmp_path: Path) -> None:
    import pickle

    class Surprise:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    folder = save_qwen2_5_omni(tmp_path / "omni")
    (folder / "spk_dict.pt").write_bytes(pickle.dumps({"Chelsie": Surprise()}))
    with pytest.raises(ConfigurationError, match=r"spk_dict\.pt: not the speakers of Qwen2\.5-Omni"):
        speaker("qwen2_5_omni", folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("family", "processor"), [("qwen2_5_omni", "Qwen2_5OmniProcessor"), ("qwen3_omni", "Qwen3OmniMoeProcessor")]
)
def test_inputs_are_those_of_the_checkpoints_own_processor(
    speaking: dict[str, QwenOmni], noise_requests: list[Request], family: str, processor: str
) -> None:
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    import torch
    import transformers

    sound_alone = speaking[family]._processor
    own = getattr(transformers, processor)(
        transformers.Qwen2VLImageProcessor(),
        transformers.Qwen2VLVideoProcessor(),
        sound_alone.feature_extractor,
        sound_alone.tokenizer,
        chat_template=sound_alone.chat_template,
    )
    adapter = speaking[family]
    inputs = adapter._inputs(noise_requests)
    adapter._processor = own
    try:
        expected = adapter._inputs(noise_requests)
    finally:
        adapter._processor = sound_alone
    assert inputs.keys() == expected.keys()
    assert all(torch.equal(inputs[name], expected[name]) for name in inputs)


def test_the_number_of_tokens_is_that_of_the_published_formulas(
    speaking: dict[str, QwenOmni], noise_requests: list[Request]
) -> None:
    """For the frames of 10 ms that are heard: two halvings for Qwen2.5-Omni, 13 tokens a second for Qwen3-Omni."""
    for family, tokens in (("qwen2_5_omni", (32, 52, 17)), ("qwen3_omni", (17, 27, 9))):
        adapter = speaking[family]
        audio = adapter._processor.audio_token_id
        counts = [int((adapter._inputs([one])["input_ids"] == audio).sum()) for one in noise_requests[:3]]
        frames = [130, 210, 70]
        if family == "qwen2_5_omni":
            assert tuple(((n - 1) // 2 + 1 - 2) // 2 + 1 for n in frames) == tokens
        assert all(abs(count - expected) <= 1 for count, expected in zip(counts, tokens, strict=True)), counts


SPEAKS = (
    "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of perceiving auditory and "
    "visual inputs, as well as generating text and speech."
)


def test_profiles_ask_as_the_authors_do() -> None:
    """Qwen2.5-Omni speaks under one system message alone; Qwen3-Omni was evaluated without any, media before text."""
    folder = Path(next(iter(configs.__path__))) / "prompts"
    older, newer = (yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8")) for name in FAMILIES)
    for kind in ("spoken_question", "conversation", "paralinguistic", "spoken_translation"):
        assert older[kind]["system"] == SPEAKS
    assert older["asr"]["languages"]["zh"]["user"] == "请将这段中文语音转换为纯文本，去掉标点符号。{audio}"
    assert not any("system" in entry for entry in newer.values())
    assert all(entry.get("user", "{audio}").startswith("{audio}") for entry in newer.values())
    for entry in (*older.values(), *newer.values()):
        assert entry["generation"]["temperature"] == 0, "greedily, where the published thinker once sampled"
