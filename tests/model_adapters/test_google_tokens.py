"""Tokens of Google: made by google-auth of a service account, against a token server on 127.0.0.1."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from evalkit.errors import ConfigurationError, RejectedError, TransientError
from model_adapters.recognizers.google import GoogleSpeech
from tests.model_adapters.serving import ask, asking, outcomes
from tests.model_adapters.test_recognizers import noise
from tests.servers.recognizers import GoogleService, RecognizerServer, words_of

google_auth = pytest.importorskip("google.auth", reason="google-auth is not installed")

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class _TokenServer:
    """Gives a token for each signed request; or what it is told to."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.seconds = 3_600
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                fields = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                good = fields["grant_type"] == [_GRANT] and len(fields["assertion"][0].split(".")) == 3
                body: dict[str, Any] = {"error": "invalid_grant", "error_description": "account not found"}
                if good and outer.status == 200:
                    outer.given.append(f"ya29.token-{len(outer.given)}-abcdefghij")
                    body = {"access_token": outer.given[-1], "expires_in": outer.seconds, "token_type": "Bearer"}
                self.send_response(outer.status)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_TokenServer]:
    """A token server, and a service account that is told of it by Google's usual variable."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    server = _TokenServer()
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "proj",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "evalkit@proj.iam.gserviceaccount.com",
        "token_uri": server.url,
    }
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    yield server
    server.close()


def _model(base_url: str) -> GoogleSpeech:
    features = {"enableAutomaticPunctuation": True, "profanityFilter": False}
    return GoogleSpeech(base_url, model="chirp_3", project="proj", region="us", settings={"features": features})


class _Tokens(set[str]):
    """The tokens that a token server has given so far."""

    def __init__(self, server: _TokenServer) -> None:
        super().__init__()
        self._server = server

    def __contains__(self, token: object) -> bool:
        return token in self._server.given


def test_a_token_is_made_once_used_until_it_expires_and_told_nobody(tokens: _TokenServer) -> None:
    service = GoogleService()
    service.tokens = _Tokens(tokens)
    with RecognizerServer(service) as server:
        model = _model(server.base_url)
        responses = ask(model, asking(noise(1)), asking(noise(2)))
    assert [response.text for response in responses] == [words_of(heard.content) for heard in service.heard]
    assert service.violations == []
    assert len(tokens.given) == 1
    assert model.secrets == tuple(tokens.given)
    assert tokens.given[0] not in str(model.fingerprint())


def test_an_expired_token_is_renewed(tokens: _TokenServer) -> None:
    tokens.seconds = 1  # google-auth renews what is about to expire
    service = GoogleService()
    service.tokens = _Tokens(tokens)
    with RecognizerServer(service) as server:
        ask(_model(server.base_url), asking(noise(1)), asking(noise(2)))
    assert len(tokens.given) == 2


def test_an_account_that_gets_no_token_stops_the_run(tokens: _TokenServer) -> None:
    tokens.status = 400
    with RecognizerServer(GoogleService()) as server:
        (failure,) = outcomes(_model(server.base_url), asking(noise(1)))
    assert isinstance(failure, RejectedError)
    assert "account not found" in str(failure)


def test_a_token_server_that_is_away_is_tried_again(tokens: _TokenServer) -> None:
    tokens.close()
    with RecognizerServer(GoogleService()) as server:
        (failure,) = outcomes(_model(server.base_url), asking(noise(1)), seconds=60)
    assert isinstance(failure, TransientError)
    assert failure.unavailable


def test_no_credentials_are_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(ConfigurationError, match=r"no credentials of Google here.*none\.json"):
        _model("http://127.0.0.1:1")
