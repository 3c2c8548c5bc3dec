"""Doubao LLM ASR of Volcengine: one request, one answer (openspeech v3, "flash").

https://www.volcengine.com/docs/6561/1631584
"""

import uuid
from typing import Any, ClassVar

from evalkit.types import Response
from model_adapters.recognizers.hosted import HostedRecognizer, as_json, in_base64, transcript
from model_adapters.shared.server_errors import ErrorCodes, Meaning
from model_adapters.shared.values import count, fields


class Doubao(HostedRecognizer):
    """Doubao LLM ASR. ``settings`` are fields of ``request``, such as ``enable_itn``.

    Args:
        base_url: of the service.
        app_key: the application's number in the old console, whose access token is then the key; None for the new one.
        resource: what the account is billed for, such as ``volc.bigasr.auc_turbo``.
        **service: see ``HostedRecognizer``.
    """

    # The status of HTTP is 200 for failures too.
    codes: ClassVar[ErrorCodes] = ErrorCodes(
        {
            "20000003": Meaning.EMPTY,  # no speech
            "45000000": Meaning.ITEM,
            "45000001": Meaning.ITEM,  # a parameter
            "45000002": Meaning.ITEM,  # no audio
            "45000131": Meaning.ITEM,  # too long
            "45000132": Meaning.ITEM,  # too large
            "45000151": Meaning.ITEM,  # the format
            "45000030": Meaning.NO_KEY,  # which may not use the resource
            "45000081": Meaning.FAULT,  # parts of the request came too late
            "55000031": Meaning.BUSY,
            "550*": Meaning.FAULT,
        },
        header="X-Api-Status-Code",
        message_header="X-Api-Message",
        success=frozenset({"20000000"}),
    )

    def __init__(self, base_url: str, *, resource: str, app_key: str | None = None, **service: Any) -> None:
        headers = {"X-Api-Resource-Id": resource, "X-Api-Sequence": "-1"}
        key_header = ("X-Api-Key", "{}")
        if app_key is not None:
            headers["X-Api-App-Key"] = app_key
            key_header = ("X-Api-Access-Key", "{}")
        super().__init__(base_url, key_header=key_header, headers=headers, **service)
        self._identity["resource"] = resource

    async def transcribe(self, wav: bytes, language: str | None) -> Response:
        """Try once; see ``HostedRecognizer.transcribe``."""
        audio = {"data": in_base64(wav), "format": "wav", **({"language": language} if language else {})}
        body = {
            "user": {"uid": "evalkit"},
            "audio": audio,
            "request": {"model_name": self._model, **self._settings},
        }
        # An identifier that was used before is refused.
        headers = {"X-Api-Request-Id": str(uuid.uuid4())}
        async with self._server.post("/auc/bigmodel/recognize/flash", as_json(body), headers=headers) as reply:
            document = fields(await reply.json())
            notes: list[str] = []
            milliseconds = count(fields(document.get("audio_info")), "duration", notes, whole=False)
            return transcript(fields(document.get("result")).get("text"), seconds=milliseconds / 1000, notes=notes)
