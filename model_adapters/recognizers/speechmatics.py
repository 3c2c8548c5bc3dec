"""Speechmatics, batch.

https://docs.speechmatics.com/api-ref/batch
"""

import json
from typing import Any, ClassVar

from evalkit.errors import PermanentError
from evalkit.types import Response
from model_adapters.recognizers.hosted import HostedRecognizer, transcript
from model_adapters.recognizers.jobs import JobLostError, finished
from model_adapters.shared.forms import form
from model_adapters.shared.server_errors import ErrorCodes, Meaning
from model_adapters.shared.values import count, fields, shown


class Speechmatics(HostedRecognizer):
    """A model of Speechmatics. ``settings`` are fields of ``transcription_config``.

    Args:
        base_url: of the region.
        poll_seconds: between two looks at a job.
        **service: see ``HostedRecognizer``.
    """

    codes: ClassVar[ErrorCodes] = ErrorCodes({"404": Meaning.FAULT})  # a job that is not known yet, or no longer

    def __init__(self, base_url: str, *, poll_seconds: float, **service: Any) -> None:
        super().__init__(base_url, **service)
        self._poll_seconds = poll_seconds

    async def transcribe(self, wav: bytes, language: str | None) -> Response:
        """Try once; see ``HostedRecognizer.transcribe``."""
        said = {"language": language, "model": self._model, **self._settings}
        config = {"type": "transcription", "transcription_config": said}
        async with self._server.post("/jobs", form({"config": json.dumps(config)}, "data_file", wav)) as reply:
            job = fields(await reply.json()).get("id")
            if not isinstance(job, str):
                raise ValueError(f"there is {shown(job)} where the job's id should be")
        return await finished(lambda: self._look(job), self._poll_seconds)

    async def _look(self, job: str) -> Response | None:
        async with self._server.get(f"/jobs/{job}") as reply:
            state = fields(fields(await reply.json()).get("job"))
        match state.get("status"):
            case "done":
                notes: list[str] = []
                seconds = count(state, "duration", notes, whole=False)
                async with self._server.get(f"/jobs/{job}/transcript", query=[("format", "txt")]) as reply:
                    return transcript((await reply.text()).strip(), seconds=seconds, notes=notes)
            case "rejected":
                raise PermanentError(self._server.told(f"the job was rejected: {_reasons(state.get('errors'))}"))
            case "deleted" | "expired" as status:
                raise JobLostError(f"the job is {status}")
            case _:
                return None


def _reasons(errors: Any) -> str:
    messages = [fields(error).get("message") for error in errors] if isinstance(errors, list) else []
    return "; ".join(filter(None, map(str, messages))) or "no reason is given"
