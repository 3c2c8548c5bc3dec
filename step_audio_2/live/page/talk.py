"""One user's side of the page: what they say becomes turns of their conversation, and its events go out to them.

An answer is read no further than a few seconds ahead of what the user has heard of it. So little was made in vain when
they interrupt, nothing piles up for a page that is slow, and the history ends where they stopped listening.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from step_audio_2.answers import AnswerEnd
from step_audio_2.chat import AudioPart, Part
from step_audio_2.live.dialogue import Dialogue, Event, ToolStarted, TurnEnd
from step_audio_2.live.page.agent import Agent
from step_audio_2.live.page.kept import KeptConversations
from step_audio_2.live.page.messages import (
    Begin,
    Heard,
    Interrupt,
    Listen,
    Order,
    OrderError,
    Played,
    Recording,
    Regenerate,
    Say,
    pcm,
    shown,
)
from step_audio_2.live.page.turn_progress import TurnProgress
from step_audio_2.live.page.voice_activity import (
    SAMPLE_RATE,
    Samples,
    SpeechDetector,
    SpeechStarted,
    TurnTaking,
    VoiceActivity,
)
from step_audio_2.speaking import Sound
from step_audio_2.speech.token2wav import Token2Wav
from step_audio_2.tool_calls import ToolCallArguments

_log = logging.getLogger(__name__)
Result = TypeVar("Result")

_LEAD = 4.0
"""Seconds of sound that are made ahead of what was heard."""
_MOST_WAITING = 4
"""Orders that wait while an answer ends or a conversation begins."""


class PageClosedError(Exception):
    """There is nobody left to tell."""


class Page(Protocol):
    """The way to the user's browser."""

    async def show(self, message: dict[str, Any]) -> None:
        """Send what is to be shown.

        Raises:
            PageClosedError: it was closed.
        """

    async def play(self, sound: bytes) -> None:
        """Send sound, samples of 16 bits at 24 kHz.

        Raises:
            PageClosedError: it was closed.
        """


