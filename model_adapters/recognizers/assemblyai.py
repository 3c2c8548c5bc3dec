"""AssemblyAI: short recordings in one request, longer ones as jobs.

https://www.assemblyai.com/docs/api-reference
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from evalkit.errors import PermanentError
from evalkit.types import Response
from model_adapters.recognizers.hosted import HostedRecognizer, as_json, transcript
from model_adapters.recognizers.jobs import JobLostError, finished
from model_adapters.shared.one_recording import seconds_of_wav
from model_adapters.shared.values import count, fields, shown

# A job's error is words alone; those of the service's own faults are worth another job.
_ITS_OWN_FAULT = re.compile(r"server error|internal error|try again", re.IGNORECASE)


class AssemblyAI(HostedRecognizer):
    """A model of AssemblyAI. ``settings`` are fields of the ``config`` of a request.

    Args:
        base_url: of the synchronous service.
        longest_at_once: seconds of the longest recording that is transcribed in one request.
        job_url: of the service that takes jobs.
        job_model: which transcribes longer recordings; one alone, since the service answers with the next of several.
        job_settings: further fields of a job.
        poll_seconds: between two looks at a job.
        **service: see ``HostedRecognizer``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        longest_at_once: float,
        job_url: str,
        job_model: str,
        job_settings: Mapping[str, Any] | None = None,
        poll_seconds: float,
        **service: Any,
    ) -> None:
        super().__init__(base_url, key_header=("Authorization", "{}"), **service)
        self._longest_at_once = longest_at_once
        self._jobs = self._connected(job_url)
        self._job = {"speech_models": [job_model], **(job_settings or {})}
        self._poll_seconds = poll_seconds
        self._identity |= {"longest_at_once": longest_at_once, "job_server": self._jobs.address, "job": self._job}

    async def transcribe(self, wav: bytes, language: str | None) -> Response:
        """Try once; see ``HostedRecognizer.transcribe``."""
        if seconds_of_wav(wav) <= self._longest_at_once:
            return await self._at_once(wav, language)
        return await self._by_job(wav, language)

    async def _at_once(self, wav: bytes, language: str | None) -> Response:
        import aiohttp

        config = {**({"language_codes": [language]} if language else {}), **self._settings}
        data = aiohttp.FormData()
        data.add_field("config", json.dumps(config), content_type="application/json")
        data.add_field("audio", wav, filename="audio.wav", content_type="audio/wav")
        async with self._server.post("/transcribe", data, headers={"X-AAI-Model": str(self._model)}) as reply:
            document = fields(await reply.json())
            notes: list[str] = []
            seconds = count(document, "audio_duration_ms", notes, whole=False) / 1000
            return transcript(document.get("text"), seconds=seconds, model=self._model, notes=notes)

    async def _by_job(self, wav: bytes, language: str | None) -> Response:
        binary = {"Content-Type": "application/octet-stream"}
        async with self._jobs.post("/upload", wav, headers=binary) as reply:
            url = _text(fields(await reply.json()), "upload_url")
        spoken = {"language_code": language} if language else {"language_detection": True}
        async with self._jobs.post("/transcript", as_json({"audio_url": url, **self._job, **spoken})) as reply:
            job = _text(fields(await reply.json()), "id")
        return await finished(lambda: self._look(job), self._poll_seconds)

    async def _look(self, job: str) -> Response | None:
        async with self._jobs.get(f"/transcript/{job}") as reply:
            document = fields(await reply.json())
            status = _text(document, "status")
            if status == "completed":
                notes: list[str] = []
                seconds = count(document, "audio_duration", notes, whole=False)
                (model,) = self._job["speech_models"]
                return transcript(document.get("text"), seconds=seconds, model=model, notes=notes)
        if status != "error":
            return None
        message = self._jobs.told(f"the job failed: {document.get('error')}")
        raise JobLostError(message) if _ITS_OWN_FAULT.search(message) else PermanentError(message)


def _text(document: Mapping[str, Any], name: str) -> str:
    if not isinstance(value := document.get(name), str):
        raise ValueError(f"there is {shown(value)} where {name} should be")
    return value
