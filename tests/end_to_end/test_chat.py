"""``evalkit chat``: the page of a model of a configuration, as a process of its own."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.main import main
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
pytest.importorskip("silero_vad", reason="the live extra is not installed")


@contextmanager
def chatting(*words: str) -> Iterator[str]:
    """The address that the command prints; afterwards it ends at once when it is interrupted."""
    command = [sys.executable, "-m", "evalkit.cli", "chat", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"(http\S+) \(Ctrl-C ends it\)", line)
            assert found is not None, line + (process.stderr.read() if process.stderr else "")
            yield found[1]
            process.send_signal(signal.SIGINT)
            assert process.wait(300) == 0
        finally:
            process.kill()


def test_models_are_chosen_from_and_talked_with(tmp_path: Path) -> None:
    from step_audio_2.testing.tiny_checkpoint import write_tiny_checkpoint
    from tests.step_audio_2.live.page.agents import connected

    checkpoint = write_tiny_checkpoint(tmp_path / "checkpoint")
    mini = ["model=step_audio_2_mini", f"model.path={checkpoint}", "model.generation.max_new_tokens=40"]

    async def talk(address: str) -> None:
        async with connected(address) as client:
            (offered,) = await client.until("agents")
            assert [agent["title"] for agent in offered["agents"]] == ["Step-Audio 2 mini", "Echo"]
            assert "calculate" in [tool["name"] for tool in offered["agents"][0]["tools"]]
            assert offered["agents"][0]["voices"] == ["default"]
            for number, agent in enumerate(offered["agents"]):
                voice = (agent["voices"] or [""])[0]
                await client.send(type="begin", agent=number, system="", voice=voice, tools=[])
                await client.until("begun")
                await client.send(type="say", text="hello")
                messages = await client.until("turn_ended")
                assert not [message for message in messages if message["type"] == "fault"]

    with chatting("seed=3", *mini, "--", "model=echo") as address:
        asyncio.run(asyncio.wait_for(talk(address), 120))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["port=80"], "choose whom to talk with, as model=NAME"),
        (
            ["model=echo", "prot=80"],
            "unknown config key 'prot', did you mean 'port'?; known here: host, port, sessions",
        ),
        (["model=echo", "turn_taking.stop=0"], "turn_taking.stop is 0; it must be above 0 and at most 600"),
        (["model=echo", "turn_taking.stop=soon"], "turn_taking.stop: 'soon' must be a number"),
        (["model=echo", "turn_taking=3"], "turn_taking: '3' must be a mapping with threshold, start"),
        (["model=echo", "host=null"], "host: 'null' must be a text"),
        (["model=echo", "host="], "host: '' must be a name or an address"),
        (["model=echo", "port=http"], "port: 'http' must be a whole number of at least 0"),
        (["model=echo", "sessions=0"], "sessions: '0' must be a whole number of at least 1"),
        (["model=echo", "seed=abc"], "seed: 'abc' must be a whole number"),
        (["model=echo", "write=maybe"], "write: 'maybe' must be true or false"),
        (["model=echo", "system=[1]"], "system: '[1]' must be a text, or null"),
        (["model=echo", "tools.mcp=python"], "tools.mcp: 'python' must be a list of commands, as ['python server.py']"),
        (["model=echo", "tools.mcp=['']"], "tools.mcp: '['']' must be a list of commands"),
        (["model=echo", 'tools.mcp=["\'python"]'], "'python: is no command line (No closing quotation)"),
        (["model=echo", "tools.searxng=localhost:80"], "SearXNG's address must begin with http:// or https://"),
        (["model=cascade"], "a cascade needs a model in the role 'asr': model@asr=NAME"),
        (["model=cascade", "model@asr=echo"], "a cascade needs a model in the role 'llm': model@llm=NAME"),
        (["_target_=os.getcwd", "model=echo"], "unknown config key '_target_'"),
        (["model=echo", "voices=absent"], "absent/manifest.jsonl: cannot be read"),
        # Before the model, which takes minutes to be made ready.
        (
            ["model=step_audio_2_mini", "model.path=absent", "port=99999"],
            "127.0.0.1, port 99999: cannot be listened at",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words: list[str], message: str, capsys: Any) -> None:
    assert main(["chat", *words]) == 2
    complaint = capsys.readouterr().err
    assert message in complaint.splitlines()[-1]
    assert "Traceback" not in complaint
