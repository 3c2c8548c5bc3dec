"""ElevenLabs Scribe.

https://elevenlabs.io/docs/api-reference/speech-to-text/convert
"""

from typing import Any, ClassVar

from evalkit.types import Response
from model_adapters.recognizers.hosted import HostedRecognizer, transcript
from model_adapters.shared.forms import form
from model_adapters.shared.server_errors import ErrorCodes, Meaning
from model_adapters.shared.values import count, fields


class ElevenLabs(HostedRecognizer):
    """Scribe. ``settings`` are fields of the form, such as ``tag_audio_events``.

    Args:
        base_url: of the service.
        **service: see ``HostedRecognizer``.
    """

    codes: ClassVar[ErrorCodes] = ErrorCodes(
        {
            "too_many_concurrent_requests": Meaning.BUSY,
            "system_busy": Meaning.BUSY,
            "invalid_api_key": Meaning.NO_KEY,
            "quota_exceeded": Meaning.NO_CREDIT,  # told by status 401, as a wrong key is
        }
    )

    def __init__(self, base_url: str, **service: Any) -> None:
        super().__init__(base_url, key_header=("xi-api-key", "{}"), **service)

    async def transcribe(self, wav: bytes, language: str | None) -> Response:
        """Try once; see ``HostedRecognizer.transcribe``."""
        data = form({"model_id": self._model, "language_code": language, **self._settings}, "file", wav)
        async with self._server.post("/speech-to-text", data) as reply:
            document = fields(await reply.json())
            notes: list[str] = []
            seconds = count(document, "audio_duration_secs", notes, whole=False)
            return transcript(document.get("text"), seconds=seconds, notes=notes)
