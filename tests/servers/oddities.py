"""Good answers in odd forms, as servers and gateways give them, and errors of gateways in place of answers.

Each oddity is a function from the reply of the strict server to the one that is sent in its place. What they are made
of was met at vLLM, vllm-omni, SGLang, LiteLLM, OpenRouter, DashScope, Gemini, Ollama and others.
"""

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.servers.completions import DONE, event
from tests.servers.connection import Reply

Oddity = Callable[[Reply], Reply]


def whole(change: Callable[[dict[str, Any]], Any]) -> Oddity:
    """An oddity of a whole answer, changed in place as JSON values, or replaced by what the change returns."""

    def odd(reply: Reply) -> Reply:
        document = json.loads(reply.pieces[0])
        changed = change(document)
        return replace(reply, pieces=(json.dumps(changed if isinstance(changed, dict) else document).encode(),))

    return odd


def message(change: Callable[[dict[str, Any]], Any]) -> Oddity:
    """An oddity of the message of every choice, changed in place."""
    return whole(lambda document: [change(choice["message"]) for choice in document["choices"]])


def streamed(change: Callable[[list[dict[str, Any]]], Any]) -> Oddity:
    """An oddity of the chunks of a stream, changed in place, or replaced by what the change returns."""

    def odd(reply: Reply) -> Reply:
        chunks = [json.loads(piece.removeprefix(b"data: ")) for piece in reply.pieces[:-1]]
        changed = change(chunks)
        return replace(reply, pieces=(*map(event, chunks if changed is None else changed), DONE))

    return odd


def each_choice(change: Callable[[dict[str, Any]], Any]) -> Oddity:
    """An oddity of the choices of every chunk of a stream, changed in place."""
    return streamed(lambda chunks: [change(choice) for chunk in chunks for choice in chunk["choices"]] and None)


def wire(change: Callable[[bytes], bytes], content_type: str | None = None, **headers: str) -> Oddity:
    """An oddity of the body as it goes over the wire, and of its headers."""

    def odd(reply: Reply) -> Reply:
        further = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return Reply(
            reply.status, content_type or reply.content_type, (change(b"".join(reply.pieces)),), headers=further
        )

    return odd


def with_usage(text: str) -> Oddity:
    """An oddity of the usage, given as JSON text so that numbers can stand in it that JSON does not have."""

    def change(body: bytes) -> bytes:
        return json.dumps({**json.loads(body), "usage": "@"}).replace('"@"', text).encode()

    return wire(change)


