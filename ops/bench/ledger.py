"""What the ledger costs: ``python -m ops.bench.ledger``.

Jobs a second through the four stages when these do nothing, against Procrastinate's of one empty task on the same
PostgreSQL; jobs a second that the API takes in batches; what a claim costs when a million jobs wait.
"""

import asyncio
import os
import subprocess
import sys
import time
from statistics import median
from typing import Any, Final
from uuid import UUID

import httpx2
import psycopg

from models import dev_issuer
from models.db import connection as db
from models.jobs import claims, dispatch
from models.jobs.claims import Holder
from models.settings import load
from ops.bench.system import system
from ops.stack.system import System
from pipeline.engine.context import threads

JOBS: Final = 1_000
ROUNDS: Final = 3
BATCH: Final = 1_000
BATCHES: Final = 10
WAITING: Final = (10_000, 1_000_000)
CLAIMS: Final = 300

_INSERT: Final = """
    insert into ingest_jobs (entity_type, entity_id, role, source_reference, on_duplicate, priority, request_id,
                             created_by)
    select 'clip', uuidv7(), 'primary', 's3://episodes-media/clip/none.jpg', 'link', %s, 'bench', 'bench'
    from generate_series(1, %s)
"""


def _ask(made: System, query: str, *params: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(made.environ["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(query.encode(), params)
        return cursor.fetchall() if cursor.description else []


def chain(made: System) -> float:
    """Jobs a second through four empty stages, from the first start to the last end."""
    _ask(made, "truncate ingest_jobs cascade")
    worker = made.child("ops.bench.empty_worker", METRICS_PORT="0", LOG_LEVEL="WARNING")  # as quiet as the peer
    _ask(made, _INSERT, "batch", JOBS)
    made.dispatcher.spawn()
    worker.spawn()
    while _ask(made, "select 1 from ingest_jobs where status <> 'succeeded' limit 1"):
        worker.check()
        time.sleep(0.1)
    made.dispatcher.stop()
    worker.stop()
    ((seconds,),) = _ask(made, "select extract(epoch from max(finished_at) - min(started_at))::float8 from ingest_jobs")
    return float(JOBS / seconds)


def peer(made: System, number: int) -> float:
    """Jobs a second of Procrastinate in a database of its own, with as many jobs at once as our worker has."""
    name = f"procrastinate_{number}"
    _ask(made, f"create database {name}")
    server = made.environ["MIGRATION_DATABASE_URL"].rpartition("/")[0]
    environ = made.environ | {"DATABASE_URL": f"{server}/{name}"}
    command = [sys.executable, "-m", "ops.bench.procrastinate_peer", str(JOBS), str(threads(load(made.environ)))]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True, text=True)
    return float(done.stdout)


def overhead(made: System) -> None:
    """Print both, by turns."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(ROUNDS):
        ours.append(chain(made))
        theirs.append(peer(made, number))
    print(f"{JOBS:,} jobs, {ROUNDS} turns (wanted: four durable steps at 0.5 of the jobs/s of one)")
    print(f"  Episodes, four empty stages   {median(ours):6.0f} jobs/s")
    print(f"  Procrastinate, one empty task {median(theirs):6.0f} jobs/s")
    print(f"  {median(ours) / median(theirs):.2f} of it", flush=True)


def enqueue(made: System) -> None:
    """Print the jobs a second of batches posted one after the other."""
    headers = {"Authorization": f"Bearer {dev_issuer.sign(made.home, role='editor', subject='bench')}"}
    seconds = []
    with httpx2.Client(base_url=made.url, headers=headers, timeout=60, trust_env=False) as http:
        clip = http.post("/api/v1/clips", json={"title": "of the bench"}).raise_for_status().json()["data"]["clip_id"]
        item = {"entity_type": "clip", "entity_id": clip, "priority": "batch"}
        jobs = [item | {"source_reference": f"s3://episodes-media/clip/{number}.jpg"} for number in range(BATCH)]
        for _ in range(BATCHES):
            started = time.perf_counter()
            http.post("/api/v1/ingest/batch", json={"jobs": jobs}).raise_for_status()
            seconds.append(time.perf_counter() - started)
    print(f"batches of {BATCH:,} by the API (wanted: 5,000 jobs/s)")
    print(f"  {BATCH / median(seconds):.0f} jobs/s, {median(seconds) * 1000:.0f} ms a batch", flush=True)


def backlog(made: System) -> None:
    """Print what finding and claiming a due job costs, at each number of waiting ones."""
    _ask(made, "truncate ingest_jobs cascade")
    found = []
    print("milliseconds to find what is due, and to claim one of it (wanted: at most 1.5 times with a million)")
    for number in WAITING:
        ((there,),) = _ask(made, "select count(*) from ingest_jobs")
        _ask(made, _INSERT, "backfill", number - there)
        _ask(made, "vacuum analyze ingest_jobs")
        found.append(asyncio.run(_claims(made)))
        print(f"  {number:9,} waiting: {found[-1][0]:.2f} and {found[-1][1]:.2f}", flush=True)
    (due, claim), (more_due, more_claim) = found
    print(f"  {more_due / due:.2f} and {more_claim / claim:.2f} times")


async def _claims(made: System) -> tuple[float, float]:
    holder = Holder("bench", 30.0)
    due: list[float] = []
    taken: list[float] = []
    async with db.pool(load(made.environ), size=1) as pool, db.borrow(pool) as connection:
        while len(taken) < CLAIMS:
            started = time.perf_counter()
            messages = (await dispatch.due(connection)).messages
            due.append(time.perf_counter() - started)
            for message in messages:
                started = time.perf_counter()
                await claims.claim(connection, {UUID(str(message.job_id)): message.stage}, holder)
                taken.append(time.perf_counter() - started)
    return median(due) * 1000, median(taken) * 1000


def main() -> None:
    with system(os.sched_getaffinity(0), METRICS_PORT="0") as made:
        made.dispatcher.stop()
        enqueue(made)
        overhead(made)
        backlog(made)


if __name__ == "__main__":
    main()
