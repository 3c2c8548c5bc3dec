"""Checkpoints of the hub that were downloaded before, on a machine that shall ask no hub."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

from model_adapters.transformers.asr import TransformersAsr
from model_adapters.transformers.audio_classifier import AudioClassifier
from model_adapters.transformers.chat import TransformersChat
from model_adapters.transformers.tts import TransformersTts
from tests.model_adapters.conftest import ChatCheckpoint, cached_as_from_the_hub
from tests.model_adapters.tiny_checkpoints import save_vits, save_whisper
from tests.model_adapters.tiny_classifiers import save_wav2vec2_classifier


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of machines that anything asks for, none of which is found."""
    import huggingface_hub

    names: list[str] = []

    def nowhere(host: str, *_: Any, **__: Any) -> list[Any]:
        names.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "no such machine")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    # The client of the hub asks once in a process about another thing.
    huggingface_hub.utils.build_hf_headers()  # type: ignore[attr-defined] # documented, and not declared
    names.clear()
    return names


def downloaded(checkpoint: Path, cache: Path) -> str:
    """The name on the hub of a checkpoint that lies in the cache of the hub's client."""
    folder = cache / "models--own--model" / "snapshots" / ("a" * 40)
    shutil.copytree(checkpoint, folder)
    cached_as_from_the_hub(cache, "own/model", {"main": folder})
    return "own/model"


@pytest.mark.parametrize(
    ("save", "adapter"),
    [
        (save_whisper, TransformersAsr),
        (save_wav2vec2_classifier, AudioClassifier),
        (save_vits, TransformersTts),
    ],
)
def test_no_hub_is_asked_for_what_is_here(
    save: Callable[[Path], Path], adapter: Callable[..., Any], asked: list[str], tmp_path: Path
) -> None:
    name = downloaded(save(tmp_path / "checkpoint"), tmp_path / "hub")
    assert adapter(name, device="cpu", local_files_only=True).fingerprint()["weights"]["hub"] == name
    assert asked == []


def test_no_hub_is_asked_for_a_chat_model_that_is_here(
    chat_checkpoint: ChatCheckpoint, asked: list[str], tmp_path: Path
) -> None:
    name = downloaded(chat_checkpoint("qwen2_audio"), tmp_path / "hub")
    TransformersChat(name, device="cpu", local_files_only=True).close()
    assert asked == []
