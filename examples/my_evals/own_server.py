"""An adapter of a model behind a server that speaks a protocol of its own."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from evalkit.adapter import Capabilities, Limits, ServedModelAdapter
from evalkit.errors import PermanentError, TransientError
from evalkit.types import Request, Response

_BUSY = (429, 503)


class OwnServer(ServedModelAdapter):
    """Posts each recording as it is, and reads ``{"text": …}`` from the answer.

    It tries once. Repeating, pace, deadlines, budget and cache are the engine's.

    Args:
        url: that takes the recordings.
        model: sent along, and part of the identity of the answers.
        limits: how hard the server may be pressed.
    """

    capabilities = Capabilities(sample_rate=None)  # None: nothing is decoded, as the file is sent whole

    def __init__(self, url: str, model: str = "default", limits: Mapping[str, Any] | None = None) -> None:
        self.limits = Limits(**(limits or {}))
        self.prices = None
        self._url = url
        self._model = model

    async def answer(self, request: Request) -> Response:
        """Try once to have a request answered.

        Raises:
            TransientError: another attempt may succeed.
            PermanentError: the server will not answer this request.
        """
        return await asyncio.to_thread(self._post, request.audio[0].encoded(), request.language or "")

    def fingerprint(self) -> Mapping[str, Any]:
        """Return what decides the answers, as far as it can be known from here."""
        return {"adapter": "own_server", "url": self._url, "model": self._model}

    def _post(self, recording: bytes, language: str) -> Response:
        headers = {"X-Model": self._model, "X-Language": language}
        question = urllib.request.Request(self._url, recording, headers)  # noqa: S310 - the user's own address
        try:
            with urllib.request.urlopen(question, timeout=self.limits.deadline) as reply:  # noqa: S310
                return Response(str(json.load(reply)["text"]))
        except urllib.error.HTTPError as error:
            if error.code in _BUSY:
                raise TransientError(f"the server is busy ({error.code})") from error
            raise PermanentError(f"the server refuses the request ({error.code})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise TransientError("the server's answer has no text") from error
        except OSError as error:
            raise TransientError(f"the server cannot be reached ({error})") from error
