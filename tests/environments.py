"""Python environments of servers that nobody here wrote, made once and kept for later runs of the tests."""

import fcntl
import getpass
import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

_HOME = Path(tempfile.gettempdir()) / f"evalkit-test-environments-{getpass.getuser()}"


def environment(*requirements: str, alone: bool = False) -> Path:
    """The folder of the programs of an environment with these packages; the test is skipped where pip cannot get them.

    Args:
        *requirements: as pip takes them.
        alone: for packages that do not go with those that the tests run with, and that are otherwise there too.
    """
    constraints = (ROOT / "constraints.txt").read_text()
    told = f"{sys.executable} {requirements} {alone or constraints}"
    folder = _HOME / hashlib.sha256(told.encode()).hexdigest()[:16]
    _HOME.mkdir(exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, requirements, alone)
            (folder / "made").touch()
    return folder / "bin"


def _make(folder: Path, requirements: tuple[str, ...], alone: bool) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet"]
    if not alone:
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")  # what is there is not fetched again
        pip += ["--constraint", ROOT / "constraints.txt"]
    outcome = subprocess.run([*pip, *requirements], capture_output=True, text=True)
    if outcome.returncode != 0:
        pytest.skip(f"{', '.join(requirements)} cannot be installed here: {outcome.stderr.strip()[-300:]}")
