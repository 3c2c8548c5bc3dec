"""Chat completions as servers give them, read into responses.

What decides the answer must be readable: its words, the calls it makes, its sound where that is wanted. What stands
beside it (usage, log probabilities, ids, finish reason) is left where it cannot be read, and noted.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.audio import Audio
from evalkit.audio.wav import wav_of_samples
from evalkit.errors import AudioError, PermanentError, TransientError
from evalkit.types import Response, ToolCall, Usage
from model_adapters.shared.server_errors import error_within, is_error
from model_adapters.shared.values import count, decoded_base64, fields, note, plain, shown

SPEECH_RATE = 24_000
"""Of speech that comes as bare samples, in hertz, where a server's documentation does not say otherwise."""

# What servers call the end of an answer that they gave up, or whose client went away (which was no client of ours).
_GIVEN_UP = frozenset({"abort", "aborted", "canceled", "cancelled", "error", "failed"})

_PARTS_APART = ("thinking", "reasoning", "redacted_thinking", "refusal")  # which are no part of the answer's words


def read_completion(completion: Any, *, spoken: bool = False, bare_rate: int | None = None) -> Response:
    """Return the response that a chat completion amounts to.

    Words and sound that a server divides between two choices are one answer.

    Args:
        completion: as JSON values.
        spoken: whether the answer was to be spoken, so that sound which cannot be read costs the attempt.
        bare_rate: in hertz, where sound comes not as a file but as bare samples; else None.

    Raises:
        PermanentError: the model refused, or a filter kept its answer back.
        TransientError: the server answers with an error, or with sound that cannot be read.
        ValueError: it is not of the documented form.
    """
    record = fields(completion)
    _raise_error(record)
    choices = [fields(choice) for choice in listed(record.get("choices"))]
    for choice in choices:
        _raise_error(choice)
    notes: list[str] = []
    answers = _joined([_answer(choice, notes) for choice in choices if isinstance(choice.get("message"), Mapping)])
    if not answers:
        raise ValueError(f"no chat completion, it has no message: {completion}")
    first = answers[0]
    finish_reason = _finish_reason(first.finish_reason, notes)
    if first.refusal:
        raise PermanentError(f"the model refused: {first.refusal}")
    if (finish_reason or "").lower() == "content_filter":
        raise PermanentError("a content filter of the server kept the answer back")
    if any(answer.text is None for answer in answers):
        raise ValueError(f"no chat completion, its words cannot be read: {completion}")
    texts = tuple(answer.text or "" for answer in answers)
    needs_sound = spoken or not (first.text or first.tool_calls)
    return Response(
        text=texts[0],
        replies=texts if len(texts) > 1 else (),
        speech=_speech(first.sound, needs_sound, bare_rate, notes),
        tool_calls=first.tool_calls,
        finish_reason=finish_reason,
        logprobs=first.logprobs,
        usage=read_usage(record.get("usage"), notes),
        notes=tuple(notes),
        answered_by=_answered_by(record),
    )


def read_usage(usage: Any, notes: list[str]) -> Usage:
    """Return what one request took by a server's ``usage``, of chat completions or of transcriptions.

    Args:
        usage: as JSON values; absent at some servers.
        notes: to add to where it cannot be read.
    """
    if usage is not None and not isinstance(usage, Mapping):
        note(notes, f"usage is {shown(usage)}, which cannot be read")
    record = fields(usage)
    read = fields(record.get("prompt_tokens_details") or record.get("input_token_details"))
    written = fields(record.get("completion_tokens_details") or record.get("output_token_details"))
    input_tokens = int(count(record, "prompt_tokens", notes) or count(record, "input_tokens", notes))
    output_tokens = int(count(record, "completion_tokens", notes) or count(record, "output_tokens", notes))
    return Usage(
        requests=1,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        input_audio_tokens=min(int(count(read, "audio_tokens", notes)), input_tokens),
        output_audio_tokens=min(int(count(written, "audio_tokens", notes)), output_tokens),
        audio_seconds=count(record, "seconds", notes, whole=False),
    )


def merge_replies(parts: Sequence[Response], wanted: int) -> Response:
    """Return one response of several, each with some of the wanted replies."""
    replies = tuple(reply for part in parts for reply in (part.replies or (part.text,)))[:wanted]
    usage = sum((part.usage for part in parts if part.usage is not None), Usage())
    notes = tuple(dict.fromkeys(line for part in parts for line in part.notes))
    return replace(parts[0], replies=replies if wanted > 1 else (), usage=usage, notes=notes)


def words_of(value: Any) -> str | None:
    """Return the words in a ``content``: a text, a part, or a list of parts, thoughts left out; None if unreadable.

    Of a list it is enough that one part is words.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        if value.get("type") in _PARTS_APART:
            return ""
        text = value.get("text")
        return plain(text) if isinstance(text, str) else None
    if isinstance(value, list):
        pieces = [piece for piece in map(words_of, value) if piece is not None]
        return "".join(pieces) if pieces or not value else None
    return None


def listed(value: Any) -> Sequence[Any]:
    """Return a list, the one thing that stands where a list should, or nothing."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, Mapping) and value else []


def choice_answers_with_error(choice: Mapping[str, Any]) -> bool:
    """Tell whether a choice, or a whole completion, holds an error of a gateway in place of an answer."""
    return (
        is_error(choice.get("error"))
        or is_error(fields(choice.get("message")).get("error"))
        or str(_end(choice)).lower() in _GIVEN_UP
        or choice.get("object") == "error"
    )


