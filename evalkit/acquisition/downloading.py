"""Downloading one file from a plain URL: resumed where it broke off, checked, and in place only when whole."""

import hashlib
import os
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from evalkit.errors import DataError

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 60.0


def download(url: str, file: Path, *, sha256: str | None = None) -> None:
    """Fetch a URL to a file unless it is there.

    What came before a connection broke is kept beside the file as ``FILE.part``, and the next call asks for the rest,
    if the server still has the same version.

    Args:
        url: http or https.
        file: where to put it.
        sha256: hexadecimal digest that the content must have, if known.

    Raises:
        DataError: the URL cannot be read, the connection broke, or the content is not what it should be.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url}: not an http or https address")
    if not file.exists():
        unfinished = file.with_name(f"{file.name}.part")
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            _fetch(url, unfinished)
        except urllib.error.HTTPError as error:
            raise DataError(f"{url}: the server answers {error.code} {error.reason}") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise DataError(f"{url}: cannot be fetched ({reason}); the same command continues") from error
        _check(unfinished, url, sha256)
        _version_file(unfinished).unlink(missing_ok=True)
        os.replace(unfinished, file)
    else:
        _check(file, url, sha256)


def _fetch(url: str, unfinished: Path) -> None:
    request = urllib.request.Request(url)  # noqa: S310 - the scheme was checked
    version = _version_file(unfinished)
    if unfinished.exists() and version.exists():
        request.add_header("Range", f"bytes={unfinished.stat().st_size}-")
        request.add_header("If-Range", version.read_text(encoding="utf-8"))
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
            _receive(response, url, unfinished)
    except urllib.error.HTTPError as error:
        # The file had come whole before the last call ended.
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{unfinished.stat().st_size}":
            return
        raise


def _receive(response: HTTPResponse, url: str, unfinished: Path) -> None:
    resumed = response.status == 206
    start = unfinished.stat().st_size if resumed else 0
    if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise DataError(f"{url}: the server sends another part than was asked for; delete {unfinished}")
    if not resumed:
        _remember_version(response, unfinished)
    total = None if response.length is None else start + response.length
    with (
        unfinished.open("ab" if resumed else "wb") as target,
        tqdm(total=total, initial=start, desc=unfinished.stem, unit="B", unit_scale=True, disable=None) as bar,
    ):
        while chunk := response.read(_CHUNK_BYTES):
            target.write(chunk)
            bar.update(len(chunk))
        received = target.tell()
    if total is not None and received < total:
        raise DataError(
            f"{url}: the connection broke after {received:,} of {total:,} bytes; the same command continues"
        )


def _version_file(unfinished: Path) -> Path:
    return unfinished.with_name(f"{unfinished.name}.version")


def _remember_version(response: HTTPResponse, unfinished: Path) -> None:
    """Keep what tells this version of the file from others; without it the next call starts anew."""
    entity_tag = response.headers.get("ETag", "")
    # A weak tag must not be used to join parts of a file (RFC 9110, section 13.1.5).
    validator = entity_tag if not entity_tag.startswith("W/") else ""
    validator = validator or response.headers.get("Last-Modified", "")
    if validator:
        _version_file(unfinished).write_text(validator, encoding="utf-8")
    else:
        _version_file(unfinished).unlink(missing_ok=True)


def _check(file: Path, url: str, sha256: str | None) -> None:
    if sha256 is None:
        return
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != sha256.lower():
        raise DataError(f"{file}: its SHA-256 is {digest}, but that of {url} is {sha256}; delete it and start again")
