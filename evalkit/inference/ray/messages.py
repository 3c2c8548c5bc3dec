"""Calls and responses in the form in which they travel between machines."""

from dataclasses import replace

from evalkit.audio import Audio
from evalkit.errors import AudioError
from evalkit.types import Call, Failure, Response


def portable_call(call: Call, *, with_content: bool) -> Call:
    """Return a call that can be sent.

    Args:
        call: to be answered elsewhere.
        with_content: whether the bytes of recordings that are files go along; see ``Audio.portable``.

    Raises:
        AudioError: a recording cannot be read.
    """
    messages = tuple(
        replace(
            message,
            content=tuple(
                part.portable(with_content=with_content) if isinstance(part, Audio) else part
                for part in message.content
            ),
        )
        for message in call.request.messages
    )
    return replace(call, request=replace(call.request, messages=messages))


def portable_response(response: Response) -> Response:
    """Return a response that can be sent, its speech with it; a failed one where the speech cannot be read."""
    if response.speech is None:
        return response
    try:
        return replace(response, speech=response.speech.portable(with_content=True))
    except AudioError as error:
        failure = Failure("unreadable_audio", f"the model's speech cannot be read: {error}")
        return replace(response, speech=None, failure=failure)
