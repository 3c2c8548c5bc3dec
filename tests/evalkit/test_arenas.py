"""Threads share arenas of memory: asked of the C library itself, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import ctypes, sys, threading
from evalkit.arenas import share_arenas

share_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
barrier = threading.Barrier(8)

def work():
    for _ in range(100):
        libc.malloc(ctypes.c_size_t(10_000))
    barrier.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="arenas are glibc's")
@pytest.mark.parametrize(("chosen", "arenas"), [({}, 2), ({"MALLOC_ARENA_MAX": "5"}, 5)])
def test_threads_share_two_arenas_unless_somebody_has_chosen(
    chosen: dict[str, str], arenas: int, tmp_path: Path
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "MALLOC_ARENA_MAX"}
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path / "info.xml")]
    subprocess.run(command, check=True, env=environment | chosen)
    assert (tmp_path / "info.xml").read_text().count("<heap nr=") == arenas
