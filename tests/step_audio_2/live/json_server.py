"""A server of JSON on 127.0.0.1 that answers what it is told to, and refuses every request that it does not expect."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[str, Mapping[str, str], Mapping[str, str]], tuple[int, Any] | None]
"""From path, parameters and headers (names in small letters) to status and content, JSON or bytes; None refuses."""


@contextmanager
def json_server(answer: Answer) -> Iterator[str]:
    """The address of a server, which has refused nothing by the end."""
    refused: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            given = parse_qs(parts.query, strict_parsing=True, keep_blank_values=True) if parts.query else {}
            parameters = {name: values[0] for name, values in given.items() if len(values) == 1}
            headers = {name.lower(): value for name, value in self.headers.items()}
            answered = answer(parts.path, parameters, headers) if len(parameters) == len(given) else None
            if answered is None:
                refused.append(self.path)
            status, content = answered or (400, {"error": "not as documented"})
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert not refused
