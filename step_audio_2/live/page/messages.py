"""What goes over the wire: orders of the page as JSON or sound, and what it is to show as JSON.

What the page sends is untrusted: it is read into frozen types, or refused in a sentence.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from step_audio_2.answers import SpeechDelta
from step_audio_2.assistant import Thought
from step_audio_2.live.dialogue import Dialogue, Event, ToolFinished, ToolStarted, TurnEnd
from step_audio_2.live.page.agent import Agent, Choice
from step_audio_2.live.page.voice_activity import Samples
from step_audio_2.live.untrusted_text import whole
from step_audio_2.tool_calls import ContentDelta

Kind = TypeVar("Kind")

_MICROPHONE, _RECORDING = 0, 1
# What microphones of browsers are heard at.
_RATES = range(8_000, 192_001)


class OrderError(ValueError):
    """An order of the page that cannot be carried out, in words for its user."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a conversation anew.

    Attributes:
        agent: number of whom to talk to.
        choice: how.
    """

    agent: int
    choice: Choice


@dataclass(frozen=True, slots=True)
class Say:
    """Answer a text.

    Attributes:
        text: what the user writes.
    """

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Answer a recording.

    Attributes:
        waveform: [samples] at 16 kHz.
    """

    waveform: Samples


@dataclass(frozen=True, slots=True)
class Listen:
    """Listen to the microphone from now on.

    Attributes:
        rate: of its samples; 0 to listen no longer.
    """

    rate: int


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """More of the microphone's sound.

    Attributes:
        waveform: [samples] at its rate.
    """

    waveform: Samples


@dataclass(frozen=True, slots=True)
class Played:
    """So much of a turn's sound was heard.

    Attributes:
        turn: number of it.
        seconds: of its sound.
    """

    turn: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Break off an answer, unless it is over.

    Attributes:
        turn: number of it.
        seconds: of its sound that were heard.
    """

    turn: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Regenerate:
    """Answer the last turn anew."""


Order = Begin | Say | Recording | Listen | Heard | Played | Interrupt | Regenerate


def read_sound(data: bytes) -> Order:
    """Read a binary message: a byte that says what it is, and samples of 16 bits.

    Raises:
        OrderError: it is something else.
    """
    if len(data) % 2 == 0 or data[0] not in (_MICROPHONE, _RECORDING):
        raise OrderError("a sound must be a byte, 0 or 1, and whole samples of 16 bits")
    waveform = np.frombuffer(data, "<i2", offset=1).astype(np.float32) / np.float32(32_768)
    return Recording(waveform) if data[0] == _RECORDING else Heard(waveform)


def read_order(text: str) -> Order:
    """Read a message of text, a JSON object with ``type``.

    Raises:
        OrderError: it is something else; the message names the key.
    """
    try:
        order = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OrderError("an order must be JSON") from error
    if not isinstance(order, dict):
        raise OrderError("an order must be a JSON object")
    match _value(order, "type", str):
        case "begin":
            tools = _value(order, "tools", list)
            if not all(isinstance(name, str) for name in tools):
                raise OrderError("tools must be a list of names")
            choice = Choice(whole(_value(order, "system", str)), _value(order, "voice", str), frozenset(tools))
            return Begin(_value(order, "agent", int), choice)
        case "say":
            return Say(whole(_value(order, "text", str)).strip())
        case "listen":
            rate = _value(order, "rate", int)
            if rate and rate not in _RATES:
                raise OrderError(f"rate must lie between {_RATES[0]} and {_RATES[-1]}")
            return Listen(rate)
        case "played":
            return Played(_value(order, "turn", int), _seconds(order))
        case "interrupt":
            return Interrupt(_value(order, "turn", int), _seconds(order))
        case "regenerate":
            return Regenerate()
    raise OrderError("type: there is no such order")


def _value(order: Mapping[str, Any], name: str, kind: type[Kind]) -> Kind:
    value = order.get(name)
    if not isinstance(value, kind):
        raise OrderError(f"{name} is missing or of a wrong type")
    return value


def _seconds(order: Mapping[str, Any]) -> float:
    value = order.get("seconds")
    # Python reads NaN and infinities, too.
    if not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise OrderError("seconds must be a number that is not negative")
    return float(value)


def choices(agents: Sequence[Agent], longest_text: int, longest_recording: float) -> dict[str, Any]:
    """Say what there is to choose from, and how much may be said at once, in characters and seconds."""
    return {
        "type": "agents",
        "longest_text": longest_text,
        "longest_recording": longest_recording,
        "agents": [
            {
                "title": agent.title,
                "system": agent.system,
                "voices": list(agent.voices),
                "tools": [{"name": tool.name, "description": tool.description} for tool in agent.tools],
            }
            for agent in agents
        ],
    }


def shown(event: Event, dialogue: Dialogue) -> dict[str, Any] | None:
    """Say what the page is to show of an event; None for nothing."""
    match event:
        case SpeechDelta(text) | ContentDelta(text):
            return {"type": "words", "text": text}
        case Thought():
            return {"type": "thought", **asdict(event)}
        case ToolStarted(call):
            return {"type": "tool_started", "name": call.name, "arguments": call.arguments}
        case ToolFinished(call, result, seconds):
            return {
                "type": "tool_finished",
                "name": call.name,
                "text": result.text,
                "failed": result.failed,
                "seconds": seconds,
                "documents": [asdict(document) for document in result.documents],
                "voice": None if result.voice is None else Path(result.voice.name).stem,
            }
        case TurnEnd(interrupted):
            voice = dialogue.voice
            name = "" if voice is None else Path(voice.name).stem
            return {"type": "turn_ended", "interrupted": interrupted, "voice": name}
    return None


def pcm(waveform: Samples) -> bytes:
    """Write sound as samples of 16 bits."""
    return (waveform.clip(-1, 1) * 32_767).astype("<i2").tobytes()
