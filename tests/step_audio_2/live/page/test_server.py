"""The server and its WebSocket, by clients that behave and clients that do not."""

import asyncio
import io
import threading
import zipfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile

pytest.importorskip("silero_vad", reason="the live extra is not installed")

from step_audio_2.assistant import Assistant
from step_audio_2.live.conversation import Conversation
from step_audio_2.live.page.access import Access
from step_audio_2.live.page.agent import Choice
from step_audio_2.live.page.server import Limits, PageServer, listen, serving
from step_audio_2.live.page.voice_activity import TurnTaking
from step_audio_2.live.saved import SavedConversation, SavedTurn
from step_audio_2.live.tools import Document, Tool, ToolResult
from step_audio_2.speech import Token2Wav
from tests.conftest import DEMO_SPEECH
from tests.step_audio_2.live.page.agents import Client, Message, ScriptedAgent, connected, served, speech_codes, words
from tests.step_audio_2.live.steering import Script, called, ended, spoken

QUERY = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
MARKUP = "<img src=x onerror=alert(1)>"


def search(query: str) -> ToolResult:
    return ToolResult(f"{query}: {MARKUP}", (Document("A page", MARKUP, "page.example", "2026"),))


SEARCH = Tool("search", "finds", search, QUERY)

Writing = Callable[..., ScriptedAgent]


@pytest.fixture
def writing(assistant: Assistant, tokenizer: Any) -> Writing:
    """Makes an agent that writes these answers in each of its conversations."""

    def made(*answers: str | Sequence[int], tools: Sequence[Tool] = ()) -> ScriptedAgent:
        ids = [ended(tokenizer.encode(answer)) if isinstance(answer, str) else ended(answer) for answer in answers]
        return ScriptedAgent(assistant, lambda: Script(*ids), tools)

    return made


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 120))


async def answered(client: Client, text: str) -> list[Message]:
    await client.send(type="say", text=text)
    return await client.until("turn_ended")


def test_a_turn_comes_as_words_calls_results_and_an_end(writing: Writing, tokenizer: Any) -> None:
    call = called(tokenizer, "search", '{"query": "news"}')
    agent = writing([*tokenizer.encode("wait."), *call], "done.", tools=[SEARCH])

    async def test() -> None:
        async with served(agent) as (address, _), connected(address) as client:
            await client.begin()
            messages = await answered(client, "what is new?")
        kinds = [message["type"] for message in messages if message["type"] != "words"]
        assert kinds == ["turn_started", "tool_started", "tool_finished", "turn_ended"]
        assert words(messages) == "wait.done."
        assert messages[0] == {"type": "turn_started", "turn": 1, "said": "what is new?"}
        (result,) = [message for message in messages if message["type"] == "tool_finished"]
        assert result["documents"] == [{"title": "A page", "text": MARKUP, "source": "page.example", "date": "2026"}]
        assert not messages[-1]["interrupted"]

    run(test())


def test_what_is_chosen_holds_and_what_is_not_offered_is_refused(writing: Writing) -> None:
    agent = writing("yes", tools=[SEARCH])

    async def test() -> None:
        async with served(agent) as (address, _), connected(address) as client:
            await client.begin(system="Be short.", tools=[])
            for wrong in ({"agent": 1}, {"agent": -1}, {"voice": "mine"}, {"tools": ["rm"]}, {"system": "s" * 5_000}):
                order = {"agent": 0, "system": "", "voice": "", "tools": [], **wrong}
                await client.send(type="begin", **order)
                (fault,) = await client.until("fault")
                assert next(iter(wrong)) in fault["message"]
            assert words(await answered(client, "hello")) == "yes"
        assert [(choice.system, choice.tools) for choice in agent.choices] == [("Be short.", frozenset())]

    run(test())


def test_a_turn_is_answered_anew_and_a_conversation_begun_anew(writing: Writing) -> None:
    async def test() -> None:
        async with served(writing("one", "two")) as (address, _), connected(address) as client:
            await client.begin()
            await client.send(type="regenerate")
            (fault,) = await client.until("fault")
            assert fault["message"] == "there is nothing to answer anew"
            assert words(await answered(client, "say")) == "one"
            await client.send(type="regenerate")
            messages = await client.until("turn_ended")
            assert (messages[0]["said"], words(messages)) == (None, "two")
            await client.send(type="begin", agent=0, system="", voice="", tools=[])
            await client.until("begun")
            assert words(await answered(client, "say")) == "one"  # of a script of its own

    run(test())


