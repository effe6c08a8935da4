"""The programs that run, each with a row that it writes every few seconds: true after any crash.

A row that has not been written for long is of a process that died without a word. It is shown as gone, and removed
later by whichever process writes next.
"""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct, json, structs

from models.db import connection as db
from models.db.connection import Connection

Program = Literal["api", "dispatcher", "worker"]
State = Literal["alive", "gone"]

BEAT_SECONDS: Final = 3.0
GONE_SECONDS: Final = 12.0  # since the last beat
FORGOTTEN_SECONDS: Final = 3600.0  # since the last beat

ALIVE: Final = f"beat_at > clock_timestamp() - interval '{GONE_SECONDS} seconds'"


class Loop(Struct):
    """What a dispatcher does again and again: since when it goes well, or since when it meets ``error``."""

    name: str
    since: datetime
    error: str | None = None


class Process(Struct, frozen=True):
    """A process, as it introduces itself."""

    process_id: UUID
    program: Program
    name: str
    host: str
    pid: int
    version: str
    commit: str | None
    threads: int | None = None
    decoders: int | None = None


class Beat(Struct, frozen=True):
    """What a process says of itself each time."""

    decoders_busy: int | None = None
    loops: list[Loop] = []


class ProcessState(Struct):
    """A process as its row shows it."""

    name: str
    host: str
    pid: int
    version: str
    commit: str | None
    state: State
    started_at: datetime
    beat_at: datetime
    threads: int | None
    decoders: int | None
    decoders_busy: int | None
    loops: list[dict[str, Any]]  # each a Loop
    program: Program


async def beat(connection: Connection, process: Process, now: Beat) -> str | None:
    """Write the process's row, and remove those of long ago; the log level that is set for all, if one is."""
    params: dict[str, Any] = structs.asdict(process)
    params |= {"decoders_busy": now.decoders_busy, "loops": json.encode(now.loops).decode()}
    level: str | None = await db.value(connection, _BEAT, params)
    return level


_BEAT: Final = f"""
    with forgotten as (
        delete from processes where process_id in (
            select process_id from processes
            where beat_at < clock_timestamp() - interval '{FORGOTTEN_SECONDS} seconds'
            for update skip locked)
    )
    insert into processes (process_id, program, name, host, pid, version, commit, threads, decoders, decoders_busy,
                           loops)
    values (%(process_id)s, %(program)s, %(name)s, %(host)s, %(pid)s, %(version)s, %(commit)s, %(threads)s,
            %(decoders)s, %(decoders_busy)s, %(loops)s::jsonb)
    on conflict (process_id) do update
    set beat_at = clock_timestamp(), decoders_busy = excluded.decoders_busy, loops = excluded.loops
    returning (select level from log_levels where until > clock_timestamp())
""".encode()


async def leave(connection: Connection, process_id: UUID) -> None:
    """Remove the row of a process that ends in good order."""
    await db.execute(connection, "delete from processes where process_id = %s", [process_id])


async def read_all(connection: Connection) -> list[ProcessState]:
    """Those that run, and those that died within the hour, the oldest first."""
    return await db.rows(connection, ProcessState, _PROCESSES)


_PROCESSES: Final = f"""
    select name, host, pid, version, commit, case when {ALIVE} then 'alive' else 'gone' end, started_at, beat_at,
           threads, decoders, decoders_busy, loops, program
    from processes order by started_at, process_id
""".encode()
