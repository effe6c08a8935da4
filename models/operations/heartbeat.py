"""The heart of a process: its row is written as long as it runs, and the log level that somebody sets is taken over."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import uuid4

import psycopg
import structlog

from models import build, log
from models.db import connection as db
from models.db.connection import Pool
from models.operations import processes
from models.operations.processes import BEAT_SECONDS, Beat, Process, Program

logger = structlog.get_logger()
LEAVE_SECONDS: Final = 1.0  # a process that ends waits no longer for the database

Report = Callable[[], Beat]


def introduce(program: Program, name: str = "", *, threads: int | None = None, decoders: int | None = None) -> Process:
    """This process."""
    host, pid = socket.gethostname(), os.getpid()
    name = name or f"{host}:{pid}"
    return Process(uuid4(), program, name, host, pid, build.version(), build.commit(), threads, decoders)


@asynccontextmanager
async def beating(pool: Pool, process: Process, report: Report = Beat) -> AsyncIterator[None]:
    """Let others see that the process runs, for the time of a block; ``pool`` is open."""
    heart = asyncio.create_task(_beat(pool, process, report))
    try:
        yield
    finally:
        heart.cancel()
        await asyncio.gather(heart, return_exceptions=True)
        await _leave(pool, process)


async def _beat(pool: Pool, process: Process, report: Report) -> None:
    """Where the database is away, nobody can look either: there is nothing to be done but to try again."""
    while True:
        with suppress(psycopg.Error, *db.AWAY):
            async with db.borrow(pool) as connection:
                level = await processes.beat(connection, process, report())
            _listen_to(level)
        await asyncio.sleep(BEAT_SECONDS)


def _listen_to(level: str | None) -> None:
    if changed := log.change(level):
        logger.warning("log level changed", to=changed)


async def _leave(pool: Pool, process: Process) -> None:
    with suppress(psycopg.Error, TimeoutError, *db.AWAY):
        async with asyncio.timeout(LEAVE_SECONDS), db.borrow(pool) as connection:
            await processes.leave(connection, process.process_id)
