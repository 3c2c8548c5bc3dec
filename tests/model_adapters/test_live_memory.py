"""Fifty turns of speech take no more memory than the turns that are remembered."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.model_adapters.serving import Backend
from tests.servers.backends import Answer
from tests.servers.openai_server import OpenAIServer

pytest.importorskip("torch", reason="torch is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is read from /proc"),
]

SECONDS = 20
TURNS, REMEMBERED = 50, 4
SETTLED = 2 * REMEMBERED  # turns after which all that is remembered is there

TALKING = """
import gc, re, sys
import torch
from step_audio_2.chat import AudioPart

def anonymous():
    gc.collect()
    return 1024 * int(re.search(r"RssAnon:\\s*(\\d+) kB", open("/proc/self/status").read())[1])

kind, place, turns, remembered, settled, seconds = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
if kind == "process":
    from step_audio_2.assistant import Assistant
    from step_audio_2.live.conversation import Conversation
    settings = {"max_new_tokens": 8}
    dialogue = Conversation(Assistant.from_pretrained(place), settings=settings, most_turns=remembered)
else:
    from evalkit.inference.endpoint import ModelSpec
    from evalkit.inference.local import LocalExecutor
    from evalkit.inference.opening import ExecutorChoice
    from model_adapters.live.dialogue import ModelDialogue
    from model_adapters.live.models import LiveModels
    settings = {"model": "m", "base_url": place, "speech_output": True}
    spec = ModelSpec("model", "", {"_target_": "model_adapters.openai.models.ChatModel", **settings})
    models = LiveModels({"model": spec}, ExecutorChoice(LocalExecutor()))
    dialogue = ModelDialogue(models, spoken=True, most_turns=remembered)
for turn in range(turns):
    if turn == settled:
        before = anonymous()
    for _ in dialogue.answer(AudioPart(torch.rand(16_000 * seconds) - 0.5)):
        pass
print(anonymous() - before)
if kind != "process":
    models.close()
"""


def growth(kind: str, place: str) -> int:
    """Bytes by which a process grows once it remembers as many turns as it may."""
    numbers = map(str, (TURNS, REMEMBERED, SETTLED, SECONDS))
    command = [sys.executable, "-c", TALKING, kind, place, *numbers]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


FORGOTTEN = (TURNS - SETTLED) * SECONDS * 16_000 * 4
"""Bytes of the samples heard meanwhile, none of which is left; remembered, they take several times as much."""


def test_of_the_model_in_this_process(tiny_step_audio_2: Path) -> None:
    assert growth("process", str(tiny_step_audio_2)) < FORGOTTEN


def test_of_a_served_model() -> None:
    speech = np.zeros(24_000 * SECONDS, "<i2").tobytes()
    with OpenAIServer(Backend(Answer(("fine",), speech=speech))) as server:
        assert growth("served", server.base_url) < FORGOTTEN
