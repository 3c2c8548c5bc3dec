"""What pages send is untrusted: it is read into types, or refused in a sentence that names what is wrong."""

import json
from typing import Any

import numpy as np
import pytest

from step_audio_2.live.page.agent import Choice
from step_audio_2.live.page.messages import (
    Begin,
    Heard,
    Interrupt,
    Listen,
    Order,
    OrderError,
    Recording,
    pcm,
    read_order,
    read_sound,
)

BEGIN = {"type": "begin", "agent": 0, "system": "s", "voice": "v", "tools": ["a", "b"]}


@pytest.mark.parametrize(
    ("order", "read"),
    [
        (BEGIN, Begin(0, Choice("s", "v", frozenset("ab")))),
        ({"type": "listen", "rate": 48_000}, Listen(48_000)),
        ({"type": "listen", "rate": 0}, Listen(0)),
        ({"type": "interrupt", "turn": 3, "seconds": 1}, Interrupt(3, 1.0)),
    ],
)
def test_orders_are_read(order: dict[str, Any], read: Order) -> None:
    assert read_order(json.dumps(order)) == read


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "JSON"),
        ("[" * 100_000, "JSON"),
        ("[]", "object"),
        ("{}", "type is missing"),
        ('{"type": "shutdown"}', "no such order"),
        ('{"type": "say", "text": 3}', "text is missing or of a wrong type"),
        (json.dumps({**BEGIN, "tools": [1]}), "tools"),
        (json.dumps({**BEGIN, "agent": "0"}), "agent"),
        ('{"type": "listen", "rate": 1}', "rate"),
        ('{"type": "listen", "rate": 1e5}', "rate"),
        ('{"type": "interrupt", "turn": 1, "seconds": NaN}', "seconds"),
        ('{"type": "interrupt", "turn": 1, "seconds": -1}', "seconds"),
        ('{"type": "played", "turn": 1, "seconds": 1e999}', "seconds"),
    ],
)
def test_what_is_no_order_is_refused(text: str, reason: str) -> None:
    with pytest.raises(OrderError, match=reason):
        read_order(text)


def test_sound_is_read_as_it_was_written() -> None:
    wave = np.array([0, 0.5, -1, 1, 2], np.float32)
    for kind, data in ((Heard, b"\0"), (Recording, b"\1")):
        read = read_sound(data + pcm(wave))
        assert isinstance(read, kind)
        np.testing.assert_allclose(read.waveform, [0, 0.5, -1, 1, 1], atol=1e-4)


@pytest.mark.parametrize("data", [b"", b"\0\0", b"\2\0\0"])
def test_what_is_no_sound_is_refused(data: bytes) -> None:
    with pytest.raises(OrderError, match="16 bits"):
        read_sound(data)
