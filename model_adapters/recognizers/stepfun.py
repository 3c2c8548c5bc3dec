"""StepFun's recognisers, whose answers come as events.

https://platform.stepfun.com/docs/zh/api-reference/audio/asr-sse
"""

from dataclasses import replace
from typing import Any

from evalkit.types import Response
from model_adapters.openai.completions import read_usage
from model_adapters.recognizers.hosted import HostedRecognizer, as_json, in_base64, transcript
from model_adapters.shared.server_errors import error_within
from model_adapters.shared.values import fields


class StepFun(HostedRecognizer):
    """A recogniser of StepFun. ``settings`` are fields of ``transcription``, such as ``enable_itn``.

    Args:
        base_url: of the service.
        **service: see ``HostedRecognizer``.
    """

    def __init__(self, base_url: str, **service: Any) -> None:
        super().__init__(base_url, headers={"Accept": "text/event-stream"}, **service)

    async def transcribe(self, wav: bytes, language: str | None) -> Response:
        """Try once; see ``HostedRecognizer.transcribe``."""
        transcription = {"model": self._model, **({"language": language} if language else {}), **self._settings}
        body = {"audio": {"data": in_base64(wav), "input": {"transcription": transcription, "format": {"type": "wav"}}}}
        async with self._server.post("/audio/asr/sse", as_json(body)) as reply:
            async for event in reply.events():
                record = fields(event)
                if record.get("type") == "error":
                    raise error_within({**record, "type": None})
                if "error" in record:
                    raise error_within(record["error"])
                if record.get("type") == "transcript.text.done":
                    await reply.drain()
                    notes: list[str] = []
                    usage = read_usage(record.get("usage"), notes)
                    return replace(transcript(record.get("text"), notes=notes), usage=usage)
            raise ValueError("the stream ended before its last event")