class Talk:
    """A user's conversation, from the opening of the page to its closing.

    What takes time is done in order by ``run``; ``take`` returns at once, so that an interruption is never late.

    Args:
        agents: that can be talked to.
        page: where events go.
        detector: tells speech from other sounds.
        turn_taking: when turns of the microphone begin and end; no recording may be longer, either.
        longest_text: characters that a user may write.
        kept: keeps the conversation for as long as it lasts.
        threads: in which agents work.
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        page: Page,
        *,
        detector: SpeechDetector,
        turn_taking: TurnTaking,
        longest_text: int,
        kept: KeptConversations,
        threads: Executor,
    ) -> None:
        self._agents = agents
        self._page = page
        self._detector = detector
        self._turn_taking = turn_taking
        self._longest_text = longest_text
        self._kept = kept
        self._name = ""  # of the conversation
        self._threads = threads
        self._dialogue: Dialogue | None = None
        self._microphone: _Microphone | None = None
        self._turn: TurnProgress | None = None
        self._turns = 0
        self._unanswered: Part | None = None  # what an error kept from being answered
        self._waiting: asyncio.Queue[Begin | Regenerate | Part | None] = asyncio.Queue(_MOST_WAITING)

    async def run(self) -> None:
        """Begin conversations and answer turns, one after another, until ``close`` is called."""
        try:
            await self._run()
        except PageClosedError:
            _log.debug("a page was closed within a turn")
        finally:
            self._kept.forget(self._name)

    async def _run(self) -> None:
        while (wanted := await self._waiting.get()) is not None:
            try:
                if isinstance(wanted, Begin):
                    await self._begin(wanted)
                else:
                    await self._answer(wanted)
            except PageClosedError:
                raise
            except Exception as error:  # whatever goes wrong: the user hears of it, and the talk goes on
                await self._complain(error)

    async def take(self, order: Order) -> None:
        """Take an order of the page; one that asks for an answer interrupts the one under way.

        Raises:
            OrderError: it cannot be carried out; the message is for the user.
        """
        match order:
            case Begin() | Regenerate():
                self._ask(order)
            case Say(text):
                if not 0 < len(text) <= self._longest_text:
                    raise OrderError(f"a text must have 1 to {self._longest_text:,} characters")
                self._ask(text)
            case Recording(waveform):
                if not 0 < len(waveform) <= self._turn_taking.longest * SAMPLE_RATE:
                    raise OrderError(f"a recording must last no longer than {self._turn_taking.longest:g} seconds")
                self._ask(_recording(waveform))
            case Listen(rate):
                activity = VoiceActivity(self._detector, self._turn_taking)
                self._microphone = _Microphone(activity, rate) if rate else None
            case Heard(waveform):
                await self._hear(waveform)
            case Played(number, seconds) | Interrupt(number, seconds):
                if self._turn is not None and self._turn.number == number:
                    self._turn.hear(seconds)
                    if isinstance(order, Interrupt):
                        self._turn.interrupt()

    def close(self) -> None:
        """End the answer under way, and all that waits."""
        self._microphone = None
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._ask(None)

    def _ask(self, wanted: Begin | Regenerate | Part | None) -> None:
        try:
            self._waiting.put_nowait(wanted)
        except asyncio.QueueFull:
            raise OrderError("too much is waiting for an answer") from None
        if self._turn is not None:
            self._turn.interrupt()

    async def _hear(self, waveform: Samples) -> None:
        if self._microphone is None:
            return
        if len(waveform) > self._microphone.rate:  # all other pages wait while it is listened to
            raise OrderError("the sound of a microphone must come in pieces of at most a second")
        for event in self._microphone.feed(waveform):
            if isinstance(event, SpeechStarted):
                await self._page.show({"type": "speech_started"})
            else:
                await self._page.show({"type": "speech_ended", "seconds": len(event.waveform) / SAMPLE_RATE})
                self._ask(_recording(event.waveform))

    async def _begin(self, order: Begin) -> None:
        if not 0 <= order.agent < len(self._agents):
            raise OrderError("agent: there is none of this number")
        agent, choice = self._agents[order.agent], order.choice
        if choice.voice not in (agent.voices or ("",)):
            raise OrderError("voice: there is none of this name")
        if not choice.tools <= {tool.name for tool in agent.tools}:
            raise OrderError("tools: there is none of this name")
        if len(choice.system) > self._longest_text and choice.system != agent.system:
            raise OrderError(f"a system message must have no more than {self._longest_text:,} characters")
        self._dialogue = self._unanswered = None
        self._kept.forget(self._name)
        dialogue = await self._in_thread(lambda: agent.begin(choice))
        self._dialogue, self._name = self._kept.keep(dialogue, agent.about(choice))
        await self._page.show({"type": "begun", "conversation": self._name})

    async def _answer(self, wanted: Regenerate | Part) -> None:
        dialogue = self._dialogue
        if dialogue is None:
            raise OrderError("no conversation was begun")
        asked = self._unanswered if isinstance(wanted, Regenerate) else wanted
        try:
            events = dialogue.regenerate() if asked is None else dialogue.answer(asked)
        except IndexError:
            raise OrderError("there is nothing to answer anew") from None
        self._turns += 1
        self._turn = TurnProgress(dialogue, self._turns)
        self._unanswered = asked
        try:
            await self._page.show({"type": "turn_started", "turn": self._turns, "said": _said(wanted)})
            while (event := await self._in_thread(lambda: next(events, None))) is not None:
                await self._send(event, self._turn)
                if isinstance(event, TurnEnd):
                    self._unanswered = None
        except PageClosedError:
            raise
        except Exception as error:  # likewise, and the turn is over
            await self._complain(error)
            await self._page.show({"type": "turn_ended", "interrupted": True, "voice": ""})
        finally:
            self._turn = None
            await self._in_thread(events.close)

    async def _send(self, event: Event, turn: TurnProgress) -> None:
        match event:
            case Sound():
                if not turn.interrupted:
                    turn.sent += len(event.waveform) / Token2Wav.sample_rate
                    await self._page.play(pcm(event.waveform.numpy()))
                    await turn.wait_until_heard(but=_LEAD)
            case ToolCallArguments():
                turn.is_calling = True
            case ToolStarted():
                turn.earlier, turn.is_calling = turn.sent, False
            case AnswerEnd():
                if not turn.is_calling:
                    await turn.wait_until_heard(but=0)
        turn.remind()
        if message := shown(event, turn.dialogue):
            await self._page.show(message)

    async def _complain(self, error: Exception) -> None:
        if isinstance(error, ValueError):  # of what was asked, in words
            reason = str(error)
        else:
            _log.error("a model failed", exc_info=error)
            reason = f"the model failed ({type(error).__name__})"
        await self._page.show({"type": "fault", "message": reason})

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class _Microphone:
    """A microphone of any rate, listened to at 16 kHz.

    Args:
        activity: what listens.
        rate: of the microphone.

    Attributes:
        rate: of the microphone.
    """

    def __init__(self, activity: VoiceActivity, rate: int) -> None:
        self.rate = rate
        self._activity = activity
        self._resampler: Any = None
        if rate != SAMPLE_RATE:
            import soxr

            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def feed(self, samples: Samples) -> Any:
        """Take in more samples, and tell what they bring."""
        if self._resampler is not None:
            samples = np.asarray(self._resampler.resample_chunk(samples))
        return self._activity.feed(samples)


def _recording(waveform: Samples) -> AudioPart:
    return AudioPart(torch.from_numpy(waveform))


def _said(wanted: Regenerate | Part) -> str | float | None:
    """Say for the page what a turn answers: a text, seconds of speech, or what the last one answered."""
    if isinstance(wanted, AudioPart):
        return len(wanted.waveform) / SAMPLE_RATE
    return wanted if isinstance(wanted, str) else None
