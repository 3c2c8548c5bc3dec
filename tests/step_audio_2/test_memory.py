"""A checkpoint is never twice in memory while it is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from step_audio_2.testing.tiny_checkpoint import write_tiny_checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is read from /proc"),
]

SIZES = {
    "audio_encoder_config": {"n_audio_state": 256, "n_audio_head": 4, "n_audio_layer": 4, "llm_dim": 512},
    "text_config": {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8, "num_attention_heads": 8},
}

# Pages that are mapped from the file can be dropped at any time and do not count; what counts is anonymous memory.
LOADING = """
import re, sys, threading
import torch
from step_audio_2.model import StepAudio2ForCausalLM

def anonymous():
    return 1024 * int(re.search(r"RssAnon:\\s*(\\d+) kB", open("/proc/self/status").read())[1])

peak, done = 0, threading.Event()
def watch():
    global peak
    while not done.wait(0.001):
        peak = max(peak, anonymous())

before = anonymous()
watcher = threading.Thread(target=watch)
watcher.start()
model = StepAudio2ForCausalLM.from_pretrained(sys.argv[1], dtype=getattr(torch, sys.argv[2]))
done.set()
watcher.join()
size = sum(parameter.nbytes for parameter in model.parameters())
print((peak - before) / size, (anonymous() - before) / size)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("middle"), sizes=SIZES, shard_size="300MB")


def loaded(folder: Path, dtype: str) -> tuple[float, float]:
    """Anonymous memory at its peak and in the end, in sizes of the model."""
    command = [sys.executable, "-c", LOADING, str(folder), dtype]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    peak, after = map(float, done.stdout.split())
    return peak, after


def test_weights_of_the_stored_type_are_not_copied_at_all(folder: Path) -> None:
    peak, after = loaded(folder, "float32")
    assert after < 0.1
    assert peak < 0.1


def test_weights_of_another_type_are_there_once(folder: Path) -> None:
    peak, after = loaded(folder, "bfloat16")
    assert 0.9 < after < 1.1, "the weights are not in memory, so the peak shows nothing"
    assert peak < 1.1
