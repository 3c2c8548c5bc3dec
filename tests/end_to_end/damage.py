"""Ways in which a file of a run folder can be damaged, by chance or on purpose."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Damage = Callable[[bytes], bytes]

# What may stand where a value of another kind is expected.
ODD_VALUES: tuple[Any, ...] = (None, True, -1, 1e300, 10**400, "odd \ud83d \x1b[2J", [], [None], {}, {"a": {"b": []}})


def damages(name: str, rounds: int) -> Iterator[tuple[str, Damage]]:
    """Yield each way to damage a file, with what it is called.

    Args:
        name: of the file, which decides whether it is damaged as bytes alone or as JSON too.
        rounds: how many odd values to put into JSON, each at a place of its own.
    """
    yield "empty", lambda content: b""
    yield "cut short", lambda content: content[: len(content) // 2]
    yield "cut at its end", lambda content: content[:-7]
    yield "zeros", lambda content: bytes(len(content))
    yield "no UTF-8", lambda content: content[:20] + b"\xff\xfe" + content[20:]
    yield "garbage", lambda content: random.Random(0).randbytes(200)
    yield "a bit turned", lambda content: content[:99] + bytes([content[99] ^ 0x55]) + content[100:]
    yield "another kind of content", lambda content: b"[]\n"
    yield "a number", lambda content: b"5\n"
    yield "nested without end", lambda content: b'{"a":' * 100_000
    yield "repeated", lambda content: content + content
    if name.endswith((".json", ".jsonl")):
        for seed in range(rounds):
            yield f"an odd value, {seed}", _odd_value(seed, lines=name.endswith(".jsonl"))


def _odd_value(seed: int, *, lines: bool) -> Damage:
    def damage(content: bytes) -> bytes:
        rng = random.Random(seed)
        records = [json.loads(line) for line in (content.splitlines() if lines else [content])]
        record = rng.choice(records)
        _put(record, rng)
        return b"".join(json.dumps(each).encode() + b"\n" for each in records)

    return damage


def _put(content: Any, rng: random.Random) -> None:
    """Put an odd value, or nothing at all, in a place that is as likely to be deep as not."""
    places = list(_places(content))
    holder, key = rng.choice(places)
    if isinstance(holder, dict) and rng.random() < 0.2:
        del holder[key]
    else:
        holder[key] = rng.choice(ODD_VALUES)


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(content.items() if isinstance(content, dict) else enumerate(content)):
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)
