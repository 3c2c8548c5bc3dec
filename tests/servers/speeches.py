"""Speech of a text, in the documented form: https://platform.openai.com/docs/api-reference/audio/createSpeech."""

from tests.servers.backends import Answer, ServedRequest
from tests.servers.connection import Reply
from tests.servers.sound import encode_speech

_TYPES = {"mp3": "audio/mpeg", "opus": "audio/ogg", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm"}


def speech_reply(request: ServedRequest, answer: Answer) -> Reply:
    """The sound of an answer, in the format that the request asks for."""
    assert answer.speech is not None
    form = request.fields.get("response_format", "mp3")
    sound = encode_speech(answer.speech, "pcm16" if form == "pcm" else form)
    return Reply(200, _TYPES[form], (sound,))
