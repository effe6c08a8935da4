"""The audit log, read: who changed what. Rows are written by ``changes``; nobody updates or deletes them."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from psycopg.sql import SQL, Identifier

from models.catalog import CATALOG
from models.db import connection as db
from models.db.actions import Action
from models.db.connection import Connection
from models.db.page_sizes import fits, size_of, told


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
    living: bool | None = None  # True: no links with what is deleted


_LIVES: Final = SQL("exists (select from {} where {} = linked_thing(before, after)::uuid and deleted_at is null)")
_LIVING: Final = SQL(" or ").join(
    _LIVES.format(Identifier(one.table.name), Identifier(one.table.key)) for one in CATALOG.values() if one.links
)
_CONDITIONS: Final = {
    "entity_type": "entity_type = %(entity_type)s",
    "entity_id": "entity_id = %(entity_id)s",
    "actor": "actor = %(actor)s",
    "action": "action = %(action)s",
    "since": "at >= %(since)s",
    "until": "at <= %(until)s",
    "living": f"(action not in ('link', 'unlink') or {_LIVING.as_string()})",
}
_COLUMNS: Final = SQL(", ").join(
    SQL("redacted_with is not null as redacted") if name == "redacted" else Identifier(name)
    for name in AuditRow.__struct_fields__
)
_TOLD: Final = SQL(", ").join(
    told(name) if name in {"before", "after"} else SQL("page.{}").format(Identifier(name))
    for name in AuditRow.__struct_fields__
)
_NEWEST: Final = SQL("audit_id desc")
_SIZE: Final = size_of((), ("before", "after"))
_FITS: Final = fits("audit_id", order=_NEWEST, size=_SIZE.exactly)
# Rows behind how many there were before the page was cut.
_PAGE: Final = SQL("""
    with page as materialized ({page})
    select held, {told} from (select count(*) as held, sum({size}) as bytes from page) as weighed
    join page on {fits} order by audit_id desc
""")


async def page(
    connection: Connection, wanted: AuditFilter, limit: int, before: int | None
) -> tuple[list[AuditRow], int, int | None]:
    """The newest changes that match, their number up to 100,000, and the id to go on from."""
    given = {name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None}
    where = " and ".join(["true", *(_CONDITIONS[name] for name in given)])
    count = f"select count(*) from (select from audit_log where {where} limit 100001) as counted"
    total = await db.value(connection, count.encode(), given)
    after = " and audit_id < %(before)s" if before is not None else ""
    page = SQL(f"select {{}} from audit_log where {where}{after} order by audit_id desc limit %(limit)s")
    query = _PAGE.format(page=page.format(_COLUMNS), told=_TOLD, size=_SIZE.most, fits=_FITS).as_bytes()
    found = await db.raw_tuples(connection, query, given | {"before": before, "limit": limit + 1})
    rows = [AuditRow(*values[1:]) for values in found[:limit]]
    return rows, total, rows[-1].audit_id if found and found[0][0] > len(rows) else None
