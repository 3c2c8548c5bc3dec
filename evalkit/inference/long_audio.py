"""Recordings longer than a model takes: cut, split or refused, as its capabilities say, and said in its response."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalkit.adapter import Capabilities
from evalkit.audio import Audio
from evalkit.audio.pieces import pieces
from evalkit.inference.border import unreadable
from evalkit.types import Failure, Overlong, Request, Response, Usage

# Thai and Lao, Tibetan, Burmese, Khmer, kana, Han, and the punctuation that goes with them.
_WRITTEN_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A request in the form in which its model can take it.

    Attributes:
        requests: to be put to the model: the request itself, or what takes its place; empty where it is refused.
        overlong: what was done to a recording.
        note: the same in a line for people.
        failure: why it is refused, or None.
    """

    requests: tuple[Request, ...]
    overlong: Overlong = ""
    note: str = ""
    failure: Failure | None = None


def fitted(request: Request, capabilities: Capabilities) -> Fitted:
    """Return a request with no recording longer than the model takes.

    Reads the lengths of its recordings by their headers where they are not decoded yet, and decodes what is split. A
    request about one that cannot be read is refused.
    """
    if capabilities.longest_audio is None:
        return Fitted((request,))
    try:
        return _fitted(request, capabilities, capabilities.longest_audio)
    except Exception as error:
        return Fitted((), failure=unreadable(error, ", ".join(audio.locator for audio in request.audio)))


def _fitted(request: Request, capabilities: Capabilities, longest: float) -> Fitted:
    # What a model said itself is no recording that it has to hear.
    heard = [part for turn in request.messages if turn.role != "assistant" for part in turn.content]
    lengths = [(audio, _seconds(audio, capabilities.sample_rate)) for audio in heard if isinstance(audio, Audio)]
    too_long = [(audio, seconds) for audio, seconds in lengths if seconds > longest]
    if not too_long:
        return Fitted((request,))
    said = ", ".join(f"{audio.name} has {seconds:.2f} s" for audio, seconds in too_long)
    if capabilities.beyond == "cuts":
        beginnings = {audio: audio.part(0, longest) for audio, _ in too_long}
        note = f"cut to the {longest:g} s of a recording that the model takes: {said}"
        return Fitted((_with_audio(request, beginnings),), "cut", note)
    if capabilities.beyond == "splits" and len(lengths) == 1:
        [(audio, _)] = lengths
        parts = [audio.part(*piece) for piece in _pieces(audio, capabilities.sample_rate, longest)]
        note = f"split into {len(parts)} pieces of at most {longest:g} s, which is what the model takes: {said}"
        return Fitted(tuple(_with_audio(request, {audio: part}) for part in parts), "split", note)
    return Fitted((), failure=Failure("too_long", f"the model takes {longest:g} s of a recording, {said}"))


def joined(fit: Fitted, responses: Sequence[Response]) -> Response:
    """Return one response of those to the requests of ``fitted``, with a note of what was done to the recording.

    The texts of pieces are joined, with a space where their script has spaces. What a piece fails of, all do.
    """
    if fit.failure is not None:
        return Response(failure=fit.failure)
    response = responses[0] if len(responses) == 1 else _one_of(responses)
    if not fit.overlong:
        return response
    return replace(response, overlong=fit.overlong, notes=(*response.notes, fit.note))


def _one_of(responses: Sequence[Response]) -> Response:
    seconds = [response.seconds for response in responses if response.seconds is not None]
    usages = [response.usage for response in responses if response.usage is not None]
    cut_short = any(response.finish_reason == "length" for response in responses)
    return Response(
        text=_joined_texts([response.text.strip() for response in responses]),
        failure=_first_failure(responses),
        seconds=round(sum(seconds), 4) if seconds else None,
        finish_reason="length" if cut_short else responses[-1].finish_reason,
        logprobs=tuple(entry for response in responses for entry in response.logprobs),
        usage=sum(usages, Usage()) if usages else None,
        notes=tuple(dict.fromkeys(note for response in responses for note in response.notes)),
        answered_by=responses[-1].answered_by,
    )


def _joined_texts(texts: Sequence[str]) -> str:
    text = ""
    for piece in filter(None, texts):
        spaced = text and not (_WRITTEN_WITHOUT_SPACES.match(text[-1]) and _WRITTEN_WITHOUT_SPACES.match(piece[0]))
        text += f" {piece}" if spaced else piece
    return text


def _first_failure(responses: Sequence[Response]) -> Failure | None:
    for number, response in enumerate(responses, 1):
        if response.failure is not None:
            return replace(response.failure, message=f"piece {number} of {len(responses)}: {response.failure.message}")
    return None


def _seconds(audio: Audio, sample_rate: int | None) -> float:
    """Return the length, of the decoded samples where the model is given these."""
    return audio.seconds() if sample_rate is None else len(audio.waveform(sample_rate)) / sample_rate


def _pieces(audio: Audio, sample_rate: int | None, longest: float) -> list[tuple[float, float]]:
    if sample_rate is None:
        return pieces(*audio.read_mono(), longest)
    return pieces(audio.waveform(sample_rate), sample_rate, longest)


def _with_audio(request: Request, parts: dict[Audio, Audio]) -> Request:
    """Return the same request about other recordings."""
    messages = (
        replace(
            message,
            content=tuple(parts.get(part, part) if isinstance(part, Audio) else part for part in message.content),
        )
        for message in request.messages
    )
    return replace(request, messages=tuple(messages))
