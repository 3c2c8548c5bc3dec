"""A run folder held by one process at a time: processes that really race, on file systems that lock and that do not."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evalkit.file_systems import file_system_of
from evalkit.results.folder import RunFolder
from evalkit.results.folder_lock import RunInUseError

# Loaded by Python before anything else: what the system answers on a file system that cannot lock.
NO_LOCKS = """
import errno, fcntl, os
def flock(file, operation):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = flock
"""

# Takes and leaves the folder again and again, and looks each time whether another has it too.
RACE = """
import os, sys, time
from pathlib import Path
from evalkit.results.folder import RunFolder
from evalkit.results.folder_lock import RunInUseError
folder, had, end = Path(sys.argv[1]), 0, time.monotonic() + 120
while had < int(sys.argv[2]) and time.monotonic() < end:
    try:
        held = RunFolder(folder)
    except RunInUseError:
        time.sleep(0.001)
        continue
    inside = os.open(folder / "inside", os.O_CREAT | os.O_EXCL)
    time.sleep(0.002)
    os.unlink(folder / "inside")
    os.close(inside)
    had += 1
    held.close()
print(had)
"""

HOLD = """
import sys, time
from pathlib import Path
from evalkit.results.folder import RunFolder
held = RunFolder(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""

TAKE = """
import sys
from pathlib import Path
from evalkit.errors import StoreError
from evalkit.results.folder import RunFolder
try:
    RunFolder(Path(sys.argv[1])).close()
    print("free")
except StoreError as error:
    print(error)
"""


@pytest.fixture(params=[True, False], ids=["locks", "no locks"])
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of processes that can lock files, or cannot."""
    if request.param:
        return dict(os.environ)
    return without_locks(tmp_path_factory.mktemp("site"))


def without_locks(folder: Path) -> dict[str, str]:
    (folder / "sitecustomize.py").write_text(NO_LOCKS)
    return {**os.environ, "PYTHONPATH": str(folder)}


@contextmanager
def holder(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def taken(folder: Path, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", TAKE, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_of_processes_that_race_one_has_the_folder_at_a_time(tmp_path: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path / "run"), "15"]
    racing = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(4)]
    outputs = [process.communicate()[0] for process in racing]
    assert [process.returncode for process in racing] == [0] * 4
    assert [int(output) for output in outputs] == [15] * 4


def test_whoever_has_the_folder_is_named_and_leaves_it_when_killed(tmp_path: Path, environment: dict[str, str]) -> None:
    with holder(tmp_path, environment) as process:
        said = f"{tmp_path}: another evalkit process is writing to this run, process {process.pid} on "
        assert taken(tmp_path, environment) == said + socket.gethostname()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert taken(tmp_path, environment) == "free"


def test_a_second_hold_in_one_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted(tmp_path, monkeypatch, "nfs", "rw,nolock")
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(RunInUseError):
        RunFolder(tmp_path / "run")
    folder.close()
    RunFolder(tmp_path / "run").close()
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock-2"]


def mounted(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: str) -> None:
    mounts = folder / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/home {folder} {kind} {options} 0 0\n")
    monkeypatch.setattr("evalkit.file_systems.MOUNTS", mounts)


def claimed(folder: Path, **owner: object) -> None:
    record = {"host": socket.gethostname(), "process": os.getpid(), "started": "long ago", **owner}
    (folder / ".lock-7").write_text(json.dumps(record))


def test_what_another_machine_claims_is_refused_until_a_person_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted(tmp_path, monkeypatch, "nfs", "rw,nolock")
    claimed(tmp_path, host="node7.cluster", process=4711)
    with pytest.raises(RunInUseError) as refusal:
        RunFolder(tmp_path)
    assert str(refusal.value) == (
        f"{tmp_path}: another evalkit process is writing to this run, process 4711 on node7.cluster, as far as can be "
        f"told where files cannot be locked; if that process has ended, delete {tmp_path}/.lock-7"
    )
    (tmp_path / ".lock-7").unlink()
    RunFolder(tmp_path).close()


@pytest.mark.parametrize("content", [b"", b'{"host": "no', b"7"])
def test_a_claim_that_names_nobody_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    mounted(tmp_path, monkeypatch, "nfs", "rw,nolock")
    (tmp_path / ".lock-7").write_bytes(content)
    with pytest.raises(RunInUseError, match=r"if that process has ended, delete .*/\.lock-7$"):
        RunFolder(tmp_path)


def test_the_number_of_a_process_that_is_gone_may_be_another_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted(tmp_path, monkeypatch, "nfs", "rw,nolock")
    claimed(tmp_path)
    RunFolder(tmp_path).close()
    assert (tmp_path / ".lock-8").exists()
    assert not (tmp_path / ".lock-7").exists()


@pytest.mark.parametrize(
    ("kind", "options", "locks"),
    [
        ("ext4", "rw", True),
        ("nfs4", "rw,relatime,local_lock=none", True),
        ("nfs", "rw,nolock", False),
        ("nfs", "rw,local_lock=all", False),
        ("lustre", "rw,flock", True),
        ("lustre", "rw,localflock", False),
        ("fuse.sshfs", "rw", False),
    ],
)
def test_which_file_systems_lock_between_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: str, *, locks: bool
) -> None:
    mounted(tmp_path, monkeypatch, kind, options)
    assert file_system_of(tmp_path / "run").locks_between_machines is locks
