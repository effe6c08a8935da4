"""The audit log, read: who changed what, and whether anybody has tampered with it.

Rows are written by ``changes``; nobody updates or deletes them. They are sealed in batches by a chain of hashes, after
the fact, so that writers do not queue up behind it.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from models import database
from models.changes import Action
from models.database import Connection


class AuditRow(Struct):
    """One change: ``before`` and ``after`` hold what changed and nothing else."""

    audit_id: int
    at: datetime
    actor: str
    action: Action
    entity_type: str
    entity_id: UUID
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str
    job_id: UUID | None


class AuditFilter(Struct):
    """Which changes; what is None does not count."""

    entity_type: str | None = None
    entity_id: UUID | None = None
    actor: str | None = None
    action: Action | None = None
    since: datetime | None = None
    until: datetime | None = None


class Verdict(Struct):
    """Whether each seal fits its rows; ``broken_at`` is when the first that does not was made."""

    seals: int
    rows: int
    unsealed: int
    intact: bool
    broken_at: datetime | None


_CONDITIONS: Final = {
    "entity_type": "entity_type = %(entity_type)s",
    "entity_id": "entity_id = %(entity_id)s",
    "actor": "actor = %(actor)s",
    "action": "action = %(action)s",
    "since": "at >= %(since)s",
    "until": "at <= %(until)s",
}
_COLUMNS: Final = "audit_id, at, actor, action, entity_type, entity_id, before, after, request_id, job_id"


async def page(
    connection: Connection, wanted: AuditFilter, limit: int, before: int | None
) -> tuple[list[AuditRow], int, int | None]:
    """The newest changes that match, their number up to 100,000, and the id to go on from."""
    given = {name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None}
    where = " and ".join(["true", *(_CONDITIONS[name] for name in given)])
    count = f"select count(*) from (select from audit_log where {where} limit 100001) as counted"  # noqa: S608
    total = await database.value(connection, count.encode(), given)
    after = " and audit_id < %(before)s" if before is not None else ""
    query = f"select {_COLUMNS} from audit_log where {where}{after} order by audit_id desc limit %(limit)s"  # noqa: S608
    found = await database.rows(connection, AuditRow, query.encode(), given | {"before": before, "limit": limit + 1})
    return found[:limit], total, found[limit - 1].audit_id if len(found) > limit else None


# The hash of a seal is over the one before it and the text of its rows in the order of their ids.
_HASH: Final = """
    sha256({previous} || convert_to(coalesce((
        select string_agg(to_jsonb(sealed)::text, E'\\n' order by audit_id) from audit_log as sealed
        where transaction >= {since} and transaction < {upto}), ''), 'UTF8'))
"""


async def seal(connection: Connection) -> int:
    """Seal all rows that no running transaction can still add to; how many.

    Of several callers at once one does it, the others do nothing.
    """
    query = """
        with last as (
            select coalesce((select hash from audit_seals order by seal_id desc limit 1), ''::bytea) as hash,
                   coalesce((select upto from audit_seals order by seal_id desc limit 1), '0'::xid8) as upto
            where pg_try_advisory_xact_lock(6305218)
        ), settled as (
            select last.hash, last.upto as since, pg_snapshot_xmin(pg_current_snapshot()) as upto,
                   (select count(*) from audit_log where transaction >= last.upto
                    and transaction < pg_snapshot_xmin(pg_current_snapshot())) as number
            from last
        )
        insert into audit_seals (upto, rows, hash)
        select upto, number, {hash} from settled where number > 0 returning rows
    """
    text = _HASH.format(previous="settled.hash", since="settled.since", upto="settled.upto")
    return await database.value(connection, query.replace("{hash}", text).encode()) or 0


async def verify(connection: Connection) -> Verdict:
    """Compute every seal again from the rows that are there."""
    query = """
        with chain as (
            select seal_id, upto, rows, hash, sealed_at,
                   lag(hash, 1, ''::bytea) over (order by seal_id) as previous,
                   lag(upto, 1, '0'::xid8) over (order by seal_id) as since
            from audit_seals
        ), checked as (
            select seal_id, rows, sealed_at, hash = {hash} and rows = (
                select count(*) from audit_log where transaction >= chain.since and transaction < chain.upto) as fits
            from chain
        )
        select count(*), coalesce(sum(rows), 0)::bigint,
               (select count(*) from audit_log
                where transaction >= coalesce((select max(upto::text::numeric)::text::xid8 from audit_seals), '0')),
               coalesce(bool_and(fits), true), min(sealed_at) filter (where not fits)
        from checked
    """
    text = _HASH.format(previous="chain.previous", since="chain.since", upto="chain.upto")
    found = await database.row(connection, Verdict, query.replace("{hash}", text).encode())
    assert found is not None  # noqa: S101
    return found