def error_of_choice(choice: Mapping[str, Any]) -> TransientError:
    """Return the exception for a choice, or a whole completion, that holds an error in place of an answer."""
    errors = (choice.get("error"), fields(choice.get("message")).get("error"))
    error = next(filter(is_error, errors), None) or choice.get("message")
    return error_within(error if isinstance(error, str) or is_error(error) else f"finish_reason is {_end(choice)!r}")


def _end(choice: Mapping[str, Any]) -> Any:
    """Return the finish reason, of some servers an object that says its type."""
    reason = choice.get("finish_reason")
    return reason.get("type") if isinstance(reason, Mapping) else reason


@dataclass(frozen=True, slots=True)
class _Answer:
    """One choice, read; its words are None where what stands for them cannot be read."""

    text: str | None
    sound: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str = ""
    finish_reason: Any = None
    logprobs: tuple[Mapping[str, Any], ...] = ()


def _raise_error(record: Mapping[str, Any]) -> None:
    if choice_answers_with_error(record):
        raise error_of_choice(record)


def _answer(choice: Mapping[str, Any], notes: list[str]) -> _Answer:
    message = fields(choice.get("message"))
    audio = message.get("audio")
    audio = audio[0] if isinstance(audio, list) and audio else audio
    heard = {"data": audio} if isinstance(audio, str) else fields(audio)
    sound = heard.get("data")
    if not isinstance(sound, str):
        if sound is not None:
            note(notes, f"audio.data is {shown(sound)}, which cannot be read")
        sound = ""
    calls = tuple(_tool_calls(message))
    content = message.get("content")
    text = words_of(content)
    for part in listed(content):
        if text is not None and words_of(part) is None:
            note(notes, f"a part of the content is {shown(part)}, which cannot be read")
    spoken = words_of(heard.get("transcript"))
    if not text:  # of a spoken answer, the words that it speaks
        if spoken is None and (sound or calls):
            note(notes, f"audio.transcript is {shown(heard.get('transcript'))}, which cannot be read")
            spoken = ""
        text = spoken if text is not None or spoken else None
    if text is None and (sound or calls):
        note(notes, f"content is {shown(content)}, which cannot be read")
        text = ""
    refusals = [fields(part).get("refusal") for part in listed(content)]
    refusal = words_of([message.get("refusal"), *refusals])
    logprobs = tuple(_logprobs(choice.get("logprobs"), notes))
    return _Answer(text, sound, calls, refusal or "", choice.get("finish_reason"), logprobs)


def _joined(answers: Sequence[_Answer]) -> list[_Answer]:
    """Put words and sound together that a server gives in two choices, in either order."""
    joined: list[_Answer] = []
    for answer in answers:
        before = joined[-1] if joined else None
        if before is not None and before.text and not before.sound and answer.sound and not answer.text:
            joined[-1] = replace(before, sound=answer.sound)
        elif before is not None and before.sound and not before.text and answer.text and not answer.sound:
            joined[-1] = replace(answer, sound=before.sound)
        else:
            joined.append(answer)
    return joined


def _tool_calls(message: Mapping[str, Any]) -> Iterator[ToolCall]:
    """Yield every call that can be read; one without an id of its own gets one, for the tool's answer to refer to."""
    calls = message.get("tool_calls")
    if not calls and isinstance(message.get("function_call"), Mapping):
        calls = [{"function": message["function_call"]}]  # the form before there were several
    given: set[str] = set()
    for position, record in enumerate(filter(None, map(fields, listed(calls)))):
        function = fields(record.get("function")) or record
        name = function.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError(f"no chat completion, a tool call has no name: {shown(record)}")
        identifier = record.get("id")
        identifier = str(identifier) if isinstance(identifier, str | int) else ""
        if not identifier or identifier in given:
            identifier = f"call_{position}"
        given.add(identifier)
        yield ToolCall(plain(name), _arguments(function.get("arguments")), plain(identifier))


def _arguments(value: Any) -> str:
    if isinstance(value, str):
        return plain(value) if value.strip() else "{}"
    return "{}" if value is None else plain(json.dumps(value, ensure_ascii=False))


def _finish_reason(value: Any, notes: list[str]) -> str | None:
    if value is None or isinstance(value, str):
        return plain(value) if value else None
    note(notes, f"finish_reason is {shown(value)}, which cannot be read")
    return None


def _answered_by(record: Mapping[str, Any]) -> str:
    """Return the model that a server says answered, and the fingerprint of its system, as far as it says them."""
    said = [plain(record[name]) for name in ("model", "system_fingerprint") if isinstance(record.get(name), str)]
    return " ".join(filter(None, said))


def _logprobs(value: Any, notes: list[str]) -> Iterator[Mapping[str, Any]]:
    content = fields(value).get("content")
    if value is None or (isinstance(value, Mapping) and content is None):
        return
    for entry in content if isinstance(content, list) else (content,):
        if not isinstance(entry, Mapping):
            note(notes, "logprobs are not as documented")
            return
        yield entry


def _speech(data: str, needed: bool, bare_rate: int | None, notes: list[str]) -> Audio | None:
    """Return the sound of an answer, decoded once to know that it can be."""
    if not data.strip():
        return None
    try:
        content = decoded_base64(data)
        if bare_rate is not None and not content.startswith(b"RIFF"):
            content = wav_of_samples(content[: len(content) // 2 * 2], bare_rate)
        audio = Audio("spoken answer", content=lambda: content)
        audio.waveform(SPEECH_RATE)
    except (AudioError, ValueError) as error:
        if needed:
            raise TransientError(f"the spoken answer cannot be read: {error}") from None
        note(notes, f"the sound beside the answer cannot be read: {error}")
        return None
    audio.release()
    return audio
