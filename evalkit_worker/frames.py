"""Frames over a pipe: JSON, and the samples of the sounds in it as they are.

A frame is the four letters ``ekw1``, the length of its JSON in bytes (unsigned, 4 bytes, little-endian), the count of
its samples (unsigned, 8 bytes), the JSON in UTF-8, and the samples (float32, little-endian) of all sounds one after
another. The JSON's field ``sounds`` lists them, each ``{samples, rate, name, digest}``; where one belongs, it stands as
``{"sound": NUMBER}``.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, BinaryIO

import numpy as np

from evalkit_worker.types import Message, Request, Response, Sound

_HEAD = struct.Struct("<4sIQ")
_BEGINNING = b"ekw1"
_SAMPLE = np.dtype("<f4")
Frame = Mapping[str, Any]
"""The JSON of a frame that was read; ``sounds`` holds them whole."""


def write_frame(pipe: BinaryIO, content: Mapping[str, Any]) -> None:
    """Write a frame; see ``encoded``.

    Raises:
        OSError: the other side is gone.
        TypeError, ValueError: something in it is no JSON value; nothing is written.
    """
    write_pieces(pipe, encoded(content))


def write_pieces(pipe: BinaryIO, pieces: Sequence[bytes]) -> None:
    """Write a frame that is encoded already.

    Raises:
        OSError: the other side is gone.
    """
    for piece in pieces:
        pipe.write(piece)
    pipe.flush()


def encoded(content: Mapping[str, Any]) -> list[bytes]:
    """Return the bytes of a frame in pieces.

    Args:
        content: JSON values, in which requests and responses may stand too.

    Raises:
        TypeError, ValueError: something in it is no JSON value.
    """
    sounds: list[Sound] = []
    values = _plain(content, sounds)
    samples = [_channel(sound) for sound in sounds]
    listed = [
        {"samples": len(sound.samples), "rate": int(sound.rate), "name": sound.name, "digest": sound.digest}
        for sound in sounds
    ]
    text = json.dumps({**values, "sounds": listed}, allow_nan=False).encode()
    head = _HEAD.pack(_BEGINNING, len(text), sum(map(len, samples)))
    return [head, text, *(channel.tobytes() for channel in samples)]


def read_frame(pipe: BinaryIO) -> Frame:
    """Return the next frame.

    Raises:
        EOFError: the other side is gone, be it in the middle of a frame.
        ValueError: it is no frame.
    """
    beginning, length, count = _HEAD.unpack(_exactly(pipe, _HEAD.size))
    if beginning != _BEGINNING:
        raise ValueError(f"it begins with {beginning!r}")
    content = json.loads(_exactly(pipe, length))
    samples = np.frombuffer(_exactly(pipe, count * _SAMPLE.itemsize), _SAMPLE).astype(np.float32)
    if sum(each["samples"] for each in content["sounds"]) != count:
        raise ValueError("a frame holds other samples than its sounds have")
    sounds, begin = [], 0
    for each in content["sounds"]:
        end = begin + each["samples"]
        sounds.append(Sound(samples[begin:end], each["rate"], each["name"], each["digest"]))
        begin = end
    return {**content, "sounds": sounds}


def requests_from(frame: Frame) -> list[Request]:
    """Return the requests that a frame holds.

    Raises:
        TypeError: a field is not known.
    """
    sounds = frame["sounds"]
    return [
        Request(**{**_in_tuples(each), "messages": tuple(_message(message, sounds) for message in each["messages"])})
        for each in frame["requests"]
    ]


def responses_from(frame: Frame) -> list[Response]:
    """Return the responses that a frame holds.

    Raises:
        TypeError: a field is not known.
    """
    sounds = frame["sounds"]
    return [
        Response(**{**_in_tuples(each), "speech": each["speech"] and sounds[each["speech"]["sound"]]})
        for each in frame["responses"]
    ]


def _message(content: Mapping[str, Any], sounds: Sequence[Sound]) -> Message:
    parts = tuple(part if isinstance(part, str) else sounds[part["sound"]] for part in content["content"])
    return Message(**{**_in_tuples(content), "content": parts})


def _in_tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}


def _plain(value: Any, sounds: list[Sound]) -> Any:
    """Return JSON values, and add the sounds in them to the list."""
    if isinstance(value, Sound):
        sounds.append(value)
        return {"sound": len(sounds) - 1}
    if isinstance(value, (Message, Request, Response)):
        return {each.name: _plain(getattr(value, each.name), sounds) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each, sounds) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, sounds) for each in value]
    return value


def _channel(sound: Sound) -> Any:
    samples = np.ascontiguousarray(sound.samples, _SAMPLE)
    if samples.ndim != 1:
        raise ValueError(f"the samples of a sound must be one channel [samples], not of shape {samples.shape}")
    return samples


def _exactly(pipe: BinaryIO, count: int) -> bytes:
    data = pipe.read(count)
    if len(data) != count:
        raise EOFError("the other side is gone")
    return data
