"""Priorities and stages that somebody holds back for a while: what waits there stays queued.

A running stage ends; the next one is not begun. A pause ends by itself, by the database's clock.
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.errors import Invalid, NotFound
from models.jobs.predicates import DISPATCHED
from models.jobs.types import Priority, Stage

# Priorities and stages have no name in common.
PAUSED: Final = """
    exists (select from ingest_pauses as pause where pause.name in ({priority}, {stage}) and until > clock_timestamp())
"""


class NewPause(Struct, forbid_unknown_fields=True):
    """Either a priority or a stage, why, and until when: an hour from now if nothing is said."""

    reason: Annotated[str, Meta(min_length=1, max_length=1000)]
    priority: Priority | None = None
    stage: Stage | None = None
    until: datetime | None = None


class Pause(Struct):
    """What is held back, by whom, why and until when."""

    pause_id: UUID
    priority: Priority | None
    stage: Stage | None
    reason: str
    paused_by: str
    paused_at: datetime
    until: datetime


_COLUMNS: Final = """
    pause_id, case when name in ('interactive', 'batch', 'backfill') then name end,
    case when name not in ('interactive', 'batch', 'backfill') then name end, reason, paused_by, paused_at, until
"""


async def pause(connection: Connection, actor: Actor, new: NewPause) -> Pause:
    """Hold back a priority or a stage; one that is held back already gets the new reason and end.

    Raises:
        Invalid: where it is neither or both, or over before it begins.
    """
    if (new.priority is None) == (new.stage is None):
        raise Invalid("name either a priority or a stage", field="priority")
    query = f"""
        with paused as (
            insert into ingest_pauses (name, reason, paused_by, until)
            select %(name)s, %(reason)s, %(actor)s, until
            from (select coalesce(%(until)s::timestamptz, clock_timestamp() + interval '1 hour') as until) as wanted
            where until > clock_timestamp()
            on conflict (name) do update set pause_id = excluded.pause_id, reason = excluded.reason,
                paused_by = excluded.paused_by, paused_at = excluded.paused_at, until = excluded.until
            returning *
        ), audited as (
            insert into audit_log (actor, action, entity_type, entity_id, after, request_id)
            select %(actor)s, 'pause', 'pause', pause_id,
                   jsonb_build_object('name', name, 'reason', reason, 'until', until), %(request_id)s
            from paused
        )
        select {_COLUMNS} from paused
    """
    sent = {"name": new.priority or new.stage, "reason": new.reason, "until": new.until}
    row = await db.row(connection, Pause, query.encode(), actor.params() | sent)
    if row is None:
        raise Invalid("this time is over already", field="until")
    return row


async def read_all(connection: Connection) -> list[Pause]:
    """What is held back now, the newest first."""
    query = f"select {_COLUMNS} from ingest_pauses where until > clock_timestamp() order by paused_at desc"
    return await db.rows(connection, Pause, query.encode())


async def resume(connection: Connection, actor: Actor, name: Priority | Stage) -> None:
    """Let a priority or a stage go on at once: messages that were refused meanwhile are sent again.

    Raises:
        NotFound: where it is not paused.
    """
    query = f"""
        with resumed as (
            delete from ingest_pauses where name = %(name)s and until > clock_timestamp() returning *
        ), audited as (
            insert into audit_log (actor, action, entity_type, entity_id, before, request_id)
            select %(actor)s, 'resume', 'pause', pause_id,
                   jsonb_build_object('name', name, 'reason', reason, 'until', until), %(request_id)s
            from resumed
        ), undispatched as (
            update ingest_jobs set dispatched_at = null
            where job_id in (select job_id from ingest_jobs as job, resumed
                             where {DISPATCHED} and resumed.name in (priority, stage)
                             order by job_id for update of job skip locked)
        )
        select pg_notify('jobs', '') from resumed
    """.encode()
    if await db.value(connection, query, actor.params() | {"name": name}) is None:
        raise NotFound(f"{name} is not paused")
