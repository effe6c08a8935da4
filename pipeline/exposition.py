"""The metrics of a process of the pipeline, on a port of its own."""

import asyncio
import hmac
import threading
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import psycopg

from models import database, metrics
from models.database import Pool
from models.errors import Problem
from models.metrics import Truth
from models.program import NotStarted
from models.settings import Settings

PATIENCE_SECONDS: Final = 5.0


@contextmanager
def serve_metrics(settings: Settings, pool: Pool, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Serve ``/metrics`` beside ``loop``, on which ``pool`` is open; nothing where the port is 0.

    Raises:
        NotStarted: where the port is not to be had.
    """
    if settings.metrics == 0:
        yield
        return
    server = _listening(settings, pool, loop)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _listening(settings: Settings, pool: Pool, loop: asyncio.AbstractEventLoop) -> "_Server":
    try:
        return _Server(settings, pool, loop)
    except OSError as error:
        where, why = f"port {settings.metrics} of {settings.host}", error.strerror or error
        how = "another program of ours may have it: give each one of its own, or 0 for no metrics"
        raise NotStarted(f"METRICS_PORT: {where} is not to be had ({why}); {how}") from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, settings: Settings, pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__((settings.host, settings.metrics), _Handler)
        self._token = settings.metrics_token
        self._open = settings.app_env == "development" and not settings.metrics_token
        self._pool = pool
        self._loop = loop

    def allows(self, authorization: str) -> bool:
        """Whether this header may read the metrics."""
        wanted = f"Bearer {self._token}"
        return self._open or (bool(self._token) and hmac.compare_digest(authorization.encode(), wanted.encode()))

    def text(self) -> bytes:
        """The metrics now."""
        return metrics.exposition(self._truth())

    def _truth(self) -> Truth | None:
        reading = asyncio.run_coroutine_threadsafe(self._read(), self._loop)
        try:
            return reading.result(PATIENCE_SECONDS)
        except (FutureTimeoutError, psycopg.Error, Problem):
            reading.cancel()
            return None

    async def _read(self) -> Truth:
        async with database.connection(self._pool) as connection:
            return await metrics.truth(connection)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """``/metrics``, and nothing else."""
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, b"only /metrics is here\n")
        elif not self.server.allows(self.headers.get("Authorization", "")):
            self._answer(401, b"metrics need 'Authorization: Bearer $METRICS_TOKEN'\n")
        else:
            self._answer(200, self.server.text())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", metrics.CONTENT_TYPE if status == 200 else "text/plain")  # noqa: PLR2004
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A scrape is not worth a line."""
