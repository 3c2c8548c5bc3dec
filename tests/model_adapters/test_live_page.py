"""Models of configurations on the page: what they are offered, and a talk with one behind a server."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("silero_vad", reason="the live extra is not installed")

from model_adapters.live.page import AgentMaker
from step_audio_2.live.calculator import calculator
from step_audio_2.live.conversation import SPOKEN
from step_audio_2.live.page.agent import Choice
from tests.model_adapters.live_conversations import scripted
from tests.servers.backends import Answer, Called
from tests.servers.openai_server import OpenAIServer
from tests.step_audio_2.live.page.agents import connected, served, words

CALL = Answer(("one moment, ",), (Called("calculate", '{"expression": "3 * 4"}'),))


def test_a_model_behind_a_server_calls_tools_on_the_page() -> None:
    async def talk(agent: Any) -> None:
        async with served(agent) as (address, _), connected(address) as client:
            await client.begin()
            await client.send(type="say", text="three times four?")
            messages = await client.until("turn_ended")
        assert words(messages) == "one moment, twelve"
        (result,) = [message for message in messages if message["type"] == "tool_finished"]
        assert (result["name"], result["text"]) == ("calculate", "3 * 4 = 12")

    backend = scripted(CALL, "twelve")
    with OpenAIServer(backend) as server, ExitStack() as resources:
        maker = AgentMaker([calculator()], None, None, write=True, seed=0)
        chosen = ["model=openai_chat", "model.model=m", f"model.base_url={server.base_url}", "model.title=Served"]
        agent = maker.agent(chosen, (), resources)
        # The published system message tells Step-Audio 2 who it is, and no other model.
        assert (agent.title, agent.system, agent.voices) == ("Served", "", ())
        asyncio.run(asyncio.wait_for(talk(agent), 60))
    assert backend.requests[0].messages[-1]["content"] == "three times four?"


def test_settings_of_the_model_join_those_of_a_conversation(tiny_step_audio_2: Path) -> None:
    with ExitStack() as resources:
        maker = AgentMaker([], None, None, write=True, seed=0)
        chosen = ["model=step_audio_2_mini", f"model.path={tiny_step_audio_2}", "model.generation.max_new_tokens=40"]
        settings = maker.agent(chosen, (), resources).about(Choice("", "", frozenset())).settings
    # Still sampled: a limit alone says nothing of that.
    assert settings == {**SPOKEN, "max_new_tokens": 40}


def test_a_model_that_calls_no_tools_is_offered_none(capsys: Any) -> None:
    pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
    with ExitStack() as resources:
        maker = AgentMaker([calculator()], None, "Be brief.", write=False, seed=0)
        agent = maker.agent(["model=pocketsphinx"], (), resources)
        assert (agent.tools, agent.system) == ((), "Be brief.")
    assert capsys.readouterr().out == "PocketSphinx does not call tools: it is offered none\n"
