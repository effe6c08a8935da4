"""The metrics of a process of the pipeline, and whether it is ready, on a port of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Any, Final

import msgspec
import psycopg

from models import metrics
from models.db import connection as db
from models.db.connection import Pool
from models.errors import Problem
from models.kernel import Walls
from models.metrics import JobStatistics
from models.process import NotStarted
from models.settings import Settings
from models.throttled import Throttled

PATIENCE_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 10
CONNECTIONS: Final = 64

Held = Callable[[], Walls | None]


@contextmanager
def serve_metrics(
    settings: Settings, pool: Pool, loop: asyncio.AbstractEventLoop, held: Held = Walls
) -> Iterator[None]:
    """Serve ``/metrics`` beside ``loop``, on which ``pool`` is open; nothing where the port is 0.

    ``held`` tells what holds the decoders: None until there are any, and the process is ready then.

    Raises:
        NotStarted: where the port is not to be had.
    """
    if settings.metrics == 0:
        yield
        return
    server = _listening(settings, pool, loop, held)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _listening(settings: Settings, pool: Pool, loop: asyncio.AbstractEventLoop, held: Held) -> "_Server":
    try:
        return _Server(settings, pool, loop, held)
    except OSError as error:
        where, why = f"port {settings.metrics} of {settings.host}", error.strerror or error
        how = "another program of ours may have it: give each one of its own, or 0 for no metrics"
        raise NotStarted(f"METRICS_PORT: {where} is not to be had ({why}); {how}") from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, settings: Settings, pool: Pool, loop: asyncio.AbstractEventLoop, held: Held) -> None:
        self.address_family = AF_INET6 if ":" in settings.host else AF_INET
        super().__init__((settings.host, settings.metrics), _Handler)
        self._settings = settings
        self._pool = pool
        self._loop = loop
        self.held = held
        self._recent = Throttled(self._read, metrics.SCRAPES)
        self._places = threading.BoundedSemaphore(CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each of a few connections; more are hung up on, so that they cannot use up the machine."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def allows(self, authorization: str) -> bool:
        """Whether this header may read the metrics."""
        return self._settings.may_read_metrics(authorization)

    def text(self) -> bytes:
        """The metrics now, or a moment ago; without what the database knows where the loop that asks it is busy."""
        reading = asyncio.run_coroutine_threadsafe(self._recent.get(), self._loop)
        try:
            return reading.result(PATIENCE_SECONDS)
        except FutureTimeoutError:
            reading.cancel()
            return metrics.exposition(None, self._own())

    async def _read(self) -> bytes:
        return await asyncio.to_thread(metrics.exposition, await self._truth(), self._own())

    def _own(self) -> metrics.Own:
        return metrics.own(self._settings, self._pool)

    async def _truth(self) -> JobStatistics | None:
        try:
            async with db.borrow(self._pool) as connection:
                return await metrics.statistics(connection)
        except (psycopg.Error, Problem):
            return None


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SILENCE_SECONDS  # of a connection that sends nothing

    def do_GET(self) -> None:
        """``/metrics`` and ``/health/ready``, and nothing else."""
        path = self.path.partition("?")[0]
        if path == "/health/ready":
            self._ready(self.server.held())
        elif path != "/metrics":
            self._answer(404, b"only /metrics and /health/ready are here\n")
        elif not self.server.allows(self.headers.get("Authorization", "")):
            self._answer(401, b"metrics need 'Authorization: Bearer $METRICS_TOKEN'\n")
        else:
            self._answer(200, self.server.text(), metrics.CONTENT_TYPE)

    def _ready(self, held: Walls | None) -> None:
        """Not metrics, and no secret: whether it works, and behind which walls."""
        told = {"status": "starting" if held is None else "ready", "decoder_cage": held or Walls()}
        self._answer(503 if held is None else 200, msgspec.json.encode({"data": told}), "application/json")

    def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_response(self, code: int, message: str | None = None) -> None:
        """Begin an answer, without the name and version of what gives it."""
        self.send_response_only(code, message)

    def log_message(self, *_: object) -> None:
        """A scrape is not worth a line."""
