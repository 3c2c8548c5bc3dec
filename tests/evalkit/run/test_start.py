"""``evalkit.evaluate``: the command line's main job from Python."""

from pathlib import Path

import pytest

import evalkit
from evalkit.errors import ConfigurationError
from tests.conftest import write_jsonl


def test_evaluate_runs_what_the_command_runs(tmp_path: Path) -> None:
    answers = write_jsonl(tmp_path / "答 案.jsonl", [{"id": "a", "text": "x z"}])
    manifest = write_jsonl(tmp_path / "manifest.jsonl", [{"id": "a", "audio": "a.wav", "text": "x y"}])
    words = [f"model.path={answers}", f"tasks.aishell.dataset.path={manifest}", f"runs={tmp_path}/runs"]
    evalkit.evaluate("predictions", task="aishell", overrides=words)
    assert (tmp_path / "runs/predictions-aishell/metrics.json").is_file()
    evalkit.evaluate("predictions", suite=None, task=["aishell"], overrides=[*words, "name=again"])
    assert (tmp_path / "runs/again/metrics.json").is_file()


def test_evaluate_says_what_is_wrong_as_the_command_does() -> None:
    with pytest.raises(ConfigurationError, match="there is no model 'ecko', did you mean 'echo'"):
        evalkit.evaluate("ecko", suite="demo")
    with pytest.raises(ConfigurationError, match="limit: 'abc' must be a whole number"):
        evalkit.evaluate("echo", suite="demo", overrides=["limit=abc"])
    with pytest.raises(ConfigurationError, match="nothing to run"):
        evalkit.evaluate("echo")
