"""Fast transcription of Azure AI Speech, which LLM Speech is a mode of.

https://learn.microsoft.com/azure/ai-services/speech-service/fast-transcription-create
"""

import json
from typing import Any

from evalkit.types import Response
from model_adapters.recognizers.hosted import HostedRecognizer, transcript
from model_adapters.shared.forms import form
from model_adapters.shared.values import count, fields


class AzureSpeech(HostedRecognizer):
    """Fast transcription. ``settings`` are fields of ``definition``, such as ``profanityFilterMode``.

    Args:
        base_url: the resource's endpoint.
        api_version: of the API, such as ``2025-10-15``.
        **service: see ``HostedRecognizer``.
    """

    def __init__(self, base_url: str, *, api_version: str, **service: Any) -> None:
        super().__init__(base_url, key_header=("Ocp-Apim-Subscription-Key", "{}"), **service)
        self._identity["api_version"] = api_version

    async def transcribe(self, wav: bytes, language: str | None) -> Response:
        """Try once; see ``HostedRecognizer.transcribe``."""
        definition = {**({"locales": [language]} if language else {}), **self._settings}
        data = form({"definition": json.dumps(definition)}, "audio", wav)
        query = [("api-version", self._identity["api_version"])]
        async with self._server.post("/speechtotext/transcriptions:transcribe", data, query=query) as reply:
            document = fields(await reply.json())
            phrases = document.get("combinedPhrases")
            if not isinstance(phrases, list):
                raise ValueError(f"no combinedPhrases: {document}")
            notes: list[str] = []
            milliseconds = count(document, "durationMilliseconds", notes, whole=False)
            words = " ".join(transcript(fields(phrase).get("text")).text for phrase in phrases)  # one for each channel
            return transcript(words, seconds=milliseconds / 1000, notes=notes)