def test_the_microphone_ends_a_turn_by_itself_at_any_rate(writing: Writing) -> None:
    said, rate = soundfile.read(DEMO_SPEECH / "audio" / "clean-slt-01.flac", dtype="float32")
    wave = np.concatenate([np.zeros(rate), said, np.zeros(rate)]).astype(np.float32)

    async def test() -> None:
        async with served(writing("one", "two")) as (address, _), connected(address) as client:
            await client.begin()
            await client.hear(wave)  # not listened to
            for hertz in (rate, 3 * rate):
                await client.send(type="listen", rate=hertz)
                await client.hear(np.repeat(wave, hertz // rate))
                messages = await client.until("turn_ended")
                kinds = [message["type"] for message in messages if message["type"] != "words"]
                assert kinds == ["speech_started", "speech_ended", "turn_started", "turn_ended"]
                assert messages[1]["seconds"] == pytest.approx(len(said) / rate + 0.6, abs=0.6)
            await client.send(type="listen", rate=0)
            await client.hear(said, kind=1)
            await client.until("fault")  # the script is at its end

    run(test())


def test_what_was_not_heard_is_neither_made_nor_remembered(
    assistant: Assistant, token2wav: Token2Wav, voice: Path, tokenizer: Any
) -> None:
    script = ended(spoken(tokenizer, "good", codes=25 * 10))
    agent = ScriptedAgent(assistant, lambda: Script(script, script), token2wav=token2wav, voice=voice)

    async def test() -> None:
        async with served(agent) as (address, _), connected(address) as client:
            await client.begin()
            await client.send(type="say", text="speak")
            (*_, started) = await client.until("turn_started")
            await client.until_played(2.0)
            await client.send(type="interrupt", turn=started["turn"] + 1, seconds=0)  # of no turn that there is
            await client.send(type="interrupt", turn=started["turn"], seconds=1.0)
            messages = await client.until("turn_ended")
            assert messages[-1]["interrupted"]
            assert client.sounds <= 6.0, "no more is made than a few seconds ahead of what is heard"
        assert 25 <= speech_codes(agent.conversations[0].history.messages) <= 26

    run(test())


@pytest.mark.slow
def test_two_at_once_have_their_own_conversations(
    assistant: Assistant, token2wav: Token2Wav, voice: Path, tokenizer: Any
) -> None:
    scripts = iter([Script(ended(spoken(tokenizer, word))) for word in ("left", "right")])
    agent = ScriptedAgent(assistant, lambda: next(scripts), token2wav=token2wav, voice=voice)

    async def test() -> None:
        async with served(agent) as (address, _), connected(address) as one, connected(address) as other:
            await one.begin()
            await other.begin()
            first, second = await asyncio.gather(answered(one, "a"), answered(other, "b"))
            assert (words(first), words(second)) == ("left", "right")
            assert one.sounds > 0
            assert other.sounds > 0
        assert [conversation.history.messages[0].content for conversation in agent.conversations] == ["a", "b"]

    run(test())


def test_a_conversation_can_be_taken_along_while_it_lasts(writing: Writing, tmp_path: Path) -> None:
    async def test() -> None:
        async with served(writing("one")) as (address, server), aiohttp.ClientSession() as session:
            async with connected(address) as client:
                await client.begin()
                await answered(client, "hello")
                turns: Sequence[SavedTurn] = ()
                while not turns:  # it is kept once the page has the last of it
                    async with session.get(f"{address}conversations/{client.conversation}") as response:
                        zipfile.ZipFile(io.BytesIO(await response.read())).extractall(tmp_path)
                    turns = SavedConversation.load(tmp_path / "conversation").turns
            (turn,) = turns
            assert ([part.text for part in turn.user], turn.words) == (["hello"], "one")
            await freed(server)
            for name in (client.conversation, "%2e%2e%2fpasswd"):
                async with session.get(f"{address}conversations/{name}") as response:
                    assert response.status == 404
            assert not list(Path(server._kept._folder.name).iterdir())

    run(test())


def test_there_is_room_for_so_many_and_a_page_that_goes_makes_room(writing: Writing) -> None:
    async def test() -> None:
        async with served(writing("yes"), Limits(sessions=1)) as (address, server), connected(address) as client:
            await client.begin()
            with pytest.raises(ConnectionError, match="places are taken"):
                async with connected(address) as second:
                    await second.until("agents")
            await client.socket.close()
            await freed(server)
            async with connected(address) as third:
                await third.begin()

    run(test())


async def freed(server: PageServer) -> None:
    while server._sockets:
        await asyncio.sleep(0.02)


@pytest.mark.slow
def test_a_page_that_vanishes_within_a_turn_or_reads_nothing_frees_its_place(writing: Writing, tokenizer: Any) -> None:
    started, stopped = threading.Event(), threading.Event()

    def wait(query: str) -> str:
        started.set()
        stopped.wait(60)
        return query

    call = called(tokenizer, "wait", '{"query": "x"}')
    agent = writing(call, "done", tools=[Tool("wait", "…", wait, QUERY, timeout=60)])

    async def test() -> None:
        async with served(agent) as (address, server), connected(address) as client:
            await client.begin()
            await client.send(type="say", text="go")
            assert await asyncio.to_thread(started.wait, 60)
            client.socket._response.connection.transport.abort()  # type: ignore[union-attr]
            await freed(server)
        async with served(agent, Limits(silence=0.5)) as (address, server), aiohttp.ClientSession() as session:
            origin = {"Origin": address.rstrip("/")}
            socket = await session.ws_connect(f"{address}talk", headers=origin, autoping=False)
            assert server._sockets
            await freed(server)  # it never answered a ping
            await socket.close()

    try:
        run(test())
    finally:
        stopped.set()


def test_a_model_that_fails_says_so_and_the_talk_goes_on(writing: Writing, caplog: Any) -> None:
    async def test() -> None:
        async with served(writing("one")) as (address, _), connected(address) as client:
            await client.begin()
            await answered(client, "first")
            messages = await answered(client, "second")
            (fault,) = [message for message in messages if message["type"] == "fault"]
            assert fault["message"] == "the model failed (IndexError)"  # the script is at its end
            await client.send(type="say", text="")
            (fault,) = await client.until("fault")
            assert "1 to 4,000 characters" in fault["message"]

    run(test())
    assert "a model failed" in caplog.text


def test_what_an_error_kept_from_being_answered_is_asked_once_more(
    writing: Writing, tokenizer: Any, monkeypatch: Any
) -> None:
    agent = writing("one", "two", "three")

    async def test() -> None:
        async with served(agent) as (address, _), connected(address) as client:
            await client.begin()
            await answered(client, "first")
            (conversation,) = agent.conversations
            with monkeypatch.context() as broken:
                broken.setattr(conversation, "_reply", lambda _: 1 / 0)
                assert words(await answered(client, "second")) == ""
            for expected in ("two", "three"):  # once for the failure, once more for the answer
                await client.send(type="regenerate")
                messages = await client.until("turn_ended")
                assert (messages[0]["said"], words(messages)) == (None, expected)
        said = [message.content for message in conversation.history.messages if message.role == "human"]
        assert said == ["first", "second"]

    run(test())


def test_half_a_character_is_replaced(writing: Writing) -> None:
    async def test() -> None:
        async with served(writing("one")) as (address, _), connected(address) as client:
            await client.begin(system="\ud83d")
            messages = await answered(client, "half \ud83d")
            assert (messages[0]["said"], words(messages)) == ("half \ufffd", "one")

    run(test())


def test_a_system_message_that_is_offered_may_be_long(writing: Writing) -> None:
    agent = writing("one")
    agent.system = "小" * 100_000

    async def test() -> None:
        async with served(agent, Limits(text=10)) as (address, _), connected(address) as client:
            await client.begin()

    run(test())


def test_a_piece_of_the_microphones_sound_is_short(writing: Writing) -> None:
    async def test() -> None:
        async with served(writing("one")) as (address, _), connected(address) as client:
            await client.begin()
            await client.send(type="listen", rate=8_000)
            await client.socket.send_bytes(bytes(2 * 8_001 + 1))
            (fault,) = await client.until("fault")
            assert "pieces of at most a second" in fault["message"]
            assert words(await answered(client, "hello")) == "one"

    run(test())


def test_a_conversation_that_cannot_begin_says_why_and_another_may(writing: Writing) -> None:
    agent = writing("yes")
    begin, faults = agent.begin, [ValueError("this voice cannot be spoken in"), ConnectionError("a secret")]

    def begin_at_last(choice: Choice) -> Conversation:
        if faults:
            raise faults.pop(0)
        return begin(choice)

    agent.begin = begin_at_last  # type: ignore[method-assign]

    async def test() -> None:
        async with served(agent) as (address, _), connected(address) as client:
            await client.until("agents")
            for reason in ("this voice cannot be spoken in", "the model failed (ConnectionError)"):
                await client.send(type="begin", agent=0, system="", voice="", tools=[])
                (fault,) = await client.until("fault")
                assert fault["message"] == reason
            await client.send(type="begin", agent=0, system="", voice="", tools=[])
            await client.until("begun")
            assert words(await answered(client, "hello")) == "yes"

    run(test())


def test_what_is_too_long_is_refused(writing: Writing) -> None:
    limits = Limits(text=10, turn_taking=TurnTaking(longest=1))

    async def test() -> None:
        async with served(writing("one"), limits) as (address, server):
            async with connected(address) as client:
                await client.begin()
                await client.send(type="say", text="x" * 11)
                await client.until("fault")
                assert words(await answered(client, "x" * 10)) == "one"
                await client.socket.send_bytes(bytes(100_001))
                with pytest.raises(ConnectionError, match="1009"):  # message too big
                    await client.until("fault")
            await freed(server)

    run(test())


def test_pages_of_other_sites_are_refused(writing: Writing) -> None:
    async def test() -> None:
        async with served(writing()) as (address, _), aiohttp.ClientSession() as session:
            for headers in ({"Origin": "https://evil.example"}, {}, {"Origin": "null"}):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await session.ws_connect(f"{address}talk", headers=headers)
                assert refused.value.status == 403
            # A name of another site that leads here, as by DNS rebinding.
            port = address.rstrip("/").rpartition(":")[2]
            async with session.get(address, headers={"Host": f"evil.example:{port}"}) as response:
                assert response.status == 403
            for wrong in ({"Host": "[::1"}, {"Host": ""}):
                async with session.get(address, headers=wrong) as response:
                    assert response.status in (400, 403)
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(f"{address}talk", headers={"Origin": "http://[::1"})
            async with session.get(address) as response:
                assert response.status == 200
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'none'; script-src 'self'" in policy
                assert "unsafe" not in policy

    run(test())


def test_without_the_token_nobody_gets_in_from_other_machines(writing: Writing) -> None:
    async def test() -> None:
        server = PageServer([writing()], "0.0.0.0")
        async with serving(server, listen("0.0.0.0", 0)) as address, aiohttp.ClientSession() as session:
            bare, _, token = address.replace("0.0.0.0", "127.0.0.1").partition("?token=")
            assert len(token) >= 32
            for path in ("", "page.js", "?token=", f"?token={token[:-1]}"):
                async with session.get(bare + path) as response:
                    assert response.status == 403
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(f"{bare}talk", headers={"Origin": bare.rstrip("/")})
            # Cookies are kept for names, not for bare addresses, unless the jar is told to.
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as known:
                async with known.get(f"{bare}?token={token}") as response:
                    assert (response.status, str(response.url)) == (200, bare)
                socket = await known.ws_connect(f"{bare}talk", headers={"Origin": bare.rstrip("/")})
                await Client(socket).until("agents")
                await socket.close()

    run(test())


def test_two_servers_of_one_host_know_their_own_cookies(writing: Writing) -> None:
    async def test() -> None:
        servers = [PageServer([writing()], "0.0.0.0") for _ in range(2)]
        ports = [listen("0.0.0.0", 0) for _ in servers]
        jar = aiohttp.CookieJar(unsafe=True)  # which, as browsers do, knows hosts and not their ports
        async with (
            serving(servers[0], ports[0]) as one,
            serving(servers[1], ports[1]) as other,
            aiohttp.ClientSession(cookie_jar=jar) as session,
        ):
            for address in (one, other, one.partition("?")[0], other.partition("?")[0]):
                async with session.get(address.replace("0.0.0.0", "127.0.0.1")) as response:
                    assert response.status == 200

    run(test())


@pytest.mark.parametrize(
    ("host", "is_free"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.168.0.2", False),
        ("a.b", False),
    ],
)
def test_a_token_is_needed_where_other_machines_may_listen(host: str, is_free: bool) -> None:
    access = Access(host)
    assert (access.token is None) == is_free
    assert access.knows(None) == is_free
    assert access.knows(access.token)
    assert not Access("0.0.0.0").knows(access.token)
    assert access.knows("\udcff") == is_free  # as bytes of a cookie that are no UTF-8 are read


def test_a_port_that_is_taken_is_said_in_one_line(writing: Writing) -> None:
    async def test() -> None:
        async with served(writing()) as (address, _):
            port = int(address.rstrip("/").rpartition(":")[2])
            with pytest.raises(ValueError, match=f"127.0.0.1, port {port}: cannot be listened at"):
                listen("127.0.0.1", port)

    run(test())
