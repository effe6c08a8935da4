"""An identity provider as far as we ask one: a real HTTP server with its public keys."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class KeyServer:
    """Serves a JWK set; counts who asks, and can be away."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.asked = 0
        self.away = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(503 if outer.away else 200)
                self.end_headers()
                raw = isinstance(outer.document, bytes)
                self.wfile.write(outer.document if raw else json.dumps(outer.document).encode())

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def key_server(document: Any) -> Iterator[KeyServer]:
    """A key server that stops at the end."""
    running = KeyServer(document)
    try:
        yield running
    finally:
        running.stop()
