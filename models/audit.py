"""The audit log, read: who changed what. Rows are written by ``changes``; nobody updates or deletes them."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from models import database
from models.actions import Action
from models.database import Connection


class AuditRow(Struct):
    """One change: ``before`` and ``after`` hold what changed and nothing else.

    Where it is ``redacted``, what it told of was purged since, and what might tell of a person was taken out.
    """

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
    redacted: bool


class AuditFilter(Struct):
    """Which changes; what is None does not count."""

    entity_type: str | None = None
    entity_id: UUID | None = None
    actor: str | None = None
    action: Action | None = None
    since: datetime | None = None
    until: datetime | None = None


_CONDITIONS: Final = {
    "entity_type": "entity_type = %(entity_type)s",
    "entity_id": "entity_id = %(entity_id)s",
    "actor": "actor = %(actor)s",
    "action": "action = %(action)s",
    "since": "at >= %(since)s",
    "until": "at <= %(until)s",
}
_COLUMNS: Final = (
    "audit_id, at, actor, action, entity_type, entity_id, before, after, request_id, job_id, redacted_with is not null"
)


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
