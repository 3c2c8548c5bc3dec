"""A server that starts slowly, tells secrets and dies on request: ``tiny_server.py PORT [LOADING_REQUESTS]``."""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

loading = int(sys.argv[2]) if len(sys.argv) > 2 else 0


class Handler(BaseHTTPRequestHandler):
    """Is loading for so many requests, then fails at every path, as servers do that cannot list their models."""

    def do_GET(self) -> None:
        global loading
        if self.path == "/die":
            os._exit(7)
        self.send_response(503 if loading else 500)
        loading = max(0, loading - 1)
        self.end_headers()


print(f"the token is {os.environ.get('TINY_TOKEN')}, the folder is {os.getcwd()}", flush=True)
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
