"""The connection to a server that speaks OpenAI's protocol: its client, its key, and what its errors mean."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from evalkit.errors import ConfigurationError, PermanentError, ServerUnavailableError, TransientError

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

_LONGEST_MESSAGE = 500
# What gateways answer when the server behind them is not there; what servers answer when they have too much to do.
_AWAY = (502, 504)
_OVERLOADED = (429, 503, 529)
_PERHAPS_LATER = (408, 409, 425)


class OpenAIConnection:
    """One server and the key to it.

    Args:
        base_url: of the server, such as ``http://127.0.0.1:8000/v1``.
        model: its name on the server; part of the URL of an Azure deployment.
        api_key_variable: the environment variable that holds the key; None for a server that wants none.
        api_key_file: a file that holds the key, instead.
        azure_api_version: of Azure's API of deployments; None for every other server, Azure's ``/openai/v1`` too.
        concurrency: how many connections to keep.

    Raises:
        ConfigurationError: the URL is not one, holds credentials, or the key is not where it is said to be.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key_variable: str | None,
        api_key_file: str | None,
        azure_api_version: str | None,
        concurrency: int,
    ) -> None:
        _import_client()
        self.server = _server(base_url)
        self._base_url = base_url
        self._model = model
        self._key = _read_key(api_key_variable, api_key_file)
        self._azure_api_version = azure_api_version
        self._concurrency = concurrency
        self._client: AsyncOpenAI | None = None
        self._base = ""

    @property
    def client(self) -> "AsyncOpenAI":
        """The client, made on first use, in the event loop it will work in."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    def url(self, path: str) -> str:
        """The whole address of a path of the protocol; the client takes longer to put a part of one to its base."""
        if not self._base:
            self._base = str(self.client.base_url).rstrip("/")
        return self._base + path

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def redact(self, text: str) -> str:
        """A text without the key."""
        return text.replace(self._key, "(key removed)") if self._key else text

    def _told(self, text: str) -> str:
        """What may stand in a report: one line, without the key, and only then cut, lest a part of the key be left."""
        text = " ".join(self.redact(text).split())
        return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + " …"

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the client raises into what decides whether to try again, without the key in any message."""
        import aiohttp
        import httpx2
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            raise self._status_error(error) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            # The server was there if its answer had begun.
            if isinstance(cause, httpx2.ReadError | httpx2.DecodingError):
                raise TransientError(self._told(f"the answer broke off ({_reason(cause)})")) from None
            raise TransientError(self._told(f"{self.server}: {_reason(cause)}"), unavailable=True) from None
        except (httpx2.HTTPError, aiohttp.ClientError, openai.OpenAIError) as error:
            raise TransientError(self._told(f"the answer broke off or is malformed ({_reason(error)})")) from None
        except ValueError as error:
            raise TransientError(self._told(f"the answer is not of the documented form ({error})")) from None

    def _connect(self) -> "AsyncOpenAI":
        import httpx2
        from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAioHttpClient

        # aiohttp takes about half the processor time of the default transport.
        http_client = DefaultAioHttpClient(
            limits=httpx2.Limits(max_connections=self._concurrency, max_keepalive_connections=self._concurrency),
            timeout=None,  # the engine has a deadline for the whole attempt
        )
        common: dict[str, Any] = {
            "api_key": self._key or "none",
            "max_retries": 0,  # the engine repeats requests, and knows the budget
            "timeout": None,
            "http_client": http_client,
        }
        if self._azure_api_version is not None:
            return AsyncAzureOpenAI(
                azure_endpoint=self._base_url,
                azure_deployment=self._model,
                api_version=self._azure_api_version,
                **common,
            )
        return AsyncOpenAI(base_url=self._base_url, **common)

    def _status_error(self, error: "APIStatusError") -> Exception:
        body = error.body if isinstance(error.body, dict) else {}
        status = error.status_code
        message = self._told(f"HTTP {status}: {body.get('message') or error.response.text or error.message}")
        if "insufficient_quota" in (body.get("code"), body.get("type")):
            return ServerUnavailableError(
                f"{self.server}: {message.rstrip('.')}. What was answered is kept: "
                "run the same command again to continue"
            )
        retry_after = _retry_after(error.response.headers)
        if status in _OVERLOADED:
            return TransientError(message, overloaded=True, retry_after=retry_after)
        if status in _AWAY:
            return TransientError(message, unavailable=True, retry_after=retry_after)
        if status in _PERHAPS_LATER or status >= 500:
            return TransientError(message, retry_after=retry_after)
        return PermanentError(message)


def _import_client() -> None:
    """Load the libraries now, which takes a second, rather than while the first requests wait.

    Raises:
        ConfigurationError: one is missing.
    """
    try:
        import aiohttp  # noqa: F401
        import openai
        import openai.types.chat  # noqa: F401
        import pybase64  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(f"served models need more: pip install 'evalkit[openai]' ({error})") from error


def _server(base_url: str) -> str:
    """The identity of a server: host and path. Another port, or http for https, does not make another model."""
    try:
        parts = urlsplit(base_url)
        host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:  # such as a port that is not a number
        host = None
    if not host:
        raise ConfigurationError("base_url must be of the form http://HOST:PORT/PATH or https://…")
    if parts.username or parts.password or parts.query:
        raise ConfigurationError(
            f"base_url of {host} holds credentials or a query; give a key by api_key_variable= or api_key_file="
        )
    return host + parts.path.rstrip("/")


def _read_key(variable: str | None, file: str | None) -> str:
    if file is not None:
        source = f"api_key_file {file}"
        try:
            key = Path(file).expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"{source}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError:
            raise ConfigurationError(f"{source}: is not text") from None
        if not key:
            raise ConfigurationError(f"{source}: is empty")
    elif variable is not None:
        source = f"the environment variable {variable}"
        key = os.environ.get(variable, "").strip()
        if not key:
            raise ConfigurationError(
                f"no API key: set {source}, or name another with api_key_variable=, or a file that holds the key with "
                "api_key_file="
            )
    else:
        return ""
    if not (key.isascii() and key.isprintable() and " " not in key):  # it has to fit into a header
        raise ConfigurationError(f"{source}: must hold the key and nothing else, on one line")
    return key


def _retry_after(headers: Any) -> float | None:
    """Seconds to wait, from ``retry-after-ms``, or ``Retry-After`` as seconds or as a date (RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) * unit)
        except ValueError:
            continue
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
