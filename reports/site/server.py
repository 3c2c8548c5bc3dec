"""A report by a small server on this machine: the same pages, which also draw sounds, and hear of new results."""

import re
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from evalkit.errors import ConfigurationError, EvalkitError
from evalkit.results.metrics_file import FILE_NAME
from reports.site.live import begun_folders, shown_runs, write_waiting_page
from reports.site.shell import POLICY
from reports.write import write_report

HOST = "127.0.0.1"
_TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".png": "image/png", ".csv": "text/csv; charset=utf-8", ".wav": "audio/wav",
    ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".m4a": "audio/mp4",
}  # fmt: skip
_HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PIECE = 1 << 16
_SECONDS_BETWEEN_LOOKS = 2.0


class ReportServer(AbstractContextManager["ReportServer"]):
    """Writes the report of some runs into a folder of its own, serves it to this machine, and keeps it up to date.

    Nothing is handed out but the files of the report and the sounds that it names, each by a name that the report gave
    it; and only to pages of this server: a name of another host that leads here is refused.

    Args:
        runs: run folders and folders of repeated runs; they may go on, and need no results yet.
        port: to listen at; 0 for any that is free.

    Raises:
        ConfigurationError: the port cannot be had.
        StoreError: a run cannot be read.
    """

    def __init__(self, runs: Sequence[Path], port: int = 0) -> None:
        self._runs = runs
        self._folder = TemporaryDirectory(prefix="evalkit-view-")
        self._files: dict[str, Path] = {}
        self._sounds: dict[Path, str] = {}
        self._ended = threading.Event()
        self.version = 0
        try:
            self._server = _Server((HOST, port), self)
        except (OSError, OverflowError) as error:
            self._folder.cleanup()
            raise ConfigurationError(
                f"port {port}: cannot be listened at ({error}); name another with --port"
            ) from error
        try:
            self._state = self._look()
            self._write()
        except BaseException:
            self._server.server_close()
            self._folder.cleanup()
            raise

    @property
    def address(self) -> str:
        """Of the first page."""
        return f"http://{HOST}:{self._server.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which the server may be addressed."""
        return tuple(f"{host}:{self._server.server_port}" for host in (HOST, "localhost"))

    def serve(self) -> None:
        """Answer requests until ``close`` is called, writing the report anew whenever a run has new results."""
        threading.Thread(target=self._watch, daemon=True).start()
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Stop serving."""
        self._ended.set()
        self._server.shutdown()

    def find(self, name: str) -> Path | None:
        """Return the file that a name of the report stands for, or None if it is none of it."""
        return self._files.get(name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.server_close()
        self._folder.cleanup()

    def _write(self) -> None:
        folder = Path(self._folder.name)
        shown = shown_runs(self._runs)
        if shown.runs:
            written = write_report(shown.runs, output_folder=folder, link=self._link, notes=shown.notes).files
        else:
            written = tuple(write_waiting_page(folder, shown.notes))
        files = {path.relative_to(folder).as_posix(): path for path in written}
        self._files = {**files, **{name: path for path, name in self._sounds.items()}}
        self.version += 1

    def _link(self, path: Path) -> str:
        return self._sounds.setdefault(path, f"sounds/{len(self._sounds)}{path.suffix.lower()}")

    def _watch(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_LOOKS):
            with suppress(EvalkitError, OSError):  # a run that is being written or moved; it is looked at again
                state = self._look()
                if state != self._state:
                    self._write()
                    self._state = state

    def _look(self) -> dict[Path, tuple[int, int] | None]:
        """Return what changes when a run begins, or has new results."""
        found: dict[Path, tuple[int, int] | None] = {}
        for run in (each for folder in self._runs for each in (folder, *begun_folders(folder))):
            try:
                status = (run / FILE_NAME).stat()
                found[run] = (status.st_mtime_ns, status.st_size)
            except OSError:
                found[run] = None
        return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], report: ReportServer) -> None:
        self.report = report
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of browsers that leave in the middle of a sound."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "evalkit"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer with a file or a part of one."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer as to GET, without the file."""
        self._answer(with_body=False)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is http.server's
        """Print nothing: the terminal belongs to whoever started the server."""

    def _answer(self, *, with_body: bool) -> None:
        report = self.server.report
        if self.headers.get("Host") not in report.hosts:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
            return
        name = unquote(urlsplit(self.path).path).removeprefix("/") or "index.html"
        if name == "version":
            self._send_head(HTTPStatus.OK, {"Content-Type": "text/plain", "Content-Length": len(str(report.version))})
            if with_body:
                self.wfile.write(str(report.version).encode())
            return
        if name == "favicon.ico":  # browsers ask for one, and complain where there is none
            self._send_head(HTTPStatus.NO_CONTENT, {})
            return
        path = report.find(name)
        try:
            file = None if path is None else path.open("rb")
        except OSError:
            file = None
        if file is None or path is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        with file:
            self._send(file, _TYPES.get(path.suffix.lower(), "text/plain; charset=utf-8"), with_body=with_body)

    def _send(self, file: BinaryIO, kind: str, *, with_body: bool) -> None:
        size = file.seek(0, 2)
        span = _span(self.headers.get("Range"), size)
        if span is None:
            self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
            return
        first, last = span
        partial = "Range" in self.headers
        headers: dict[str, str | int] = {"Content-Type": kind, "Content-Length": last - first + 1}
        if partial:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._send_head(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK, headers)
        if not with_body:
            return
        file.seek(first)
        left = last - first + 1
        while left and (piece := file.read(min(left, _PIECE))):
            self.wfile.write(piece)
            left -= len(piece)

    def _refuse(self, status: HTTPStatus, headers: dict[str, str | int] | None = None) -> None:
        self._send_head(status, {"Content-Length": 0, **(headers or {})})

    def _send_head(self, status: HTTPStatus, headers: dict[str, str | int]) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a request wants (RFC 9110, section 14), or None if it can have none."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[0] == "bytes=-":
        return 0, size - 1
    if not match[1]:  # so many from the end
        return (max(0, size - int(match[2])), size - 1) if int(match[2]) and size else None
    first, last = int(match[1]), int(match[2] or size - 1)
    return (first, min(last, size - 1)) if first <= last and first < size else None