def _set(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record.update(values)


def _choice(**values: Any) -> Oddity:
    return whole(lambda document: document["choices"][0].update(values))


def _sound(change: Callable[[str], str]) -> Oddity:
    return message(lambda record: record["audio"].update(data=change(record["audio"]["data"])))


def _calls(change: Callable[[dict[str, Any]], Any]) -> Oddity:
    return message(lambda record: [change(call) for call in record["tool_calls"]])


def _arguments(change: Callable[[str], Any]) -> Oddity:
    return _calls(lambda call: call["function"].update(arguments=change(call["function"]["arguments"])))


def _divided(first: str, document: dict[str, Any]) -> None:
    """Words in one choice, sound in another, as vllm-omni gives them; both have the index 0."""
    (choice,) = document["choices"]
    spoken = choice["message"]["audio"]
    words = {**choice, "message": {"role": "assistant", "content": spoken["transcript"]}}
    sound = {**choice, "message": {"role": "assistant", "content": None, "audio": {**spoken, "transcript": None}}}
    document["choices"] = [words, sound] if first == "words" else [sound, words]


WHOLE: Mapping[str, Oddity] = {
    "content as a list of parts": message(lambda record: record.update(content=_parts(record["content"]))),
    "content as one part": message(lambda record: record.update(content={"type": "text", "text": record["content"]})),
    "a thought among the parts": message(
        lambda record: record.update(content=[{"type": "thinking", "thinking": "Hm."}, *_parts(record["content"])])
    ),
    "a part of another kind": message(
        lambda record: record.update(content=[*_parts(record["content"]), {"type": "citation", "url": "x"}])
    ),
    "a thought beside the content": message(_set(reasoning_content="Hm.", reasoning={"text": "Hm."})),
    "refusal empty": message(_set(refusal="")),
    "no role": message(lambda record: record.pop("role")),
    "no index": whole(lambda document: document["choices"][0].pop("index")),
    "null beside the choices": whole(lambda document: document["choices"].append(None)),
    "a choice that is an object": whole(lambda document: document.update(choices=document["choices"][0])),
    "an empty error": whole(_set(error={"code": 0, "message": ""})),
    "error null": whole(_set(error=None)),
    "finish reason a number": _choice(finish_reason=0),
    "finish reason an object": _choice(finish_reason={"type": "stop"}),
    "no finish reason": whole(lambda document: document["choices"][0].pop("finish_reason")),
    "log probabilities a number": _choice(logprobs=-1.5),
    "log probabilities of another kind": _choice(logprobs={"content": ["a", 1]}),
    "log probabilities an object": _choice(logprobs={"content": "x"}),
    "no usage": whole(lambda document: document.pop("usage") and None),
    **{f"usage {text[:40]}": with_usage(text) for text in (
        "null", '"free"', "[]", "7", "{}",
        '{"prompt_tokens": NaN}', '{"prompt_tokens": Infinity}', '{"prompt_tokens": 1e999}',
        '{"prompt_tokens": -5, "completion_tokens": -1e9}', '{"prompt_tokens": "12"}', '{"prompt_tokens": true}',
        f'{{"prompt_tokens": {"9" * 400}}}', f'{{"prompt_tokens": {"9" * 5000}}}',
        '{"prompt_tokens": {"text": 3}}', '{"prompt_tokens": 1.5}', '{"prompt_tokens_details": [3]}',
        '{"completion_tokens_details": {"audio_tokens": 1e400}}',
    )},
}  # fmt: skip
"""Oddities of a whole text answer."""

CALLS: Mapping[str, Oddity] = {
    "arguments an object": _arguments(json.loads),
    "no type": _calls(lambda call: call.pop("type")),
    "content null": message(_set(content=None)),
    "content absent": message(lambda record: record.pop("content", None)),
    "content empty parts": message(_set(content=[])),
    "index beside each call": message(
        lambda record: [call.update(index=number) for number, call in enumerate(record["tool_calls"])]
    ),
    "finish reason stop": _choice(finish_reason="stop"),
}
"""Oddities of a whole answer that calls tools."""

ABSENT_ARGUMENTS: Mapping[str, Oddity] = {
    "null": _arguments(lambda text: None),
    "empty": _arguments(lambda text: ""),
    "absent": _calls(lambda call: call["function"].pop("arguments")),
    "an empty object": _arguments(lambda text: {}),
}
"""Oddities of a whole answer that calls a tool without arguments."""

SPOKEN: Mapping[str, Oddity] = {
    "lines of 76 letters": _sound(lambda data: base64.encodebytes(base64.b64decode(data)).decode()),
    "a data URL": _sound(lambda data: f"data:audio/wav;base64,{data}"),
    "a data URL without type": _sound(lambda data: f"data:;base64,{data}"),
    "no padding": _sound(lambda data: data.rstrip("=")),
    "URL-safe letters": _sound(lambda data: data.replace("+", "-").replace("/", "_")),
    "words in a second choice's place": whole(lambda document: _divided("sound", document)),
    "sound in a second choice": whole(lambda document: _divided("words", document)),
}
"""Oddities of a whole spoken answer."""

WIRE: Mapping[str, Oddity] = {
    "as text/plain": wire(lambda body: body, "text/plain"),
    "as octets": wire(lambda body: body, "application/octet-stream"),
    "as HTML": wire(lambda body: body, "text/html; charset=utf-8"),
    "a byte order mark": wire(lambda body: b"\xef\xbb\xbf" + body),
    "white space around it": wire(lambda body: b" \r\n" * 900 + body + b"\n\n"),
    "compressed unasked": wire(gzip.compress, content_encoding="gzip"),
}
"""Oddities of how an answer of any kind is sent."""

STREAMED: Mapping[str, Oddity] = {
    "carriage returns": wire(lambda body: body.replace(b"\n", b"\r")),
    "carriage returns and line feeds": wire(lambda body: body.replace(b"\n", b"\r\n")),
    "comments": wire(lambda body: b": OPENROUTER PROCESSING\n\n" + body.replace(b"\n\n", b"\n\n: keep-alive\n\n")),
    "names, ids and times to wait": wire(
        lambda body: body.replace(b"data: ", b"event: message\nid: 7\nretry: 5\ndata: ")
    ),
    "no space after the colon": wire(lambda body: body.replace(b"data: ", b"data:")),
    "no [DONE]": wire(lambda body: body.removesuffix(DONE)),
    "the last event not closed": wire(lambda body: body.removesuffix(DONE).rstrip()),
    "one event of many lines": wire(lambda body: body.replace(b"\n\n", b"\n") + b"\n"),
    "a document over two lines": wire(lambda body: body.replace(b'"choices": ', b'"choices":\ndata: ')),
    "a ping": wire(lambda body: b"event: ping\ndata: {}\n\n" + body),
    "no index": each_choice(lambda choice: choice.pop("index")),
    "index null": each_choice(lambda choice: choice.update(index=None)),
    "choices null": streamed(lambda chunks: [{"object": "x", "choices": None}, *chunks, {"usage": None}]),
    "deltas null": streamed(lambda chunks: [{"choices": [{"index": 0, "delta": None}]}, *chunks]),
    "no finish reason but [DONE]": each_choice(lambda choice: choice.update(finish_reason=None)),
    "finish reasons empty until the last": each_choice(
        lambda choice: choice.update(finish_reason=choice["finish_reason"] or "")
    ),
    "messages in place of deltas": each_choice(lambda choice: choice.update(message=choice.pop("delta"))),
    "content as parts": each_choice(
        lambda choice: choice["delta"].update(content=_parts(choice["delta"].get("content") or ""))
    ),
    "usage in every chunk": streamed(lambda chunks: [{**chunk, "usage": {"prompt_tokens": 1}} for chunk in chunks]),
    "usage of another kind": streamed(lambda chunks: [*chunks, {"choices": [], "usage": "free"}]),
}
"""Oddities of a streamed text answer."""


def _pieces(change: Callable[[list[dict[str, Any]]], Any]) -> Oddity:
    """An oddity of the pieces of tool calls in a stream, over all chunks."""
    return streamed(
        lambda chunks: (
            change(
                [
                    piece
                    for chunk in chunks
                    for choice in chunk["choices"]
                    for piece in choice["delta"].get("tool_calls") or ()
                ]
            )
            and None
        )
    )


def _ids(pieces: list[dict[str, Any]]) -> list[str]:
    """The id of the call that each piece belongs to."""
    known = {piece["index"]: piece["id"] for piece in pieces if "id" in piece}
    return [known[piece["index"]] for piece in pieces]


def _names(pieces: list[dict[str, Any]]) -> list[str]:
    known = {piece["index"]: piece["function"]["name"] for piece in pieces if "name" in piece["function"]}
    return [known[piece["index"]] for piece in pieces]


def _cumulative(pieces: list[dict[str, Any]]) -> None:
    """Let every piece hold all the arguments that there are so far."""
    so_far: dict[int, str] = {}
    for piece in pieces:
        so_far[piece["index"]] = so_far.get(piece["index"], "") + piece["function"].get("arguments", "")
        piece["function"]["arguments"] = so_far[piece["index"]]


def _in_one_piece(chunks: list[dict[str, Any]], index: int | None, with_id: bool = True) -> list[dict[str, Any]]:
    """Give every call whole in a piece of its own, as Gemini's and Ollama's compatible servers do."""
    pieces = [
        piece for chunk in chunks for choice in chunk["choices"] for piece in choice["delta"].get("tool_calls") or ()
    ]
    _cumulative(pieces)
    last = {
        identifier: (name, piece) for identifier, name, piece in zip(_ids(pieces), _names(pieces), pieces, strict=True)
    }
    calls = [
        {
            **({"id": identifier} if with_id else {}),
            **({} if index is None else {"index": index}),
            "function": {"name": name, "arguments": piece["function"]["arguments"]},
        }
        for identifier, (name, piece) in last.items()
    ]
    rest = [chunk for chunk in chunks if not any("tool_calls" in choice["delta"] for choice in chunk["choices"])]
    new = [{"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]} for call in calls]
    return [rest[0], *new, *rest[1:]]


STREAMED_CALLS: Mapping[str, Oddity] = {
    "the id in every piece": _pieces(
        lambda pieces: [piece.update(id=identifier) for piece, identifier in zip(pieces, _ids(pieces), strict=True)]
    ),
    "the name in every piece": _pieces(
        lambda pieces: [piece["function"].update(name=name) for piece, name in zip(pieces, _names(pieces), strict=True)]
    ),
    "the id null after the first piece": _pieces(
        lambda pieces: (
            [piece.setdefault("id", None) for piece in pieces]
            and [piece["function"].setdefault("name", None) for piece in pieces]
        )
    ),
    "ids in place of indices": _pieces(
        lambda pieces: (
            [piece.update(id=identifier) for piece, identifier in zip(pieces, _ids(pieces), strict=True)]
            and [piece.pop("index") for piece in pieces]
        )
    ),
    "neither index nor id after the first piece": _pieces(lambda pieces: [piece.pop("index") for piece in pieces]),
    "all arguments so far in every piece": _pieces(_cumulative),
    "whole calls without an index": streamed(lambda chunks: _in_one_piece(chunks, None)),
    "whole calls that all have the index 0": streamed(lambda chunks: _in_one_piece(chunks, 0)),
    "whole calls without index or id": streamed(lambda chunks: _in_one_piece(chunks, None, with_id=False)),
}
"""Oddities of a streamed answer that calls tools."""

_UPSTREAM = {"code": 502, "message": "Upstream failed"}

ERRORS: Mapping[str, Oddity] = {
    "in the choice": whole(
        lambda document: document["choices"][0].update(
            message={"role": "assistant", "content": ""}, finish_reason="error", error=_UPSTREAM
        )
    ),
    "finish reason error": _choice(message={"role": "assistant", "content": ""}, finish_reason="error"),
    "in the choice beside words": _choice(error=_UPSTREAM),
    "in place of the choices": whole(lambda document: {"error": _UPSTREAM, "user_id": "x"}),
    "beside the choices": whole(_set(error="overloaded")),
    "an object of kind error": whole(lambda document: {"object": "error", "message": "CUDA", "code": 500}),
}
"""Errors of gateways inside whole answers of status 200."""

STREAMED_ERRORS: Mapping[str, Oddity] = {
    "in place of a chunk": streamed(lambda chunks: [*chunks[:-1], {"error": _UPSTREAM}]),
    "in a choice": streamed(
        lambda chunks: [
            *chunks[:-1],
            {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": _UPSTREAM}]},
        ]
    ),
    "finish reason error": streamed(
        lambda chunks: [*chunks[:-1], {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}]
    ),
    "an event named error": wire(lambda body: body.replace(DONE, b"event: error\ndata: Upstream failed\n\n")),
    "an event of type error": streamed(lambda chunks: [*chunks[:-1], {"type": "error", "message": "overloaded"}]),
}
"""Errors of gateways inside streams."""


def _parts(text: str) -> list[dict[str, str]]:
    """A text as a list of parts."""
    half = len(text) // 2
    return [{"type": "text", "text": text[:half]}, {"type": "text", "text": text[half:]}]
