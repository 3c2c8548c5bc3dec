"""How far a turn is: what of its sound was sent, and what was heard."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from step_audio_2.live.dialogue import Dialogue

_GRACE = 1.0
"""Seconds that a page may be late in saying what it played; one that never says so does not hold up its answer."""


@dataclass(slots=True)
class TurnProgress:
    """How far a turn is.

    Attributes:
        dialogue: that it is of.
        number: by which the page names it.
        sent: seconds of sound that were sent.
        heard: seconds of it that were heard.
        earlier: seconds that belong to answers before the present one.
        is_calling: the present answer calls a tool.
        interrupted: nobody wants to hear the rest.
    """

    dialogue: Dialogue
    number: int
    sent: float = 0.0
    heard: float = 0.0
    earlier: float = 0.0
    is_calling: bool = False
    interrupted: bool = False
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, seconds: float) -> None:
        """Note what was heard; no page has heard more than it was sent."""
        self.heard = max(self.heard, min(seconds, self.sent))
        self._moved.set()

    def interrupt(self) -> None:
        """Have the answer end where it was heard to."""
        self.interrupted = True
        self._moved.set()
        self.remind()

    def remind(self) -> None:
        """Tell once more what was heard of an answer that was interrupted."""
        if self.interrupted:
            self.dialogue.interrupt(max(0.0, self.heard - self.earlier))

    async def wait_until_heard(self, *, but: float) -> None:
        """Wait until all but so many seconds were heard, and no longer than it takes to play them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.sent - self.heard - but + _GRACE):
                while not self.interrupted and self.sent - self.heard > but:
                    self._moved.clear()
                    await self._moved.wait()
