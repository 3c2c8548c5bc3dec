"""As much of the Hugging Face hub as fetching the files of a repository takes."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """One repository and its files; remembers which files were fetched."""

    def __init__(self, repository: str, files: Mapping[str, bytes], gated: bool, kind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repository, self.files, self.gated = repository, files, gated
        self.api = f"/api/{kind}/{repository}"
        self.resolve = f"/{repository}/resolve/" if kind == "models" else f"/{kind}/{repository}/resolve/"
        self.fetched: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def hub(repository: str, files: Mapping[str, bytes], *, gated: bool = False, kind: str = "datasets") -> Iterator[Hub]:
    with Hub(repository, files, gated, kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server, path = self.server, unquote(urlsplit(self.path).path)
        api, files = server.api, server.resolve
        if server.gated and path.startswith((api, files)):
            self._send(401, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "restricted"})
        elif path.startswith(f"{api}/tree/"):
            entries = [{"type": "file", "path": n, "size": len(c), "oid": _digest(c)} for n, c in server.files.items()]
            self._send(200, json.dumps(entries).encode())
        elif path == api or path.startswith(f"{api}/revision/"):
            siblings = [{"rfilename": name} for name in server.files]
            self._send(200, json.dumps({"id": server.repository, "sha": COMMIT, "siblings": siblings}).encode())
        elif path.startswith(files) and (name := path.removeprefix(files).partition("/")[2]) in server.files:
            content = server.files[name]
            if self.command == "GET":
                server.fetched.append(name)
            self._send(200, content, {"ETag": f'"{_digest(content)}"', "X-Repo-Commit": COMMIT})
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _send(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


def _digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
