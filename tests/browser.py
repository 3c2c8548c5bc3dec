"""A real browser without a window, where there is one: Debian's chromium, Google Chrome, or playwright's own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


@dataclass
class Browser:
    """A browser that keeps what its pages complain of and ask for.

    Attributes:
        complaints: lines of the console, errors of scripts, and requests that failed.
        requests: addresses of all that was asked for.
    """

    _playwright_browser: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def page(self, **options: Any) -> Any:
        """A new page."""
        page = self._playwright_browser.new_page(**options)
        page.set_default_timeout(60_000)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("request", lambda request: self.requests.append(request.url))
        return page

    def _failed(self, request: Any) -> None:
        # A player that is taken away stops loading, and so does a page that is left: neither is a fault.
        if request.resource_type != "media" and request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.url}: {request.failure}")


@contextmanager
def open_browser(*arguments: str) -> Iterator[Browser]:
    """A browser, closed afterwards, with further arguments; the test is skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the dev extra has it)")
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=[*_ARGUMENTS, *arguments])
        except sync_api.Error as error:
            reason = str(error).partition("\n")[0]
            pytest.skip(f"no browser ({reason}); install one with: apt-get install chromium")
        yield Browser(browser)
        browser.close()


def axe_core(folder: Path) -> str:
    """The accessibility checker axe-core, as npm has it, fetched into a folder once; the test is skipped without it."""
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm, by which axe-core is fetched")
        command = [npm, "install", "--silent", "--ignore-scripts", "--prefix", str(folder), "axe-core@4"]
        if subprocess.run(command, capture_output=True, timeout=300).returncode:
            pytest.skip("npm cannot fetch axe-core")
    return script.read_text(encoding="utf-8")
