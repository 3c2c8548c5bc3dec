import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from evalkit.cli.main import main
from evalkit.errors import ConfigurationError
from reports.site.server import ReportServer
from tests.processes import within
from tests.reports.site_runs import row, sound, speech_run
from tests.reports.test_site import arguments


@contextmanager
def serving(*runs: Path) -> Iterator[ReportServer]:
    with ReportServer(runs) as server:
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.close()
            thread.join()


def ask(
    server: ReportServer, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> tuple[int, bytes, Mapping[str, str]]:
    host, port = server.hosts[0].split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.putrequest(method, path, skip_host="Host" in (headers or {}))
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.getheaders())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    sound(tmp_path / "data" / "u.flac")
    (tmp_path / "data" / "notes.txt").write_text("private")
    return speech_run(tmp_path, "run", [row("u", "a", "a", (0, 0, 0, 1))], tmp_path / "data")


def test_the_pages_and_the_sounds_they_name_are_served_in_parts_and_nothing_else(run: Path, tmp_path: Path) -> None:
    whole = (tmp_path / "data" / "u.flac").read_bytes()
    with serving(run) as server:
        status, content, headers = ask(server, "/")
        assert (status, content[:15]) == (200, b"<!DOCTYPE html>")
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        status, content, _ = ask(server, "/data/runs/run/demo/00000.js")
        (tmp_path / "piece.js").write_bytes(content)
        [record] = arguments(tmp_path / "piece.js")[2]
        address = "/" + record["audio"][0]["url"]
        assert ask(server, address)[:2] == (200, whole)
        status, content, headers = ask(server, address, {"Range": "bytes=10-19"})
        assert (status, content) == (206, whole[10:20])
        assert headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
        assert ask(server, address, {"Range": "bytes=-5"})[:2] == (206, whole[-5:])
        assert ask(server, address, {"Range": f"bytes={len(whole)}-"})[:2] == (416, b"")
        assert ask(server, address, {"Range": "bytes=a"})[1] == whole
        assert ask(server, address, method="HEAD")[:2] == (200, b"")
        assert ask(server, address, method="POST")[0] == 501
        for path in (
            "/../run/metrics.json",
            "/%2e%2e/x",
            "/data/../../x",
            "//etc/passwd",
            "/sounds/9.flac",
            "/sounds/../data/notes.txt",
            "/%00",
        ):
            assert ask(server, path)[0] in (400, 404), path


def test_a_page_of_another_host_that_leads_here_gets_nothing(run: Path) -> None:
    with serving(run) as server:
        port = server.hosts[0].partition(":")[2]
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1"):
            assert ask(server, "/", {"Host": host})[:2] == (421, b"")
        assert ask(server, "/", {"Host": f"localhost:{port}"})[0] == 200


def test_new_results_are_shown_while_a_run_goes_on(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.site.server._SECONDS_BETWEEN_LOOKS", 0.05)
    with serving(run) as server:
        assert ask(server, "/version")[1] == b"1"
        content = json.loads((run / "metrics.json").read_text())
        content["model"]["title"] = "Another"
        (run / "metrics.json").write_text(json.dumps(content))
        assert b"Another" in wait_for(server, b"2")


def test_what_cannot_be_served_is_one_clear_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ReportServer([run]) as server:
        port = server.hosts[0].partition(":")[2]
        with pytest.raises(ConfigurationError, match=f"port {port}: cannot be listened at"):
            ReportServer([run], int(port))
        assert main(["view", str(run), "--port", port, "--no-browser"]) == 2
    assert main(["view", str(tmp_path / "none")]) == 2
    assert main(["view", str(run), "--port", "70000"]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_the_command_says_what_it_copies_first(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "report"
    assert main(["report", str(run), "--output", str(output), "--audio", "copy"]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"copying 1 sounds (0.0 MB) to {output}\n"
    assert len(list((output / "audio").glob("*.flac"))) == 1


def begun(folder: Path) -> Path:
    """A run folder as it is before its first task ends."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text("{}")
    return folder


def wait_for(server: ReportServer, version: bytes) -> bytes:
    """The first page, once it has been written so many times."""
    assert within(lambda: ask(server, "/version")[1] == version)
    return ask(server, "/")[1]


def test_a_run_that_has_just_begun_is_shown_as_soon_as_there_is_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.site.server._SECONDS_BETWEEN_LOOKS", 0.05)
    run = begun(tmp_path / "run")
    with serving(run) as server:
        page = ask(server, "/")[1]
        assert b"Nothing finished yet" in page
        assert b"the first task ends" in page
        for name in ("site/report.css", "site/refresh.js"):
            assert f'"{name}"'.encode() in page
            assert ask(server, f"/{name}")[0] == 200
        assert ask(server, "/tasks/demo.html")[0] == 404
        speech_run(tmp_path, "run", [row("u", "a", "a", (0, 0, 0, 1))])
        assert b"Demo clean" in wait_for(server, b"2")
        assert ask(server, "/tasks/demo.html")[0] == 200


def test_repeated_runs_are_shown_by_themselves_until_all_are_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.site.server._SECONDS_BETWEEN_LOOKS", 0.05)
    folder = tmp_path / "x"
    for name in ("x-1", "x-2"):
        begun(folder / name)
    with serving(folder) as server:
        assert b"Nothing finished yet" in ask(server, "/")[1]
        speech_run(folder, "x-1", [row("u", "a", "a", (0, 0, 0, 1))])
        page = wait_for(server, b"2")
        assert b"1 of its repeated runs have results so far" in page
        assert b"Tiny (2 runs)" not in page
        speech_run(folder, "x-2", [row("u", "a", "b", (1, 0, 0, 1))])
        page = wait_for(server, b"3")
        assert b"so far" not in page
        assert b"Tiny (2 runs)" in page


def test_a_run_that_goes_on_stands_beside_one_that_is_finished(run: Path, tmp_path: Path) -> None:
    with ReportServer([run, begun(tmp_path / "new")]) as server:
        page = server.find("index.html")
        assert page is not None
        assert f"{tmp_path / 'new'}: nothing is finished yet" in page.read_text()
