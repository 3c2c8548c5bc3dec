"""Deepgram's recognisers of recordings.

https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded
"""

from typing import Any

from evalkit.types import Response
from model_adapters.recognizers.hosted import HostedRecognizer, transcript
from model_adapters.shared.forms import form_fields
from model_adapters.shared.values import count, fields


class Deepgram(HostedRecognizer):
    """A model of Deepgram. ``settings`` are parameters of the URL, such as ``filler_words``.

    Args:
        base_url: of the service.
        **service: see ``HostedRecognizer``.
    """

    def __init__(self, base_url: str, **service: Any) -> None:
        super().__init__(base_url, key_header=("Authorization", "Token {}"), **service)

    async def transcribe(self, wav: bytes, language: str | None) -> Response:
        """Try once; see ``HostedRecognizer.transcribe``."""
        query = form_fields({"model": self._model, "language": language, **self._settings})
        async with self._server.post("/listen", wav, headers={"Content-Type": "audio/wav"}, query=query) as reply:
            document = fields(await reply.json())
            try:
                words = document["results"]["channels"][0]["alternatives"][0]["transcript"]
            except (LookupError, TypeError):
                raise ValueError(f"no transcript: {document}") from None
            metadata = fields(document.get("metadata"))
            notes: list[str] = []
            seconds = count(metadata, "duration", notes, whole=False)
            return transcript(words, seconds=seconds, model=_answered_by(metadata), notes=notes)


def _answered_by(metadata: Any) -> str:
    """Return names and versions of the models that answered."""
    models = map(fields, fields(metadata.get("model_info")).values())
    return ", ".join(sorted(f"{model.get('name')} {model.get('version')}" for model in models))
