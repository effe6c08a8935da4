"""A real HTTP server that webhooks are sent to, and that answers as a test wants."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.eventually import eventually


class Received(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Receiver:
    """Keeps what it is sent, and answers by ``answer``: a status, or what a handler does by itself."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: int | Callable[[BaseHTTPRequestHandler], None] = 204
        self.released = threading.Event()  # what hangs ends with the test
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, body))
                receiver.reply(self)

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        if callable(self.answer):
            self.answer(handler)
        else:
            handler.send_response(self.answer)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    def hang(self, _: BaseHTTPRequestHandler) -> None:
        """Answer nothing until the test is over."""
        self.released.wait(60)

    def wait_for(self, number: int) -> list[Received]:
        """The first so many requests."""
        eventually(lambda: len(self.received) >= number)
        return self.received[:number]

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
