"""Who changed what."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.params import FromQuery, QueryParameter

from api.dependencies import Db, Past
from api.http.envelope import Data, Listing, listing
from models.audit import log, seals
from models.audit.log import AuditFilter, AuditRow
from models.audit.seals import Verdict
from models.catalog.restoring import living
from models.db.actions import Action
from models.db.connection import Connection
from models.db.paging import LONGEST_CURSOR, Whole, decode_cursor, encode_cursor
from models.errors import NotFound

LIST = "audit_log"
SORT = "-audit_id"
Limit = Annotated[int, QueryParameter(ge=1, le=100, description="Rows on a page.")]
Cursor = Annotated[str | None, QueryParameter(max_length=LONGEST_CURSOR, description="nextCursor of the page before.")]

Seal = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^[0-9]{1,18}:[0-9a-f]{64}$(?!\n)",
        description="last_seal of an earlier verdict: it must be there still.",
    ),
]


class AuditController(Controller):
    """The audit log; for admins."""

    path = "/api/v1/audit"
    tags = ("audit",)

    @get("/", summary="List changes, the newest first")
    async def list_changes(
        self,
        db: Db,
        entity_type: Annotated[str | None, QueryParameter(max_length=50)] = None,
        entity_id: FromQuery[UUID | None] = None,
        actor: Annotated[str | None, QueryParameter(max_length=255)] = None,
        action: FromQuery[Action | None] = None,
        since: Annotated[datetime | None, QueryParameter(name="from", description="Not before this time.")] = None,
        until: Annotated[datetime | None, QueryParameter(name="to", description="Not after this time.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Listing[AuditRow]:
        wanted = AuditFilter(entity_type, entity_id, actor, action, since, until)
        return await changes(db, wanted, limit, cursor)

    @get("/verify", summary="Has anybody tampered with the log?")
    async def verify_audit_log(self, db: Db, seal: Seal = None) -> Data[Verdict]:
        return Data(await seals.verify(db, seal))


async def changes(
    db: Connection, wanted: AuditFilter, limit: int, cursor: str | None, of: str = LIST
) -> Listing[AuditRow]:
    """A page of changes in its envelope; cursors are of the list ``of``."""
    before = decode_cursor(cursor, of, SORT, Whole).value if cursor is not None else None
    found, total, last = await log.page(db, wanted, limit, before)
    following = encode_cursor(of, SORT, last, found[-1].entity_id) if last is not None else None
    return listing(found, limit=limit, total=min(total, 100_000), next_cursor=following)


async def history_of(db: Connection, entity_type: str, entity_id: UUID, past: Past) -> Listing[AuditRow]:
    """What became of one thing; of a deleted one, and of links with such, for who may look into the trash.

    Raises:
        NotFound: where there never was such a thing, or it is hidden from the caller.
    """
    missing = NotFound(f"there is no {entity_type.replace('_', ' ')} {entity_id}")
    if not past.deleted and not await living(db, entity_type, entity_id):
        raise missing
    wanted = AuditFilter(entity_type=entity_type, entity_id=entity_id, living=None if past.deleted else True)
    page = await changes(db, wanted, past.limit, past.cursor, f"{entity_type} {entity_id}")
    if not page.data and past.cursor is None:
        raise missing
    return page
