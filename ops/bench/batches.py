"""A batch of 10,000 files: what a look takes, what a hundred watchers cost: ``python -m ops.bench.batches``."""

import asyncio
import os
import time
from statistics import median
from typing import Final

import httpx2
import psycopg

from models import dev_issuer
from ops.bench.system import system
from ops.stack.system import System

JOBS: Final = 10_000
AT_ONCE: Final = 1_000
LOOKS: Final = 300
LOOK_MS: Final = 5.0
WATCHERS: Final = 100
SECONDS: Final = 10
TRANSACTIONS: Final = 2.5  # a second for all watchers: one query, the check of its connection, and our own counting


def client(made: System) -> httpx2.Client:
    """Signed in as an editor."""
    token = dev_issuer.sign(made.home, role="editor", subject="bench")
    return httpx2.Client(base_url=made.url, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False)


def batch_of(made: System, editor: httpx2.Client) -> str:
    """A batch whose jobs wait, because nobody works."""
    opened = editor.post("/api/v1/ingest/batches", json={"name": "a season", "keep_open": True}).raise_for_status()
    batch = str(opened.json()["data"]["batch_id"])
    clip = editor.post("/api/v1/clips", json={"title": "bench"}).json()["data"]["clip_id"]
    for start in range(0, JOBS, AT_ONCE):
        names = (f"s3://{made.environ['S3_PRIMARY_BUCKET']}/clip/{start + one}.jpg" for one in range(AT_ONCE))
        jobs = [{"entity_type": "clip", "entity_id": clip, "source_reference": name} for name in names]
        posted = editor.post("/api/v1/ingest/batch", json={"batch_id": batch, "jobs": jobs})
        posted.raise_for_status()
    return batch


def look_ms(editor: httpx2.Client, batch: str) -> float:
    """Milliseconds of a look, from a client beside the server; the median."""
    took = []
    for _ in range(LOOKS):
        started = time.perf_counter()
        editor.get(f"/api/v1/ingest/batches/{batch}").raise_for_status()
        took.append((time.perf_counter() - started) * 1000)
    return median(took)


def transactions(made: System) -> int:
    """Those that the database has ended."""
    query = "select pg_stat_force_next_flush(), xact_commit from pg_stat_database where datname = current_database()"
    with psycopg.connect(made.environ["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        rows = connection.execute(query).fetchall()
    return int(rows[0][1])


async def rate(made: System, batch: str, watchers: int) -> float:
    """Transactions a second while so many watch."""
    token = dev_issuer.sign(made.home, role="editor", subject="bench")
    limits = httpx2.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=made.url, headers=headers, limits=limits, trust_env=False) as http:
        told = asyncio.Semaphore(0)
        streams = [asyncio.create_task(_watch(http, batch, told)) for _ in range(watchers)]
        for _ in streams:
            await told.acquire()
        await asyncio.sleep(1)  # the database counts what has ended a moment later
        before = transactions(made)
        await asyncio.sleep(SECONDS)
        ended = transactions(made) - before
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    return ended / SECONDS


async def _watch(http: httpx2.AsyncClient, batch: str, told: asyncio.Semaphore) -> None:
    async with http.stream("GET", f"/api/v1/ingest/batches/{batch}/events", timeout=None) as answer:
        answer.raise_for_status()
        async for _ in answer.aiter_bytes():
            told.release()


def main() -> int:
    """1 where a look takes too long, or watchers cost too much."""
    unlimited = {"STREAMS_PER_CALLER": "1000", "STREAMS_TOTAL": "1000", "MAX_OPEN_JOBS_PER_CALLER": "0"}
    with system(os.sched_getaffinity(0), METRICS_PORT="0", **unlimited) as made:
        made.dispatcher.stop()
        with client(made) as editor:
            batch = batch_of(made, editor)
            took = look_ms(editor, batch)
        print(f"a look at a batch of {JOBS:,}: {took:.2f} ms (wanted: under {LOOK_MS:g})", flush=True)
        alone, watched = (asyncio.run(rate(made, batch, number)) for number in (0, WATCHERS))
    cost = watched - alone
    print(f"{WATCHERS} watchers: {cost:.2f} transactions a second more (wanted: at most {TRANSACTIONS:g})")
    return int(took > LOOK_MS or cost > TRANSACTIONS)


if __name__ == "__main__":
    raise SystemExit(main())
