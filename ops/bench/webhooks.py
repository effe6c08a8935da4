"""What webhooks cost whoever writes, and how many are told a minute: ``python -m ops.bench.webhooks``."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import psycopg

from ops.bench.system import system

DELIVERIES: Final = 500
ROWS: Final = 5_000
ROUNDS: Final = 15
TARGET: Final = 1_000

_WRITE: Final = """
    insert into audit_log (actor, action, entity_type, entity_id, request_id)
    select 'bench', 'update', 'show', uuidv7(), 'bench' from generate_series(1, %s)
"""
_SUBSCRIBE: Final = """
    insert into webhooks (url, events, secret, created_by) values (%s, '{job.failed}', 'whsec_YmVuY2g=', 'bench')
    returning webhook_id
"""
_DELIVER: Final = b"""
    insert into webhook_deliveries (webhook_id, event_id, event, entity_id, body)
    select %s, uuidv7(), 'job.failed', uuidv7(),
           cloud_event(uuidv7(), 'job.failed', 'ingest/x', jsonb_build_object('number', number))
    from generate_series(1, %s) as number
"""


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False
    request_queue_size = 128


@contextmanager
def receiver() -> Iterator[str]:
    """The URL of a server that takes everything."""
    server = _Server(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def main() -> None:
    """Print both."""
    with (
        system(os.sched_getaffinity(0), METRICS_PORT="0") as made,
        receiver() as url,
        psycopg.connect(made.environ["MIGRATION_DATABASE_URL"], autocommit=True) as owner,
    ):
        print(f"a change where there is no webhook: {_cost(owner):.1f} µs more", flush=True)
        rate = _rate(owner, url)
    print(f"deliveries a minute by one dispatcher (promised: {TARGET:,})")
    print(f"  {rate:,.0f}", flush=True)


def _cost(owner: psycopg.Connection) -> float:
    """Microseconds of the trigger for a row, between the fastest rounds with and without it."""
    pairs = [(_seconds(owner, "enable"), _seconds(owner, "disable")) for _ in range(ROUNDS)]
    with_it, without = min(one for one, _ in pairs), min(other for _, other in pairs)
    return (with_it - without) / ROWS * 1e6


def _seconds(owner: psycopg.Connection, how: str) -> float:
    owner.execute(f"alter table audit_log {how} trigger audit_log_announced".encode())
    started = time.perf_counter()
    owner.execute(_WRITE, [ROWS])
    return time.perf_counter() - started


def _subscribed(owner: psycopg.Connection, url: str) -> object:
    row = owner.execute(_SUBSCRIBE, [url]).fetchone()
    assert row is not None  # noqa: S101  (an insert returns its row)
    return row[0]


def _rate(owner: psycopg.Connection, url: str) -> float:
    webhook = _subscribed(owner, url)
    started = time.monotonic()
    owner.execute(_DELIVER, [webhook, DELIVERIES])
    waiting = "select from webhook_deliveries where webhook_id = %s and status = 'pending' limit 1"
    while owner.execute(waiting.encode(), [webhook]).fetchone() is not None:
        time.sleep(0.05)
    return DELIVERIES / (time.monotonic() - started) * 60


if __name__ == "__main__":
    main()
