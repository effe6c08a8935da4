"""Faults of PostgreSQL: it dies, it is out of reach, its answers are lost, and it refuses for each of its reasons."""

import os
import signal
from contextlib import suppress
from typing import LiteralString

import psycopg

from tests.chaos import proxy, troubles
from tests.chaos.proxy import cut
from tests.soak.ground import Ground

TRIES = 20
RUNNING = "select job_id, entity_id from ingest_jobs where status = 'running' order by random() limit 1"


def postgresql_restarted_at_once(ground: Ground) -> None:
    assert ground.own.postgres is not None
    os.kill(ground.own.postgres.pid or 0, signal.SIGQUIT)
    ground.own.postgres.await_end()
    ground.some(0, 3)
    ground.own.postgres.start()


def backends_ended(ground: Ground) -> None:
    troubles.end_backends(ground.url)


def answers_to_commits_lost(ground: Ground) -> None:
    ground.world.postgresql.trap("down", proxy.COMMITTED, cut, times=ground.rng.randint(1, 5))
    ground.some(1, 3)
    ground.world.postgresql.clear()


def database_out_of_reach(ground: Ground) -> None:
    ground.world.postgresql.stop()
    ground.some(1, 5)
    ground.world.postgresql.start()


def deadlock(ground: Ground) -> None:
    _cross(ground, troubles.JOB, "job_id")


def serialization_failure(ground: Ground) -> None:
    """Only where an operator asks for it: by default the programs' transactions read what is committed."""
    with troubles.everybody(ground.url, "default_transaction_isolation", "repeatable read"):
        _cross(ground, troubles.TOUCH, "entity_id")
        ground.some(1, 3)


def _cross(ground: Ground, second: LiteralString, key: str) -> None:
    """Come into the way of a job that runs, by its clip: then want what it holds, or change the clip."""
    for _ in range(TRIES):
        for job_id, clip_id in ground.world.stack.sql(RUNNING):
            wanted = {"job_id": job_id, "entity_id": clip_id}[key]
            with suppress(psycopg.OperationalError):  # not we were to be refused, but they
                if troubles.cross(ground.url, (troubles.CLIP, [clip_id]), (second, [wanted]), within=1):
                    return
        ground.some(0, 0.5)


def lock_held_for_too_long(ground: Ground) -> None:
    """Callers are refused after 3 s; the pipeline waits."""
    with troubles.held(ground.url, troubles.CLIPS):
        ground.some(3.5, 5)


def disk_full(ground: Ground) -> None:
    """The log of what was changed has no room, so nothing can be changed."""
    assert ground.own.postgres is not None
    with troubles.disk_full(ground.url, ground.own.home / "postgres", "audit_log"):
        ground.some(1, 4)


def only_reads(ground: Ground) -> None:
    with troubles.everybody(ground.url, "default_transaction_read_only", "on"):
        ground.some(1, 4)


DATABASE = (
    postgresql_restarted_at_once,
    backends_ended,
    answers_to_commits_lost,
    database_out_of_reach,
    deadlock,
    serialization_failure,
    lock_held_for_too_long,
    disk_full,
    only_reads,
)
