"""A server of one file on this machine that breaks off, changes its mind, and answers as others do."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 9000


class FileServer(ThreadingHTTPServer):
    """Serves one file; ``breaks_after`` bytes of an answer it hangs up."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.entity_tag: str | None = '"v1"'
        self.ranges = True
        self.breaks_after: int | None = None
        self.content_length: str | None = None
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/corpus.tar.gz"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.asked.append(asked)
        if self.path != "/corpus.tar.gz":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        resumed = bool(asked) and server.ranges and self.headers.get("If-Range") == server.entity_tag
        if resumed and start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.end_headers()
            return
        content = server.content[start:] if resumed else server.content
        self.send_response(206 if resumed else 200)
        self.send_header("Content-Length", server.content_length or str(len(content)))
        if resumed:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        if server.entity_tag:
            self.send_header("ETag", server.entity_tag)
        self.end_headers()
        self.wfile.write(content[: server.breaks_after])

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass
