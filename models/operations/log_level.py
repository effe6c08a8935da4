"""How much the logs say: a level for all programs that ends by itself, in the place of their ``LOG_LEVEL``.

Each process reads it with its heartbeat, so it holds everywhere a few seconds later.
"""

from datetime import datetime
from typing import Final

from msgspec import Struct

from models.db import connection as db
from models.db.connection import Connection
from models.db.recording import Actor
from models.errors import Invalid
from models.operations import LevelName


class NewLogLevel(Struct, forbid_unknown_fields=True):
    """The level for all programs until then: an hour from now if nothing is said; null for that of their settings."""

    level: LevelName | None
    until: datetime | None = None


class LogLevel(Struct):
    """The level that somebody has set for all programs; null where each logs at that of its settings."""

    level: LevelName | None
    set_by: str | None = None
    set_at: datetime | None = None
    until: datetime | None = None


async def read(connection: Connection) -> LogLevel:
    """What holds now."""
    query = "select level, set_by, set_at, until from log_levels where until > clock_timestamp()"
    return await db.row(connection, LogLevel, query) or LogLevel(None)


async def change(connection: Connection, actor: Actor, new: NewLogLevel) -> LogLevel:
    """Set the level of all programs, or let each go back to its own.

    Raises:
        Invalid: where it would end before it begins.
    """
    sent = actor.params() | {"level": new.level, "until": new.until}
    if await db.value(connection, _CHANGE if new.level else _END, sent) is None and new.level:
        raise Invalid("this time is over already", field="until")
    return await read(connection)


_AUDITED: Final = """
    insert into audit_log (actor, action, entity_type, entity_id, after, request_id)
    select %(actor)s, 'update', 'log_level', log_level_id,
           jsonb_build_object('level', %(level)s::text, 'until', until), %(request_id)s
    from changed
"""
_CHANGE: Final = f"""
    with changed as (
        insert into log_levels (level, set_by, until)
        select %(level)s, %(actor)s, until
        from (select coalesce(%(until)s::timestamptz, clock_timestamp() + interval '1 hour') as until) as wanted
        where until > clock_timestamp()
        on conflict (only_one) do update set log_level_id = excluded.log_level_id, level = excluded.level,
            set_by = excluded.set_by, set_at = excluded.set_at, until = excluded.until
        returning *
    ), audited as ({_AUDITED})
    select level from changed
""".encode()
_END: Final = f"""
    with changed as (
        update log_levels set until = clock_timestamp() where until > clock_timestamp() returning *
    ), audited as ({_AUDITED})
    select level from changed
""".encode()
