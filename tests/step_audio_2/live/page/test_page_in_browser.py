"""The page in a real browser whose microphone plays a recording: turns, speech, calls, voices and interruptions."""

import asyncio
import itertools
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("silero_vad", reason="the live extra is not installed")

from step_audio_2.assistant import Assistant
from step_audio_2.live.audio_library import AudioLibrary
from step_audio_2.live.page.server import Limits, PageServer, listen, serving
from step_audio_2.live.tools import Document, Tool, ToolResult
from step_audio_2.live.voice_search import voice_search
from step_audio_2.speech import Token2Wav
from tests.browser import Browser, axe_core, open_browser
from tests.conftest import DEMO_SPEECH
from tests.step_audio_2.live.page.agents import ScriptedAgent, speech_codes
from tests.step_audio_2.live.steering import Script, called, ended, spoken

pytestmark = pytest.mark.slow

SAID = DEMO_SPEECH / "audio" / "clean-slt-01.flac"
MARKUP = "<img src=x onerror=alert(1)><b>bold</b>"
QUERY = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
LONG = 25 * 9  # codes of nine seconds
# Taps what the page plays, and has window.loudness() tell the loudest of the last 43 ms of it.
TAP = """
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...further) {
  if (target === this.context.destination) {
    const tap = new AnalyserNode(this.context, { fftSize: 1024 });
    const samples = new Float32Array(1024);
    window.loudness = () => { tap.getFloatTimeDomainData(samples); return Math.max(...samples.map(Math.abs)); };
    connect.call(this, tap);
  }
  return connect.call(this, target, ...further);
};
"""


def search(query: str) -> ToolResult:
    return ToolResult(MARKUP, (Document("Weather today", MARKUP, "weather.example", "2026"),))


