"""Requests about real speech and about noise, made without any data set code, and tiny checkpoints to put them to."""

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.types import Message, Request
from model_adapters.transformers.chat import TransformersChat
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.tiny_chat_models import BUILDERS, NEEDS
from tests.model_adapters.tiny_checkpoints import save_wav2vec2, save_whisper

ChatCheckpoint = Callable[[str], Path]
ChatAdapter = Callable[..., TransformersChat]


@dataclass(frozen=True)
class Utterance:
    """A request about a recording, and what is said in it."""

    request: Request
    text: str


def asking(path: Path, *, language: str | None = None, sample_id: str = "", task: str = "") -> Request:
    """What a transcription task asks a recogniser."""
    message = Message("user", (Audio(path.name, path),))
    return Request((message,), language=language, sample_id=sample_id or path.stem, task=task)


def utterances(folder: Path) -> Iterator[Utterance]:
    """What the manifest of a folder lists."""
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        yield Utterance(asking(folder / record["audio"], language=record["language"]), record["text"])


def noise(path: Path, seconds: float, *, seed: int = 0) -> Path:
    """A recording of noise that comes and goes, for models whose answers mean nothing anyway."""
    rng = np.random.default_rng(seed)
    samples = round(16_000 * seconds)
    loudness = np.repeat(rng.uniform(0, 0.4, samples // 800 + 1), 800)[:samples]
    soundfile.write(path, (loudness * rng.normal(size=samples)).clip(-1, 1), 16_000)
    return path


@pytest.fixture
def demo_requests() -> list[Request]:
    """The three shortest clean utterances of the embedded demo."""
    spoken = [utterance.request for utterance in utterances(DEMO_SPEECH) if "clean" in utterance.request.sample_id]
    return sorted(spoken, key=lambda request: request.audio[0].path.stat().st_size)[:3]  # type: ignore[union-attr]


@pytest.fixture
def noise_requests(tmp_path: Path) -> list[Request]:
    """Five noises; the last two are of equal length."""
    seconds = (1.3, 2.1, 0.7, 3.1, 3.1)
    return [asking(noise(tmp_path / f"noise-{seed}.wav", length, seed=seed)) for seed, length in enumerate(seconds)]


@pytest.fixture
def library_warnings(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """Returns what transformers has warned of since it was last asked, also what it says once only."""
    from transformers.utils import logging

    def warned() -> list[str]:
        messages = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        caplog.clear()
        return messages

    logging.warning_once.cache_clear()
    logger = logging.get_logger()
    logger.addHandler(caplog.handler)
    yield warned
    logger.removeHandler(caplog.handler)


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="session")
def tiny_wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_wav2vec2(tmp_path_factory.mktemp("wav2vec2"))


@pytest.fixture(scope="session")
def tiny_step_audio_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from step_audio_2.testing.tiny_checkpoint import write_tiny_checkpoint

    return write_tiny_checkpoint(tmp_path_factory.mktemp("step_audio_2"))


@pytest.fixture(scope="session")
def chat_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> ChatCheckpoint:
    """The folder of the chat checkpoint of a family, made once."""
    made: dict[str, Path] = {}

    def of(family: str) -> Path:
        for library in NEEDS.get(family, ()):
            try:
                importlib.import_module(library)
            except (ImportError, OSError, RuntimeError):  # one built for another PyTorch raises the last two
                pytest.skip(f"{library} is not installed")
        if family not in made:
            made[family] = BUILDERS[family](tmp_path_factory.mktemp(family))
        return made[family]

    return of


@pytest.fixture(scope="session")
def chat_adapter(chat_checkpoint: ChatCheckpoint) -> Iterator[ChatAdapter]:
    """An adapter for the chat checkpoint of a family; those without settings are loaded once."""
    loaded: dict[str, TransformersChat] = {}

    def of(family: str, **settings: Any) -> TransformersChat:
        if settings:
            return TransformersChat(str(chat_checkpoint(family)), device="cpu", **settings)
        if family not in loaded:
            loaded[family] = TransformersChat(str(chat_checkpoint(family)), device="cpu")
        return loaded[family]

    yield of
    for adapter in loaded.values():
        adapter.close()


def cached_as_from_the_hub(cache: Path, name: str, commits: dict[str, Path]) -> None:
    """Lay checkpoints out as the hub's client keeps what it downloaded, by branch; their folders' names are commits.

    Args:
        cache: what ``HF_HUB_CACHE`` of huggingface_hub must be set to.
        name: of the repository, such as ``own/model``.
        commits: by branch, a folder in ``snapshots`` of the repository's folder.
    """
    refs = cache / f"models--{name.replace('/', '--')}" / "refs"
    refs.mkdir(parents=True)
    for branch, folder in commits.items():
        (refs / branch).write_text(folder.name)
