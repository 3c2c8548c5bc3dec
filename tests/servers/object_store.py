"""A server of the S3 protocol as a process of its own; run as ``python -m tests.servers.object_store``."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.responses import S3Response
from werkzeug.serving import make_server

_CONDITION = "if-none-match"


def main() -> None:
    """Serve until killed, having printed the address."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.object_store", description=__doc__)
    parser.add_argument("--unconditional", action="store_true", help="put an object though there is one, as some do")
    if parser.parse_args().unconditional:
        _put_unconditionally()
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def _put_unconditionally() -> None:
    put = S3Response.put_object

    def put_object(response: S3Response) -> object:
        response.headers = {name: value for name, value in response.headers.items() if name.lower() != _CONDITION}
        return put(response)

    S3Response.put_object = put_object  # type: ignore[assignment,method-assign]


@contextmanager
def object_store_server(*words: str) -> Iterator[str]:
    """The address of a server with such words on its command line."""
    command = [sys.executable, "-m", "tests.servers.object_store", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


if __name__ == "__main__":
    main()
