"""Who may use the page: this machine alone, or whoever has the token; and never a page of another site."""

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

PARAMETER = "token"


def is_this_machine(host: str) -> bool:
    """Tell whether a server that listens at a host can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """The rules by which requests are let in.

    Args:
        host: that the server listens at.

    Attributes:
        token: that requests must bring along; None where the server can be reached from this machine alone.
        cookie: name of the cookie that holds it; of this server alone, as one for all ports of a host is sent to all.
    """

    def __init__(self, host: str) -> None:
        self.token = None if is_this_machine(host) else secrets.token_urlsafe(24)
        self.cookie = f"{PARAMETER}-{secrets.token_hex(4)}"

    def knows(self, token: str | None) -> bool:
        """Tell whether a token, in a cookie or an address, is the right one, or none is needed."""
        return self.token is None or hmac.compare_digest((token or "").encode(errors="replace"), self.token.encode())

    def accepts_name(self, host: str) -> bool:
        """Tell whether the server may be addressed by a name, as ``HOST:PORT``.

        Without a token it may not by any name of another site, which could lead a browser here.
        """
        return self.token is not None or is_this_machine(_parts(f"//{host}").hostname or "")

    @staticmethod
    def is_own_page(headers: Mapping[str, str]) -> bool:
        """Tell whether it is a page of this server that asks, and none of another site."""
        return _parts(headers.get("Origin", "")).netloc == headers.get("Host", "") != ""


def _parts(address: str) -> SplitResult:
    """Take an address apart; what is none has no parts."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