@contextmanager
def running(server: PageServer) -> Iterator[str]:
    """The address of a server that runs in a thread."""
    loop, addresses, done = asyncio.new_event_loop(), list[str](), asyncio.Event()
    ready = threading.Event()

    async def run() -> None:
        async with serving(server, listen("127.0.0.1", 0)) as address:
            addresses.append(address)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(60)
    try:
        yield addresses[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browsers' microphones play over and over: a sentence between silences."""
    said, rate = soundfile.read(SAID)
    path = tmp_path_factory.mktemp("microphone") / "said.wav"
    soundfile.write(path, np.concatenate([np.zeros(2 * rate), said, np.zeros(2 * rate)]), rate, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def browser(microphone: Path) -> Iterator[Browser]:
    arguments = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with open_browser(*arguments, f"--use-file-for-fake-audio-capture={microphone}") as found:
        yield found


@pytest.fixture
def agent(
    assistant: Assistant, token2wav: Token2Wav, voice: Path, voices_folder: Path, tokenizer: Any
) -> ScriptedAgent:
    """An agent that searches, then changes its voice, then talks for long; each conversation says its own words."""
    pytest.importorskip("bm25s", reason="the live extra is not installed")
    numbers = itertools.count(1)
    change = voice_search(AudioLibrary.from_folder(voices_folder), token2wav, voice)

    def script() -> Script:
        number = next(numbers)
        return Script(
            ended([*spoken(tokenizer, "wait"), *called(tokenizer, "search", '{"query": "weather"}')]),
            ended(spoken(tokenizer, f"sunny{number}", codes=25)),
            ended(called(tokenizer, "timbre_rag", '{"query": "海绵宝宝的声音"}')),
            ended(spoken(tokenizer, "changed", codes=25)),
            *[ended(spoken(tokenizer, f"long{number}", codes=LONG))] * 9,
        )

    tools = [Tool("search", "finds", search, QUERY), change]
    return ScriptedAgent(assistant, script, tools, token2wav=token2wav, voice=voice)


@pytest.fixture
def address(agent: ScriptedAgent, browser: Browser) -> Iterator[str]:
    """Of a page; afterwards no page may have complained, nor asked for anything elsewhere."""
    browser.complaints.clear()
    browser.requests.clear()
    with running(PageServer([agent], limits=Limits(sessions=2))) as found:
        yield found
        assert browser.complaints == []
        assert all(request.startswith(found) or request.startswith("data:,") for request in browser.requests)


def opened(browser: Browser, address: str, **options: Any) -> Any:
    page = browser.page(**options)
    page.add_init_script(TAP)
    page.goto(address)
    page.wait_for_selector("[data-state=ready]")
    return page


def write(page: Any, text: str) -> None:
    page.fill("#text", text)
    page.keyboard.press("Enter")


def until(page: Any, condition: str) -> None:
    """Wait, asking from outside: the page's policy lets nothing else run within it."""
    deadline = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def say(page: Any, number: int) -> None:
    """Have the microphone hear one turn, and nothing more before its answer was looked at."""
    page.click("#microphone")
    page.wait_for_selector(f"article:nth-of-type({number})")
    page.click("#microphone")


def test_spoken_turns_with_a_call_a_new_voice_and_an_interruption(
    browser: Browser, address: str, agent: ScriptedAgent
) -> None:
    page = opened(browser, address)
    say(page, 1)  # the turn ends by itself
    page.wait_for_selector("article .call .document")
    until(page, "window.loudness() > 0.01")
    until(page, "document.querySelector('article').dataset.played > 0.5")
    first = page.locator("article").first
    assert "s of speech" in first.locator(".said").inner_text()
    assert first.locator(".call h2").inner_text() == "search"
    assert first.locator(".call .result").inner_text() == MARKUP
    assert page.locator("main img, main b").count() == 0, "what a tool says is text"
    until(page, "document.querySelector('article .words').textContent.startsWith('waitsunny')")
    assert "first sound" in first.locator(".times").first.inner_text()

    say(page, 2)
    page.wait_for_selector("article:nth-of-type(2) .call .voice")
    second = page.locator("article").nth(1)
    assert second.locator(".call .voice").inner_text() == "Voice from the next answer on: low"

    # Whoever speaks again interrupts: the sound stops, and the history has no more than was heard.
    say(page, 3)
    until(page, "document.querySelector('article:nth-of-type(3)')?.dataset.played > 0")
    page.click("#microphone")
    until(page, "document.querySelector('#state').dataset.state === 'hearing'")
    until(page, "window.loudness() === 0")
    page.wait_for_selector("article:nth-of-type(3).interrupted")
    third = page.locator("article").nth(2)
    heard = float(third.get_attribute("data-played") or 0)
    assert 0 < heard < 8
    assert "voice low" in third.locator(".times").inner_text()
    page.click("#microphone")
    remembered = speech_codes(agent.conversations[0].history.messages[-2:])
    assert 0 <= remembered - 25 * heard <= 25 * 0.3, "the page tells ten times a second what was heard"
    page.close()


def test_stop_silences_at_once_and_an_answer_is_made_anew(browser: Browser, address: str) -> None:
    page = opened(browser, address)
    for number in range(1, 3):
        write(page, f"turn {number}")
        page.wait_for_selector(f"article:nth-of-type({number})[aria-busy=false]")
    write(page, "speak for long")
    until(page, "document.querySelector('article:nth-of-type(3)')?.dataset.played > 0.3")
    page.keyboard.press("Escape")
    page.wait_for_selector("article:nth-of-type(3).interrupted")
    until(page, "window.loudness() === 0")
    for _ in range(10):
        assert page.evaluate("window.loudness()") == 0
        page.wait_for_timeout(30)
    page.click("#again")
    until(page, "document.querySelectorAll('article:nth-of-type(3):not(.interrupted)').length == 1")
    until(page, "document.querySelector('article:nth-of-type(3)').dataset.played > 0.3")
    assert page.locator("article").count() == 3
    page.keyboard.press("Escape")
    page.wait_for_selector("article:nth-of-type(3)[aria-busy=false]")
    with page.expect_download() as download:
        page.click("#save")
    assert "conversation/conversation.json" in zipfile.ZipFile(download.value.path()).namelist()
    page.click("#clear")
    until(page, "document.querySelectorAll('article').length == 0")
    page.wait_for_selector("[data-state=ready]")
    page.close()


def test_two_people_do_not_hear_each_other(browser: Browser, address: str, agent: ScriptedAgent) -> None:
    one, other = opened(browser, address), opened(browser, address)
    write(one, "from one")
    write(other, "from the other")
    for page in (one, other):
        until(page, "document.querySelector('article[aria-busy=false]')?.dataset.played > 0.5")
    assert one.locator(".said").all_inner_texts() == ["from one"]
    assert other.locator(".said").all_inner_texts() == ["from the other"]
    texts = {page.locator(".words").inner_text() for page in (one, other)}
    assert texts == {"waitsunny1", "waitsunny2"}
    third = browser.page()
    third.goto(address)
    until(third, "document.querySelector('#fault').textContent.startsWith('all places are taken')")
    for page in (one, other, third):
        page.close()
    browser.complaints[:] = [line for line in browser.complaints if "WebSocket" not in line]


def test_a_recording_that_is_dropped_or_chosen_is_a_turn(browser: Browser, address: str, tmp_path: Path) -> None:
    page = opened(browser, address)
    page.set_input_files("#file", SAID)
    page.wait_for_selector("article .words")
    assert page.locator(".said").inner_text() == "♪ 3.0 s of speech"
    (tmp_path / "no.wav").write_bytes(b"nothing")
    page.set_input_files("#file", tmp_path / "no.wav")
    until(page, "document.querySelector('#fault').textContent.includes('no.wav')")
    soundfile.write(tmp_path / "long.wav", np.zeros(61 * 8_000), 8_000)
    page.set_input_files("#file", tmp_path / "long.wav")
    until(page, "document.querySelector('#fault').textContent.includes('long.wav: a recording must last no')")
    assert page.locator("#state").get_attribute("data-state") != "closed"
    page.close()


def test_what_is_chosen_begins_a_conversation(browser: Browser, address: str, agent: ScriptedAgent) -> None:
    page = opened(browser, address)
    page.click("summary")
    page.fill("#system", "Be short.")
    page.uncheck("#tools input[value=search]")
    page.click("#choice button")
    page.wait_for_selector("[data-state=ready]")
    assert [(choice.system, choice.voice, sorted(choice.tools)) for choice in agent.choices] == [
        ("Be kind.", "default", ["search", "timbre_rag"]),
        ("Be short.", "default", ["timbre_rag"]),
    ]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_is_accessible_and_fits(
    browser: Browser, address: str, scheme: str, width: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = opened(browser, address, color_scheme=scheme, viewport={"width": width, "height": 640})
    write(page, "turn")
    page.wait_for_selector("article[aria-busy=false]")
    page.locator("summary").first.click()
    page.locator(".document summary").click()
    assert page.locator("#tools input[value=search]").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('footer').getBoundingClientRect().bottom") <= 640
    page.evaluate(axe_core(tmp_path_factory.getbasetemp()))
    found = page.evaluate("axe.run().then((found) => found.violations)")
    assert [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found] == []
    page.close()
