"""Google Cloud Speech-to-Text v2, synchronous.

https://cloud.google.com/speech-to-text/v2/docs/reference/rest/v2/projects.locations.recognizers/recognize
"""

import asyncio
from typing import Any

from evalkit.errors import ConfigurationError, RejectedError, TransientError
from evalkit.hints import install_command
from evalkit.types import Response
from model_adapters.recognizers.hosted import HostedRecognizer, as_json, in_base64, transcript
from model_adapters.shared.values import fields

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class GoogleSpeech(HostedRecognizer):
    """Speech-to-Text v2. ``settings`` are fields of ``config``, such as ``features``.

    The key is an OAuth token, good for an hour; with ``api_key_variable`` and ``api_key_file`` None, tokens are made
    and renewed by ``google-auth`` from the machine's application default credentials.

    Args:
        base_url: of the region, such as ``https://us-speech.googleapis.com``.
        project: that is billed.
        region: in which the recogniser is.
        **service: see ``HostedRecognizer``.

    Raises:
        ConfigurationError: there are neither a token nor credentials, or google-auth is not installed.
    """

    def __init__(self, base_url: str, *, project: str, region: str, **service: Any) -> None:
        super().__init__(base_url, **service)
        self._identity |= {"project": project, "region": region}
        self._path = f"/v2/projects/{project}/locations/{region}/recognizers/_:recognize"
        self._credentials = None if self.secrets else _default_credentials()
        self._renewing = asyncio.Lock()

    async def transcribe(self, wav: bytes, language: str | None) -> Response:
        """Try once; see ``HostedRecognizer.transcribe``."""
        config = {
            "autoDecodingConfig": {},
            "model": self._model,
            "languageCodes": [language or "auto"],
            **self._settings,
        }
        body = as_json({"config": config, "content": in_base64(wav)})
        async with self._server.post(self._path, body, headers=await self._token()) as reply:
            document = fields(await reply.json())
            # Silence has no results, but the answer says what was billed for it.
            if not isinstance(document.get("results", []), list) or "metadata" not in document:
                raise ValueError(f"no results: {document}")
            pieces = [_best(result) for result in document.get("results", [])]
            words = " ".join(piece.strip() for piece in pieces if piece.strip())
            return transcript(words, seconds=_seconds(fields(document["metadata"]).get("totalBilledDuration")))

    async def _token(self) -> dict[str, str]:
        """Return the headers with a token of google-auth; none where the key is one.

        Raises:
            RejectedError: the credentials give none.
            TransientError: whoever gives tokens is not there.
        """
        if self._credentials is None:
            return {}
        import google.auth.exceptions
        from google.auth.transport.requests import Request

        async with self._renewing:
            if not self._credentials.valid:
                try:
                    await asyncio.to_thread(self._credentials.refresh, Request())
                except google.auth.exceptions.GoogleAuthError as error:
                    if error.retryable or isinstance(error, google.auth.exceptions.TransportError):
                        raise TransientError(f"no token from Google: {error}", unavailable=True) from None
                    raise RejectedError(f"Google's credentials give no token ({error}): see to them") from None
                self._known_secrets.append(self._credentials.token)
                self.secrets = tuple(self._known_secrets)
        headers: dict[str, str] = {}
        self._credentials.apply(headers)  # with the project that a user's own credentials are billed to
        return headers


def _default_credentials() -> Any:
    try:
        import google.auth
        import google.auth.exceptions
        import google.auth.transport.requests
    except ImportError as error:
        raise ConfigurationError(
            f"Google's credentials need more: {install_command('google-speech')} ({error}); or give a token by "
            "api_key_variable= or api_key_file="
        ) from error
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except google.auth.exceptions.GoogleAuthError as error:
        raise ConfigurationError(
            f"no credentials of Google here ({' '.join(str(error).split())}); or give a token by api_key_variable= or "
            "api_key_file="
        ) from None
    return credentials


def _best(result: Any) -> str:
    """Return the first alternative of a piece of speech; a piece without any holds no words."""
    alternatives = fields(result).get("alternatives")
    if not alternatives:
        return ""
    if not isinstance(alternatives, list):
        raise ValueError("its alternatives are no list")
    return transcript(fields(alternatives[0]).get("transcript", "")).text


def _seconds(duration: Any) -> float:
    """Return the seconds of a duration such as ``15s`` (google.protobuf.Duration)."""
    try:
        return max(0.0, float(str(duration).removesuffix("s")))
    except ValueError:
        return 0.0
