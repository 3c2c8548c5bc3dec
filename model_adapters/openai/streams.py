"""Chat completions that come piece by piece, put together as servers send them."""

import json
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Any

from evalkit.audio.wav import samples_of_wav, wav_of_samples
from evalkit.errors import TransientError
from model_adapters.openai.completions import (
    SPEECH_RATE,
    choice_answers_with_error,
    error_of_choice,
    listed,
    words_of,
)
from model_adapters.shared.event_stream import DONE
from model_adapters.shared.values import decoded_base64, fields

AddDelta = Callable[[dict[str, Any], Mapping[str, Any]], None]
"""Adds what one chunk brings to the message so far."""


def add_delta(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add what one chunk of a stream brings to the message so far, which ``merge_stream`` then closes.

    Raises:
        ValueError: its words cannot be read.
    """
    content = words_of(delta.get("content"))
    if content is None:
        raise ValueError(f"its content is no text: {delta}")
    if content:
        message["content"] = message.get("content", "") + content
    if refusal := words_of(delta.get("refusal")):
        message["refusal"] = message.get("refusal", "") + refusal
    if audio := fields(delta.get("audio")):
        so_far = message.setdefault("audio", {"data": [], "transcript": ""})
        so_far["transcript"] += words_of(audio.get("transcript")) or ""
        if isinstance(audio.get("data"), str):
            so_far["data"].append(audio["data"])
    pieces = delta.get("tool_calls")
    if not pieces and isinstance(delta.get("function_call"), Mapping):
        pieces = [{"index": 0, "function": delta["function_call"]}]  # the form before there were several
    for piece in listed(pieces):
        _add_call(message.setdefault("tool_calls", []), fields(piece))


def words_in(delta: Mapping[str, Any]) -> str:
    """Return the words that one chunk of a stream brings, written or spoken."""
    return words_of(delta.get("content")) or words_of(fields(delta.get("audio")).get("transcript")) or ""


async def merge_stream(
    documents: AsyncIterable[Any], add: AddDelta = add_delta, speech_rate: int = SPEECH_RATE
) -> dict[str, Any]:
    """Return the completion that a stream of chunks adds up to.

    Args:
        documents: of the stream, as JSON values, and ``DONE``.
        add: another way to add a delta to a message, for servers whose messages have further fields.
        speech_rate: in hertz, of sound that comes as bare samples.

    Raises:
        TransientError: the stream holds an error, or ended before every answer was finished.
        ValueError: it is not of the documented form.
    """
    choices: dict[int, dict[str, Any]] = {}
    completion: dict[str, Any] = {}
    done = False
    async for document in documents:
        if document is DONE:
            done = True
            break
        chunk = fields(document)
        _raise_error(chunk)
        completion |= {name: chunk[name] for name in ("usage", "model", "system_fingerprint") if chunk.get(name)}
        for position, raw in enumerate(listed(chunk.get("choices"))):
            choice = fields(raw)
            _raise_error(choice)
            index = choice.get("index")
            index = index if isinstance(index, int) else position
            so_far = choices.setdefault(index, {"index": index, "message": {}, "finish_reason": None})
            add(so_far["message"], _delta(chunk, choice))
            so_far["finish_reason"] = choice.get("finish_reason") or so_far["finish_reason"]
            if content := fields(choice.get("logprobs")).get("content"):
                entries = content if isinstance(content, list) else [content]
                so_far.setdefault("logprobs", {"content": []})["content"] += entries
    # A server may close its stream without a finish reason; one that only ends may have been cut off.
    if not choices or not (done or all(choice["finish_reason"] for choice in choices.values())):
        raise TransientError("the stream broke off before the answer was finished")
    for choice in choices.values():
        _close(choice["message"], speech_rate)
    return completion | {"choices": [choices[index] for index in sorted(choices)]}


def _raise_error(record: Mapping[str, Any]) -> None:
    if choice_answers_with_error(record) or record.get("type") == "error":
        raise error_of_choice(record)


def _delta(chunk: Mapping[str, Any], choice: Mapping[str, Any]) -> Mapping[str, Any]:
    delta = fields(choice.get("delta") if choice.get("delta") is not None else choice.get("message"))
    if chunk.get("modality") == "audio" and isinstance(delta.get("content"), str):
        return {"audio": {"data": delta["content"]}}  # vllm-omni puts the base64 of its speech where words stand
    return delta


def _add_call(calls: list[dict[str, Any]], piece: Mapping[str, Any]) -> None:
    """Add a piece of a tool call to the call that it belongs to, or begin a new one."""
    function = fields(piece.get("function")) or piece
    name = function.get("name") if isinstance(function.get("name"), str) else ""
    identifier = piece.get("id") if isinstance(piece.get("id"), str | int) else ""
    call = _call_of(calls, piece.get("index"), str(identifier or ""), name or "")
    if call is None:
        call = {"index": piece.get("index"), "id": "", "name": "", "arguments": []}
        calls.append(call)
    call["id"] = call["id"] or str(identifier or "")
    if name and name != call["name"]:  # some servers repeat it in every piece
        call["name"] = name if name.startswith(call["name"]) else call["name"] + name
    arguments = function.get("arguments")
    if arguments is not None:
        call["arguments"].append(arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False))


def _call_of(calls: list[dict[str, Any]], index: Any, identifier: str, name: str) -> dict[str, Any] | None:
    """Return the call that a piece goes on with; None for a new one. An index may be missing, or 0 for every call."""
    if index is not None:
        fitting = [call for call in calls if call["index"] == index]
    else:
        fitting = [call for call in calls if call["id"] == identifier] if identifier else calls
    if not fitting:
        return None
    call = fitting[-1]
    if identifier and call["id"] and identifier != call["id"]:
        return next((call for call in fitting if call["id"] == identifier), None)
    begins_another = index is None and not identifier and name and call["name"] and _is_json("".join(call["arguments"]))
    return None if begins_another else call


def _close(message: dict[str, Any], speech_rate: int) -> None:
    """Bring what was gathered piece by piece into the form of a whole message."""
    if "tool_calls" in message:
        calls = message["tool_calls"]
        if all(isinstance(call["index"], int) for call in calls):
            calls = sorted(calls, key=lambda call: call["index"])
        message["tool_calls"] = [
            {"id": call["id"], "function": {"name": call["name"], "arguments": _arguments(call["arguments"])}}
            for call in calls
        ]
    if audio := message.get("audio"):
        import pybase64

        sound = _wav(audio["data"], speech_rate)
        audio["data"] = pybase64.b64encode_as_string(sound) if sound else ""


def _arguments(pieces: list[str]) -> str:
    """Join the pieces; or take the last one alone where every piece held all that there was so far."""
    joined = "".join(pieces)
    if len(pieces) > 1 and not _is_json(joined):
        last = pieces[-1]
        if _is_json(last) and all(piece == "{}" or last.startswith(piece) for piece in pieces):
            return last
    return joined


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _wav(pieces: list[str], rate: int) -> bytes:
    """Return the sound of a stream as one WAV file; empty if there is none.

    A piece is base64 of its own, or a cut of one long text; it stands for bare samples, or for a WAV file.
    """
    texts = ["".join(piece.split()) for piece in pieces]
    cut = any(len(text) % 4 and "=" not in text for text in texts[:-1])
    samples = b""
    for text in ["".join(texts)] if cut else texts:
        content = decoded_base64(text)
        if content.startswith(b"RIFF"):
            content, rate = samples_of_wav(content)
        samples += content
    return wav_of_samples(samples[: len(samples) // 2 * 2], rate) if samples else b""
