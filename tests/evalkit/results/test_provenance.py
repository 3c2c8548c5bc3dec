"""What a run writes down of itself, and of the software that made it."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from evalkit.results import provenance
from evalkit.results.folder import PROVENANCE, RunFolder
from evalkit.results.provenance import ProvenanceRecord, software


def test_models_are_met_while_tasks_are_finished_in_other_threads(tmp_path: Path) -> None:
    with closing(RunFolder(tmp_path / "run")) as folder:
        record = ProvenanceRecord(folder, {}, {}, dict)
        with ThreadPoolExecutor(8) as pool:
            finished = pool.map(record.task_finished, [f"task {number}" for number in range(200)])
            met = pool.map(record.meet, [f"role {number}" for number in range(200)], [{"path": "x"}] * 200)
            assert (len(list(finished)), len(list(met))) == (200, 200)
        content = json.loads((folder.path / PROVENANCE).read_text(encoding="utf-8"))
    assert len(content["models"]) == 200
    assert len(content["sessions"][0]["seconds"]) == 200


def test_an_accelerator_is_seen_that_only_a_model_makes_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = SimpleNamespace(is_available=lambda: True, device_count=lambda: 1, get_device_name=lambda index: "A100")
    with closing(RunFolder(tmp_path / "run")) as folder:
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        record = ProvenanceRecord(folder, {}, {}, dict)
        monkeypatch.setitem(sys.modules, "torch", cast(ModuleType, SimpleNamespace(cuda=cuda)))
        record.meet("model", {"path": "x"})
        content = json.loads((folder.path / PROVENANCE).read_text(encoding="utf-8"))
    assert content["sessions"][0]["hardware"]["accelerators"] == ["A100"]


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    return subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_read_and_nothing_of_the_checkout_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "evalkit" / "results" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    monkeypatch.setattr(provenance, "__file__", str(module))
    assert software()["commit"] is None, "not a checkout"
    git(tmp_path, "init", "-q")
    assert software()["commit"] is None, "nothing is committed"
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    # A file that was touched is compared by its content, and git would note in its index that it is the same.
    os.utime(module, (1_000_000_000, 1_000_000_000))
    index = (tmp_path / ".git" / "index").read_bytes()
    (tmp_path / "untracked").write_text("")
    assert software()["commit"] == commit
    assert (tmp_path / ".git" / "index").read_bytes() == index
    module.write_text("changed")
    assert software()["commit"] == f"{commit}-dirty"
