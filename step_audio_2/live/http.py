"""Questions to services on the web: one GET, a bounded answer in JSON, and errors that give nothing away."""

import html
import json
import re
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from step_audio_2.live.tools import ToolError

_MOST_BYTES = 4 << 20
_TAG = re.compile(r"<[^<>]*>")


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect, which would take the headers, and a key among them, to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""


def is_http(address: str) -> bool:
    """Tell whether something is an address that can be asked."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an IPv6 address that cannot be
        return False


def get_json(
    address: str, parameters: Mapping[str, str | int], *, headers: Mapping[str, str] | None = None, timeout: float = 10
) -> Any:
    """Ask a service, and read its answer.

    Args:
        address: http or https, without parameters.
        parameters: of the query.
        headers: further ones, such as one with a key.
        timeout: of each step of the connection, in seconds.

    Raises:
        ToolError: there is no answer, or none in JSON; the message names the host alone, for the rest may hold secrets.
    """
    if not is_http(address):
        raise ToolError("服务的地址不是http")
    host = urlsplit(address).hostname
    request = Request(  # noqa: S310 - the scheme was looked at
        f"{address}?{urlencode(parameters)}",
        headers={"Accept": "application/json", "User-Agent": "step-audio-2", **(headers or {})},
    )
    try:
        with build_opener(_NoRedirect).open(request, timeout=timeout) as answer:
            content = answer.read(_MOST_BYTES + 1)
    except HTTPError as error:
        raise ToolError(f"{host}拒绝回答（{error.code}）") from None
    except (OSError, HTTPException, ValueError) as error:
        raise ToolError(f"{host}没有回答") from error
    if len(content) > _MOST_BYTES:
        raise ToolError(f"{host}的回答太长")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ToolError(f"{host}的回答不是JSON") from error


def without_markup(text: str) -> str:
    """Return the words of a text with HTML in it, on one line.

    >>> without_markup("<b>Rain</b> &amp; wind")
    'Rain & wind'
    """
    return " ".join(html.unescape(_TAG.sub("", text)).split())
